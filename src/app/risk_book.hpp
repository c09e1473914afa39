#pragma once

/// What a client knows of which nodes are likely to fail (risk.get), and how long that holds. Pure.

#include <optional>

#include "core/time.hpp"
#include "messages/at_risk.hpp"

namespace harbinger {

class risk_book {
public:
  static constexpr auto ask_period = seconds(1);
  static constexpr auto valid_for = seconds(5); ///< what is older says nothing

  /// Whether it is time to ask again; then asked() until the next time.
  bool due(time_point now) const { return now >= ask_at_; }
  void asked(time_point now) { ask_at_ = now + ask_period; }
  /// News of an older life of the centre, and of one that knows no zones yet, are passed over.
  void heard(nodes_at_risk news, time_point now);
  /// In a zone, as far as is known; false when nothing is.
  bool at_risk(const node_id& node, time_point now) const;

private:
  time_point ask_at_{};
  nodes_at_risk news_;
  time_point confirmed_at_{}; ///< by this clock
};

} // namespace harbinger
