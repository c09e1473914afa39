#pragma once

#include <cstdint>
#include <optional>

#include "core/time.hpp"

namespace harbinger {

struct yield_limits {
  double rise = 1.25; ///< commits may take so many times their quiet time; 0: never yield
  uint64_t floor_bytes_per_s = 4 << 20; ///< copies always get this: one at risk has to finish
  uint64_t ceiling_bytes_per_s = 1 << 30;
};

/// Durable writes of clients and replication since the node began; only grows.
struct commit_totals {
  uint64_t commits = 0;
  double total_ms = 0.0; ///< from being handed over to being durable
};

/// How fast a node may copy so that its foreground does not notice: additive increase,
/// multiplicative decrease (as in TCP), by the time that durable writes take.
///
/// What is quiet is learned while nothing, or no more than the floor, is copied; so a node whose
/// writes became slower for another reason goes down to the floor, learns there that it is not the
/// copies, and comes back. Without foreground writes there is nobody to give way to: the ceiling.
class foreground_yield {
public:
  static constexpr auto period = milliseconds(100); ///< between two decisions

  explicit foreground_yield(yield_limits limits);

  /// Bytes that were copied, as source or as target.
  void count(uint64_t bytes) { copied_bytes_ += bytes; }
  /// Bytes a second that may be copied now; 0: no limit. Decides anew when a period has passed;
  /// `waiting`: writes that wait for the disk now.
  uint64_t rate(const commit_totals& totals, uint64_t waiting, time_point now);

  /// Of durable writes: while quiet, and lately. Absent: not known.
  std::optional<double> quiet_ms() const { return quiet_ms_; }
  std::optional<double> lately_ms() const { return lately_ms_; }
  uint64_t backoffs() const { return backoffs_; } ///< how often it lowered the rate

private:
  void learn(double mean_ms, uint64_t commits, double copied_per_s);
  void decide(double copied_per_s, bool stuck);

  yield_limits limits_;
  double rate_;
  uint64_t copied_bytes_ = 0;
  commit_totals seen_;
  std::optional<time_point> decided_at_;
  std::optional<time_point> busy_at_; ///< when there were foreground writes last
  std::optional<double> quiet_ms_, lately_ms_;
  uint64_t quiet_commits_ = 0; ///< that quiet_ms_ was learned from
  uint64_t backoffs_ = 0;
};

} // namespace harbinger
