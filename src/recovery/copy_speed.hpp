#pragma once

/// How fast copies were made lately, as nodes reported them. Pure.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/time.hpp"
#include "messages/control.hpp"

namespace harbinger::recovery {

class copy_speed {
public:
  /// Smaller ones tell how long a round takes, not how fast bytes go.
  static constexpr uint64_t telling_bytes = 1 << 20;
  static constexpr size_t kept_max = 64;         ///< copies that count, the newest
  static constexpr size_t under_way_max = 16384; ///< copies that are timed at once; more are not

  /// Everything that a node holds, as it says. A copy counts when it is complete, from the first
  /// report of it; one that was complete when first heard of does not.
  void take(const node_id& node, const std::vector<replica_report>& replicas, time_point now);

  size_t measured() const { return done_.size(); }
  /// Of all that count together; nothing: none does.
  std::optional<double> bytes_per_s() const;

private:
  struct begun {
    copy_id copy;
    time_point at;
    uint64_t bytes = 0; ///< copied when it was first heard of
  };
  struct finished {
    uint64_t bytes = 0;
    double seconds = 0.0;
  };
  std::map<std::pair<node_id, partition_id>, begun> under_way_;
  std::deque<finished> done_;
};

} // namespace harbinger::recovery
