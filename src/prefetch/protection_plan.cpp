#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "zones/joint_probability.hpp"

namespace harbinger {

namespace {

struct member_risk {
  zone_id zone;
  double probability = 0.0;
};

std::map<node_id, member_risk> risks_of(const zone_map& zones) {
  std::map<node_id, member_risk> risks;
  for (const auto& z : zones.zones)
    for (size_t i = 0; i < z.members.size(); ++i)
      risks[z.members[i]] = {z.id, i < z.risks.size() ? z.risks[i] : z.probability};
  return risks;
}

bool alive(const std::map<node_id, node_row>& nodes, const node_id& id) {
  auto found = nodes.find(id);
  return found != nodes.end() && found->second.state != node_state::dead;
}

bool listed(const std::vector<node_id>& list, const node_id& id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

std::string scientific(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return text;
}

/// Who holds a partition, alive.
struct holding {
  std::set<node_id> nodes;
  uint32_t replicas = 0, replicas_outside = 0; ///< outside: of every zone
  uint32_t copies = 0, copies_outside = 0;
  bool primary_at_risk = false;
  double probability = 0.0; ///< of the likeliest failure among the replicas
  std::string at_risk;      ///< which replicas are in zones, in words; empty: none
};

holding holding_of(const plan_subject& subject, const std::map<node_id, member_risk>& risks,
                   const std::map<node_id, node_row>& nodes) {
  const auto& row = *subject.row;
  holding h;
  for (const auto& id : row.sync_set) {
    if (!alive(nodes, id)) continue;
    ++h.replicas;
    h.nodes.insert(id);
    auto risk = risks.find(id);
    if (risk == risks.end()) {
      ++h.replicas_outside;
      continue;
    }
    if (id == row.primary) h.primary_at_risk = true;
    h.probability = std::max(h.probability, risk->second.probability);
    h.at_risk += (h.at_risk.empty() ? "" : ", ") + id.value
                 + (id == row.primary ? " (primary)" : " (secondary)") + " in zone "
                 + std::to_string(risk->second.zone.value)
                 + " with P = " + scientific(risk->second.probability);
  }
  for (const auto& c : row.copies) {
    if (!alive(nodes, c.node) || subject.broken.contains(c.node)) continue;
    ++h.copies;
    if (!risks.contains(c.node)) ++h.copies_outside;
    h.nodes.insert(c.node);
  }
  // A copy that was escalated into the sync set is still the copy that the partition was given.
  auto extra = h.replicas > row.replicas_wanted ? h.replicas - row.replicas_wanted : 0;
  h.copies += extra;
  h.copies_outside += std::min(extra, h.replicas_outside);
  return h;
}

std::string reason_for(const wanted_copy& w, const partition_row& row, const holding& h,
                       const prefetch_settings& rules) {
  if (w.restore)
    return std::to_string(h.replicas) + " of " + std::to_string(row.replicas_wanted)
           + " replicas live; restore by " + std::string(name_of(w.method));
  if (w.missing == 0) return {};
  auto text = h.at_risk + "; P(none alive) " + scientific(w.none_alive_now) + " -> "
              + scientific(w.none_alive_then) + " with " + std::to_string(w.missing) + " more";
  if (w.none_alive_then > rules.none_alive_target)
    text += "; the target is out of reach with copies_max";
  return text;
}

/// What matters of one partition, and how many copies it lacks.
struct need {
  wanted_copy wanted;
  bool at_risk = false;
  bool short_of_replicas = false;
};

need assess(const plan_subject& subject, const zone_map& zones,
            const std::map<node_id, member_risk>& risks, const std::map<node_id, node_row>& nodes,
            const prefetch_settings& rules) {
  const auto& row = *subject.row;
  auto h = holding_of(subject, risks, nodes);
  need n;
  n.at_risk = !h.at_risk.empty();
  n.short_of_replicas = h.replicas < row.replicas_wanted;
  auto& w = n.wanted;
  w.partition = row.id;
  w.size_bytes = subject.size_bytes;
  w.all_at_risk = n.at_risk && h.replicas_outside + h.copies_outside == 0;
  w.primary_at_risk = h.primary_at_risk;
  w.probability = h.probability;
  w.alive = h.nodes.size();
  w.none_alive_now = w.none_alive_then = none_alive(h.nodes, zones);
  uint32_t for_risk = 0;
  bool enough_outside = h.replicas_outside >= row.replicas_wanted;
  while (n.at_risk && h.copies + for_risk < rules.copies_max
         && ((h.copies_outside + for_risk == 0 && !enough_outside)
             || w.none_alive_then > rules.none_alive_target)) {
    ++for_risk;
    w.none_alive_then *= base_failure_probability;
  }
  uint32_t for_restore = 0;
  if (subject.restore && n.short_of_replicas && row.replicas_wanted > h.replicas + h.copies)
    for_restore = row.replicas_wanted - h.replicas - h.copies;
  w.restore = for_restore > 0;
  if (w.restore) w.method = *subject.restore;
  w.missing = std::max(for_risk, for_restore);
  w.reason = reason_for(w, row, h, rules);
  return n;
}

bool comes_before(const wanted_copy& a, const wanted_copy& b) {
  if (a.restore != b.restore) return a.restore;
  if (a.restore && a.alive != b.alive) return a.alive < b.alive;
  auto key = [](const wanted_copy& w) {
    return std::tuple(!w.all_at_risk, !w.primary_at_risk, -std::lround(w.probability * 100.0),
                      w.size_bytes, w.partition);
  };
  return key(a) < key(b);
}

} // namespace

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

protection_plan protection_planner::step(const std::vector<plan_subject>& subjects,
                                         const zone_map& zones,
                                         const std::map<node_id, node_row>& nodes,
                                         const prefetch_settings& rules, time_point now) {
  protection_plan plan;
  auto risks = risks_of(zones);
  for (const auto& subject : subjects) {
    const auto& row = *subject.row;
    auto n = assess(subject, zones, risks, nodes, rules);
    if (n.wanted.missing > 0) plan.wanted.push_back(n.wanted);
    if (row.copies.empty() && n.wanted.missing == 0) {
      last_needed_.erase(row.id);
      continue;
    }
    auto& needed = last_needed_.try_emplace(row.id, now).first->second;
    if (n.at_risk || n.short_of_replicas) needed = now;
    bool over = to_seconds(now - needed) >= rules.keep_after_zone_s;
    for (const auto& c : row.copies) {
      bool dead = !alive(nodes, c.node);
      if (dead) {
        plan.surplus.push_back({row.id, c.node, c.copy, true, c.node.value + " is dead"});
      } else if (listed(row.joiners, c.node)) {
        continue;
      } else if (subject.broken.contains(c.node)) {
        plan.surplus.push_back(
            {row.id, c.node, c.copy, false, "of no use: given up, or it differs from the primary"});
      } else if (over) {
        plan.surplus.push_back({row.id, c.node, c.copy, false,
                                "no replica was at risk or missing for "
                                    + std::to_string(std::lround(to_seconds(now - needed)))
                                    + " s"});
      }
    }
  }
  std::sort(plan.wanted.begin(), plan.wanted.end(), comes_before);
  std::sort(plan.surplus.begin(), plan.surplus.end(),
            [](const surplus_copy& a, const surplus_copy& b) {
              return std::tie(a.partition, a.node) < std::tie(b.partition, b.node);
            });
  return plan;
}

std::vector<wanted_copy> within_budget(const protection_plan& plan,
                                       const std::vector<copy_under_way>& under_way,
                                       const std::map<partition_id, node_id>& source_of,
                                       const prefetch_settings& rules) {
  std::vector<wanted_copy> begin;
  std::map<node_id, size_t> from;
  for (const auto& c : under_way) ++from[c.source];
  for (const auto& w : plan.wanted) {
    if (under_way.size() + begin.size() >= rules.concurrent_max) break;
    auto source = source_of.find(w.partition);
    auto& busy = from[source == source_of.end() ? node_id{} : source->second];
    if (busy >= rules.concurrent_per_node_max) continue;
    ++busy;
    begin.push_back(w);
  }
  return begin;
}

} // namespace harbinger
