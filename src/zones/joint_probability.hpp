#pragma once

/// How likely the members of a zone fail together. Pure.

#include <vector>

namespace harbinger {

/// The share of the smallest member's risk that comes from one cause common to the whole domain.
/// Beta-factor model (Fleming 1975; NUREG/CR-4780 uses 0.1 for diverse equipment, up to 0.5 and
/// more when one shared element is already suspected, as it is in a condemned domain).
inline constexpr double common_cause_share = 0.5;

struct joint_risk {
  double any = 0.0;    ///< at least one member fails
  double all = 0.0;    ///< all members fail
  double common = 0.0; ///< the part of `all` that is one common event
};

/// With c = share * min(p): every member fails when the common event comes (probability c), else
/// each fails by itself with q_i = (p_i - c) / (1 - c), so that each keeps its own p_i. all = c +
/// (1 - c) * prod q_i; any = 1 - (1 - c) * prod (1 - q_i). One member: any = all = p, common = 0.
/// None: all zero.
joint_risk joint_probability(const std::vector<double>& risks, double share = common_cause_share);

/// What is left of a member's risk once the common event is taken out (q_i above); 0..1.
double own_risk(double risk, double common);

} // namespace harbinger
