#pragma once

/// How likely everybody who holds a partition fails within the horizon. Pure.

#include <set>
#include <span>

#include "messages/zones.hpp"
#include "zones/zone_picture.hpp"

namespace harbinger {

/// P(a node in no zone fails within the horizon). Stands in for what the predictor has not singled
/// out.
inline constexpr double base_failure_probability = 1e-3;

/// P(all of `holders` fail within the horizon): zone members by the zone's common-cause model
/// (zones/joint_probability.hpp), zones independent of each other, everybody else with
/// base_failure_probability. 1 for no holders.
double none_alive(const std::set<node_id>& holders, const zone_map& zones);
/// The same by numbers; each holder once. Risks are in the picture's steps.
double none_alive(std::span<const node_number> holders, const zone_picture& zones);

} // namespace harbinger
