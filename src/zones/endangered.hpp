#pragma once

/// Which nodes are emptied before they fail. Pure.

#include "core/time.hpp"
#include "messages/zones.hpp"

namespace harbinger {

/// One partition is not handed over again for so long.
inline constexpr seconds hand_over_rest{60};

/// Its own probability of failure, or the zone's common cause if that is larger; what is no number
/// is the largest.
inline double risk_of_member(const zone& z, size_t member_index) {
  double own = member_index < z.risks.size() ? z.risks[member_index] : z.probability;
  return own <= z.common_cause || z.common_cause != z.common_cause ? z.common_cause : own;
}

/// Whether primaries and members are to move off this member of the zone (zones.evacuate_at): its
/// risk_of_member is at `evacuate_at` or above. What is no number counts as certain. `evacuate_at`
/// 1: never for a prediction. Members of planned zones always are; while the map is braked, they
/// alone.
inline bool endangered(const zone& z, size_t member_index, bool braked, double evacuate_at) {
  if (member_index >= z.members.size()) return false;
  if (z.within_s > 0) return true;
  if (braked || !(evacuate_at < 1)) return false;
  return !(risk_of_member(z, member_index) < evacuate_at);
}

} // namespace harbinger
