#pragma once

#include <cstdint>

#include "core/time.hpp"

namespace harbinger {

/// Limits bytes a second. Spending may go into debt; nothing new may be asked for until the debt is
/// paid back. A chunk's size is known only when it is there: what it is expected to have is spent
/// when it is asked for, and the rest, or what was too much, when it comes. Over any span the bytes
/// spent are at most rate × span + burst + one spending.
class token_bucket {
public:
  /// Bytes a second; 0: no limit. May change at any time; tokens gathered so far stay, up to the
  /// new burst.
  void set_rate(uint64_t bytes_per_s);
  uint64_t rate() const { return rate_; }
  /// Whether something may be asked for now.
  bool ready(time_point now);
  void spend(uint64_t bytes, time_point now);
  /// Of what was spent, so much was not needed.
  void give_back(uint64_t bytes, time_point now);

private:
  void refill(time_point now);

  static constexpr double burst_s = 0.1; ///< of the rate is saved up at most
  uint64_t rate_ = 0;
  double tokens_ = 0.0;
  time_point refilled_{};
};

} // namespace harbinger
