#include "zones/zone_tracker.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "zones/joint_probability.hpp"

namespace harbinger {

namespace {

/// Risk in steps of 0.05, so that the brake does not swap members over noise.
int riskiness(double probability) { return static_cast<int>(std::lround(probability * 20.0)); }

bool is_probability(double p) { return std::isfinite(p) && p >= 0.0 && p <= 1.0; }

std::string member_text(const node_risk& risk) {
  char text[64];
  std::snprintf(text, sizeof text, ": P = %.2f ± %.2f by ", risk.probability, risk.uncertainty);
  auto out = risk.node.value + text + (risk.model.empty() ? "an unnamed model" : risk.model);
  return risk.reasons.empty() ? out : out + "; " + risk.reasons.front().text;
}

bool same_groups(const std::vector<zone_group>& a, const std::vector<zone_group>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const zone_group& x, const zone_group& y) {
        return x.id == y.id && x.cause == y.cause && x.domain == y.domain && x.members == y.members;
      });
}

} // namespace

zone_tracker::zone_tracker(harbinger::term term, uint64_t first_zone, uint64_t first_generation)
    : term_(term), next_zone_(first_zone), next_generation_(first_generation) {
  map_.term = term;
}

void zone_tracker::follow_nodes(const std::map<node_id, node_row>& nodes) {
  if (!nodes_.follow(nodes)) return;
  tracks_.resize(nodes_.size());
  inside_.resize(nodes_.size(), false);
  for (node_number n = 0; n < tracks_.size(); ++n)
    if (!nodes_.alive(n)) tracks_[n] = {};
  std::erase_if(heard_, [&](const auto& entry) { return !nodes_.alive(entry.first); });
}

void zone_tracker::follow_risk(const node_risk& risk, node_number n, const zone_settings& rules,
                               time_point now) {
  auto& t = tracks_[n];
  t.probability = risk.probability;
  t.rounds_above = risk.probability >= rules.enter_at ? t.rounds_above + 1 : 0;
  if (!t.risky && t.rounds_above >= rules.enter_rounds) {
    t.risky = true;
    t.since = now;
  }
  double doubt = std::isfinite(risk.uncertainty) ? std::max(0.0, risk.uncertainty) : 1.0;
  bool healthy = risk.probability < rules.leave_at && risk.probability + doubt < rules.enter_at;
  bool stayed = !inside_[n] || to_seconds(now - t.since) >= rules.minimum_stay_s;
  if (t.risky && healthy && stayed) t.risky = false;
  if (t.risky)
    heard_[n] = risk;
  else
    heard_.erase(n);
}

void zone_tracker::follow_plan() {
  for (const auto& [n, place] : planned_of_) tracks_[n].planned = false;
  planned_of_.clear();
  for (size_t place = 0; place < planned_.size(); ++place) {
    auto n = nodes_.find(planned_[place].node, nodes_.size());
    if (n == no_number || !nodes_.alive(n)) continue;
    planned_of_[n] = place;
    tracks_[n].planned = true;
  }
}

/// Nodes at risk or near it are watched.
void zone_tracker::follow_movement(const std::vector<const node_risk*>& news,
                                   const zone_settings& rules) {
  movement_.begin_round(nodes_.size());
  std::vector<node_number> watched;
  for (node_number n = 0; n < news.size() && rules.comovement_min < 1; ++n) {
    if (!news[n]) continue;
    movement_.add(n, news[n]->deviations);
    if (tracks_[n].risky || tracks_[n].probability >= rules.leave_at) watched.push_back(n);
  }
  std::sort(watched.begin(), watched.end(),
            [&](node_number a, node_number b) { return nodes_.rank(a) < nodes_.rank(b); });
  movement_.end_round(watched);
}

nodes_at_risk zone_tracker::brake(const zone_settings& rules, zone_map& next) {
  struct candidate {
    bool predicted;
    int safety; ///< less: riskier
    bool new_here;
    uint32_t rank;
    node_number node;
    auto key() const { return std::tie(predicted, safety, new_here, rank); }
  };
  std::vector<candidate> at_risk;
  for (node_number n = 0; n < tracks_.size(); ++n)
    if (const auto& t = tracks_[n]; t.risky || t.planned)
      at_risk.push_back(
          {!t.planned, t.planned ? 0 : -riskiness(t.probability), !inside_[n], nodes_.rank(n), n});
  std::sort(at_risk.begin(), at_risk.end(),
            [](const candidate& a, const candidate& b) { return a.key() < b.key(); });
  auto alive = static_cast<double>(nodes_.living());
  auto limit = std::max<size_t>(1, static_cast<size_t>(std::floor(rules.share_max * alive + 1e-9)));
  double all = nodes_.living_capacity(), capacity = 0, left_capacity = 0;
  nodes_at_risk out;
  out.taken.assign(nodes_.size(), false);
  size_t taken = 0;
  for (const auto& c : at_risk) {
    auto own = static_cast<double>(nodes_.names()[c.node].capacity_bytes);
    bool fits = capacity + own <= rules.capacity_share_max * all * (1 + 1e-9);
    if (c.predicted) out.risky.push_back(c.node);
    if (taken == 0 || (taken < limit && fits)) {
      ++taken;
      out.taken[c.node] = true;
      if (!c.predicted) out.planned.push_back(c.node);
      capacity += own;
    } else {
      next.left_out.push_back(nodes_.names()[c.node].id);
      left_capacity += own;
    }
  }
  next.braked = !next.left_out.empty();
  std::sort(next.left_out.begin(), next.left_out.end());
  left_ = {next.left_out.size(),
           alive > 0 ? static_cast<double>(next.left_out.size()) / alive : 0.0,
           all > 0 ? left_capacity / all : 0.0};
  return out;
}

