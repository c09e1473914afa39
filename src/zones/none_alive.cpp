#include "zones/none_alive.hpp"

#include <algorithm>
#include <cmath>

#include "zones/joint_probability.hpp"

namespace harbinger {

double none_alive(const std::set<node_id>& holders, const zone_map& zones) {
  double product = 1.0;
  size_t in_zones = 0;
  for (const auto& z : zones.zones) {
    double own = 1.0;
    size_t members = 0;
    for (size_t i = 0; i < z.members.size(); ++i) {
      if (!holders.contains(z.members[i])) continue;
      ++members;
      own *= own_risk(i < z.risks.size() ? z.risks[i] : z.probability, z.common_cause);
    }
    if (members > 0) product *= z.common_cause + (1.0 - z.common_cause) * own;
    in_zones += members;
  }
  return product
         * std::pow(base_failure_probability, static_cast<double>(holders.size() - in_zones));
}

double none_alive(std::span<const node_number> holders, const zone_picture& zones) {
  double product = 1.0;
  for (size_t i = 0; i < holders.size(); ++i) {
    auto z = zones.of(holders[i]).zone;
    if (z == no_number) {
      product *= base_failure_probability;
      continue;
    }
    auto same_zone = [&](node_number n) { return zones.of(n).zone == z; };
    if (std::any_of(holders.begin(), holders.begin() + static_cast<std::ptrdiff_t>(i), same_zone))
      continue; // its zone was counted with the first member
    double own = 1.0;
    for (auto n : holders.subspan(i))
      if (same_zone(n)) own *= zones.of(n).own;
    double common = zones.common_cause(z);
    product *= common + (1.0 - common) * own;
  }
  return product;
}

} // namespace harbinger
