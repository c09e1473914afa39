#pragma once

#include <algorithm>

#include "core/time.hpp"

namespace harbinger {

/// So long after a report the next one goes at the earliest, when only news makes it due: a report
/// names every replica, and a node with thousands of them has news all the time while a volume is
/// made or a peer's partitions come over. Commands are answered meanwhile, so nobody waits for it.
constexpr duration report_pause(size_t replicas) {
  constexpr auto each = std::chrono::microseconds(100);
  return std::min<duration>(each * replicas, seconds(1));
}

/// And without news: as configured, but not so often that reports are most of what a large node and
/// the centre do.
constexpr duration report_period(size_t replicas, duration configured) {
  return std::max<duration>(configured, 2 * report_pause(replicas));
}

} // namespace harbinger