node_risk zone_tracker::risk_of(node_number n) const {
  auto heard = heard_.find(n);
  auto planned = planned_of_.find(n);
  node_risk out;
  if (heard != heard_.end()) out = heard->second;
  if (planned == planned_of_.end()) return out;
  out.node = nodes_.names()[n].id;
  out.probability = 1.0;
  out.uncertainty = 0.0;
  out.calibrated = true;
  out.model = "plan";
  out.reasons.insert(out.reasons.begin(), {"plan", planned_[planned->second].reason, 1.0});
  return out;
}

/// All but the names of members and exposed nodes.
zone zone_tracker::render(const zone_group& group) const {
  zone z;
  z.id = group.id;
  z.domain = domain_name(nodes_, group);
  z.reasons = why_one(group);
  for (auto n : group.members) {
    auto risk = risk_of(n);
    z.risks.push_back(risk.probability);
    if (z.reasons.size() < reasons_max) z.reasons.push_back(member_text(risk));
  }
  auto joint = joint_probability(z.risks);
  z.probability = joint.any;
  z.joint_probability = joint.all;
  z.common_cause = joint.common;
  if (group.cause == zone_cause::planned)
    z.within_s = std::max(1.0, planned_[planned_of_.at(group.members[0])].within_s);
  return z;
}

/// Computes who is exposed, unless nothing is different. True: `groups` has other exposed nodes, or
/// other domains expose nobody, than before.
bool zone_tracker::expose_groups(std::vector<zone_group>& groups, const zone_settings& rules) {
  auto& made = exposed_for_;
  bool same = same_groups(groups, groups_);
  if (same && made.serial == nodes_.serial() && made.domains == rules.domains
      && made.share_max == rules.exposed_share_max) {
    for (size_t i = 0; i < groups.size(); ++i) groups[i].exposed = std::move(groups_[i].exposed);
    return false;
  }
  made = {nodes_.serial(), rules.domains, rules.exposed_share_max};
  auto before = std::move(exposure_.unexposing);
  exposure_ = expose(nodes_, groups, rules);
  if (!same || before != exposure_.unexposing) return true;
  for (size_t i = 0; i < groups.size(); ++i)
    if (groups[i].exposed != groups_[i].exposed) return true;
  return false;
}

zone_outcome zone_tracker::settle(const zone_settings& rules, time_point now, bool anew) {
  zone_outcome out;
  out.settled = rounds_ >= rules.enter_rounds;
  zone_map next;
  next.term = term_;
  auto groups = grouping_.group(nodes_, brake(rules, next), groups_, rules, movement_);
  name_groups(nodes_, groups_, groups, next_zone_, now);
  bool same = same_groups(groups, groups_);
  bool exposed_changed = expose_groups(groups, rules);
  for (size_t i = 0; i < groups.size(); ++i) {
    auto z = render(groups[i]);
    if (same)
      z.members = std::move(map_.zones[i].members);
    else
      for (auto n : groups[i].members) z.members.push_back(nodes_.names()[n].id);
    if (same && !exposed_changed)
      z.exposed = std::move(map_.zones[i].exposed);
    else
      for (auto n : groups[i].exposed) z.exposed.push_back(nodes_.names()[n].id);
    next.zones.push_back(std::move(z));
  }
  for (auto d : exposure_.unexposing) next.unexposed_domains.push_back(nodes_.name(d));
  std::sort(next.unexposed_domains.begin(), next.unexposed_domains.end());
  if (!same) out.changes = compare_groups(nodes_, groups_, map_.zones, groups, next.zones);
  out.brake_began = next.braked && !map_.braked;
  out.brake_ended = !next.braked && map_.braked;
  out.exposure_limited = !next.unexposed_domains.empty() && map_.unexposed_domains.empty();
  out.exposure_whole = next.unexposed_domains.empty() && !map_.unexposed_domains.empty();
  out.changed = anew || !same || exposed_changed || next.left_out != map_.left_out;
  next.generation = out.changed ? next_generation_++ : map_.generation;
  map_ = std::move(next);
  groups_ = std::move(groups);
  inside_.assign(nodes_.size(), false);
  for (const auto& g : groups_)
    for (auto n : g.members) inside_[n] = true;
  return out;
}

zone_outcome zone_tracker::step(const std::vector<node_risk>& risks,
                                const std::map<node_id, node_row>& nodes,
                                const zone_settings& rules, time_point now) {
  follow_nodes(nodes);
  std::vector<const node_risk*> news(nodes_.size(), nullptr);
  uint64_t refused = 0;
  for (size_t place = 0; place < risks.size(); ++place) {
    const auto& risk = risks[place];
    auto n = nodes_.find(risk.node, place);
    bool usable = n != no_number && !news[n] && is_probability(risk.probability);
    refused += usable ? 0 : 1;
    if (!usable || !nodes_.alive(n)) continue;
    news[n] = &risk;
    follow_risk(risk, n, rules, now);
  }
  follow_movement(news, rules);
  follow_plan();
  if (rounds_ < rules.enter_rounds) ++rounds_;
  auto out = settle(rules, now, false);
  out.refused = refused;
  return out;
}

zone_outcome zone_tracker::refresh(const std::map<node_id, node_row>& nodes,
                                   const zone_settings& rules, time_point now) {
  follow_nodes(nodes);
  follow_plan();
  return settle(rules, now, true);
}

} // namespace harbinger
