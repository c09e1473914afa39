#pragma once

/// Which nodes are emptied before they fail. Pure.

#include "messages/zones.hpp"

namespace harbinger {

/// Whether primaries and members are to move off this member of the zone (zones.evacuate_at): its
/// own probability of failure, or the zone's common cause if that is larger, is at `evacuate_at` or
/// above. What is no number counts as certain. `evacuate_at` 1: never for a prediction. Members of
/// planned zones always are; while the map is braked, they alone.
inline bool endangered(const zone& z, size_t member_index, bool braked, double evacuate_at) {
  if (member_index >= z.members.size()) return false;
  if (z.within_s > 0) return true;
  if (braked || !(evacuate_at < 1)) return false;
  double own = member_index < z.risks.size() ? z.risks[member_index] : z.probability;
  return !(own < evacuate_at) || !(z.common_cause < evacuate_at);
}

} // namespace harbinger
