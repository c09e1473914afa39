#include "zones/joint_probability.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger {

double own_risk(double risk, double common) {
  return common >= 1.0 ? 0.0 : std::clamp((risk - common) / (1.0 - common), 0.0, 1.0);
}

joint_risk joint_probability(const std::vector<double>& risks, double share) {
  if (risks.empty()) return {};
  if (risks.size() == 1) return {risks[0], risks[0], 0.0};
  double common = share * *std::min_element(risks.begin(), risks.end());
  double all = 1.0;
  double none = 1.0;
  for (double p : risks) {
    all *= own_risk(p, common);
    none *= 1.0 - own_risk(p, common);
  }
  return {1.0 - (1.0 - common) * none, common + (1.0 - common) * all, common};
}

} // namespace harbinger
