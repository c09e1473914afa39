#include "zones/zone_picture.hpp"

#include <algorithm>
#include <cmath>

#include "zones/joint_probability.hpp"

namespace harbinger {

namespace {

double in_steps(double probability) {
  if (probability <= 0.0) return 0.0;
  if (!(probability < 1.0)) return 1.0; // what is no number never reads as healthy
  auto steps = zone_picture::risk_steps;
  return std::clamp(std::round(probability * steps), 1.0, steps - 1.0) / steps;
}

} // namespace

zone_picture::zone_picture(const zone_map& zones, const topology& nodes)
    : standings_(nodes.size()) {
  for (const auto& z : zones.zones) {
    auto place = static_cast<uint32_t>(zones_.size());
    entry e{z.id, in_steps(z.common_cause), z.within_s, {}};
    for (size_t i = 0; i < z.members.size(); ++i) {
      auto n = nodes.find(z.members[i]);
      if (!n || standings_[*n].zone != no_number) continue;
      auto& s = standings_[*n];
      s.zone = place;
      s.risk = in_steps(i < z.risks.size() ? z.risks[i] : z.probability);
      s.own = own_risk(s.risk, e.common_cause);
      e.members.push_back(*n);
    }
    std::sort(e.members.begin(), e.members.end());
    for (const auto& id : z.exposed)
      if (auto n = nodes.find(id); n && standings_[*n].exposed_by == no_number)
        standings_[*n].exposed_by = place;
    zones_.push_back(std::move(e));
  }
  for (const auto& id : zones.left_out)
    if (auto n = nodes.find(id)) standings_[*n].left_out = true;
}

const node_standing& zone_picture::of(node_number n) const {
  static const node_standing safe;
  return n < standings_.size() ? standings_[n] : safe;
}

bool zone_picture::alike(node_number n, const zone_picture& before) const {
  const auto& now = of(n);
  const auto& then = before.of(n);
  auto same_zone = [&](uint32_t mine, uint32_t theirs) {
    if (mine == no_number || theirs == no_number) return mine == theirs;
    return id(mine) == before.id(theirs);
  };
  return same_zone(now.zone, then.zone) && same_zone(now.exposed_by, then.exposed_by)
         && now.risk == then.risk && now.own == then.own && now.left_out == then.left_out
         && (now.zone == no_number || common_cause(now.zone) == before.common_cause(then.zone));
}

std::vector<node_number> zone_picture::differing(const zone_picture& before) const {
  std::vector<node_number> list;
  auto all = static_cast<node_number>(std::max(standings_.size(), before.standings_.size()));
  for (node_number n = 0; n < all; ++n)
    if (!alike(n, before)) list.push_back(n);
  return list;
}

} // namespace harbinger
