#include "simulate/cluster_run.hpp"

#include <algorithm>

/// Scores become risks, risks become zones, zones go to the plan; escalation.

namespace harbinger::simulate {

void cluster_run::zones_at(double t) {
  if (zones_due_.insert(t).second) at(t, kind::zones);
}

/// What is said at one time is scored together; then as many rounds follow as it takes to enter,
/// and one when the shortest stay is over.
void cluster_run::on_scores() {
  const auto& rules = options_.rules;
  const auto& changes = predicted_.changes;
  bool fell = false;
  for (; next_score_ < changes.size() && changes[next_score_].at_s <= now_; ++next_score_) {
    const auto& c = changes[next_score_];
    auto& risk = risks_[c.node];
    fell |= c.probability < risk.probability;
    risk.node = cluster_.nodes()[c.node].id;
    risk.probability = c.probability;
    risk.calibrated = true;
    risk.horizon_s = rules.prediction.horizon_s;
    risk.model = "simulated";
  }
  if (next_score_ < changes.size()) at(changes[next_score_].at_s, kind::scores);
  double round_s = rules.prediction.scoring_ms / 1000.0;
  for (uint32_t i = 0; i < rules.zones.enter_rounds; ++i) zones_at(now_ + i * round_s);
  if (fell) zones_at(now_ + rules.zones.minimum_stay_s + round_s);
}

/// The one place where the tracker is asked.
void cluster_run::on_zones() {
  zones_due_.erase(now_);
  std::vector<node_risk> risks;
  risks.reserve(risks_.size());
  for (const auto& [n, risk] : risks_) risks.push_back(risk);
  auto outcome = tracker_.step(risks, row_by_id_, options_.rules.zones, clock());
  if (outcome.settled && outcome.changed)
    adopt_zones();
  else if (outcome.settled && note_endangered()) // a member's risk rose or fell
    evacuate_endangered();
  accounts_.brakes += outcome.brake_began;
  accounts_.zone_changes += outcome.changes.size();
  // Nobody needs to hear again that nothing is known of a node in no zone.
  auto& left_out = tracker_.map().left_out;
  std::erase_if(risks_, [&](const auto& entry) {
    return entry.second.probability <= quiet_probability
           && plan_.zones().of(entry.first).zone == no_number && zone_probability_[entry.first] == 0
           && !std::binary_search(left_out.begin(), left_out.end(), entry.second.node);
  });
}

void cluster_run::adopt_zones() {
  const auto& map = tracker_.map();
  accounts_.zone_node_s += static_cast<double>(nodes_in_zones_) * (now_ - zones_counted_until_);
  zones_counted_until_ = now_;
  nodes_in_zones_ = 0;
  std::fill(zone_probability_.begin(), zone_probability_.end(), 0.0);
  auto see = [&](const std::vector<node_id>& ids, double probability) {
    for (const auto& id : ids)
      if (auto n = cluster_.nodes().find(id))
        zone_probability_[*n] = std::max(zone_probability_[*n], probability);
  };
  for (const auto& z : map.zones) {
    nodes_in_zones_ += z.members.size();
    see(z.members, z.probability);
    see(z.exposed, z.probability);
  }
  size_t alive = 0;
  for (node_number n = 0; n < nodes_.size(); ++n) alive += cluster_.nodes().alive(n);
  if (nodes_in_zones_ > 1) // one may always be in
    accounts_.budgets.zone_share.see(static_cast<double>(nodes_in_zones_)
                                     / static_cast<double>(alive));
  plan_.set_zones(map);
  note_members_of_zones();
  note_endangered();
  deescalate();
  evacuate_endangered();
  for (const auto& z : map.zones) {
    if (z.probability < options_.rules.zones.escalate_at) continue;
    for (const auto& id : z.members) {
      auto held = cluster_.held_by(*cluster_.nodes().find(id));
      std::sort(held.begin(), held.end());
      for (auto p : held)
        if (condemned(p)) escalate(p);
    }
  }
  plan_soon();
}

void cluster_run::note_members_of_zones() {
  std::vector<bool> inside(nodes_.size());
  for (const auto& z : tracker_.map().zones)
    for (const auto& id : z.members) inside[*cluster_.nodes().find(id)] = true;
  for (node_number n = 0; n < nodes_.size(); ++n) {
    auto& since = nodes_[n].in_zone_since;
    if (!inside[n]) since = -1;
    if (inside[n] && since < 0) since = now_;
  }
}

bool cluster_run::condemned(partition_number p) const {
  bool any = false;
  for (const auto& h : cluster_.partition(p).holders.get()) {
    if (!is_replica(h.kind) || !cluster_.nodes().alive(h.node)) continue;
    if (zone_probability_[h.node] < options_.rules.zones.escalate_at) return false;
    any = true;
  }
  return any;
}

bool cluster_run::threatened(partition_number p) const {
  auto holders = cluster_.partition(p).holders.get();
  return std::any_of(holders.begin(), holders.end(), [&](const holder& h) {
    return is_replica(h.kind) && zone_probability_[h.node] > 0;
  });
}

void cluster_run::escalate(partition_number p) {
  auto& facts = partitions_[p];
  if (facts.extra != no_number || escalated_.size() >= options_.rules.zones.escalated_max) return;
  auto holders = holders_of(p);
  for (auto& h : holders) {
    if (h.kind != holding_kind::ready || !nodes_[h.node].up || zone_probability_[h.node] > 0)
      continue;
    h.kind = holding_kind::member;
    facts.extra = h.node;
    escalated_.insert(p);
    ++accounts_.escalated;
    put(p, holders);
    return;
  }
}

void cluster_run::deescalate() {
  std::vector<partition_number> calm;
  for (auto p : escalated_)
    if (!threatened(p)) calm.push_back(p);
  for (auto p : calm) {
    auto n = std::exchange(partitions_[p].extra, no_number);
    escalated_.erase(p);
    auto holders = holders_of(p);
    bool gone = std::erase_if(
        holders, [&](const holder& h) { return h.node == n && h.kind == holding_kind::member; });
    gone ? copy_gone(p, n) : copy_used(p, n);
    put(p, holders);
  }
}

} // namespace harbinger::simulate
