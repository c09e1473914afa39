#include "placement/placement.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>

namespace harbinger {

namespace {

std::string mebibytes(double bytes) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / (1 << 20));
  return text;
}

/// What the filters ask, prepared once per query.
struct filter_facts {
  std::map<node_id, zone_id> in_zone;
  std::map<node_id, zone_id> exposed;
  std::map<node_id, std::string> holds;
  std::vector<node_id> stays; ///< holders that are expected to live
};

filter_facts prepare(const partition_row& partition, const placement_world& world) {
  filter_facts facts;
  for (const auto& z : world.zones.zones) {
    for (const auto& id : z.members) facts.in_zone.emplace(id, z.id);
    for (const auto& id : z.exposed) facts.exposed.emplace(id, z.id);
  }
  for (const auto& id : partition.sync_set)
    facts.holds.emplace(id, "already a replica of the partition");
  for (const auto& c : partition.copies)
    facts.holds.emplace(c.node, "already has a copy of the partition");
  for (const auto& id : partition.joiners)
    facts.holds.emplace(id, "already joining the partition's replicas");
  if (!partition.primary.value.empty())
    facts.holds.emplace(partition.primary, "already a replica of the partition");
  for (const auto& [id, why] : facts.holds) {
    auto node = world.nodes.find(id);
    if (node != world.nodes.end() && node->second.row.state == node_state::up
        && !facts.in_zone.contains(id))
      facts.stays.push_back(id);
  }
  return facts;
}

std::optional<std::string> hard_reason(const placement_query& query, const placement_node& node,
                                       const filter_facts& facts, const placement_world& world,
                                       const placement_settings& rules) {
  const auto& id = node.row.id;
  if (node.row.state != node_state::up) return "not up: " + std::string(name_of(node.row.state));
  if (auto z = facts.in_zone.find(id); z != facts.in_zone.end())
    return "in zone " + std::to_string(z->second.value);
  if (auto z = facts.exposed.find(id); z != facts.exposed.end())
    return "exposed by zone " + std::to_string(z->second.value);
  if (auto h = facts.holds.find(id); h != facts.holds.end()) return h->second;
  if (std::find(query.keep_away.begin(), query.keep_away.end(), id) != query.keep_away.end())
    return "kept away: failed or chosen for this partition before";
  if (node.copies_under_way >= world.copies_under_way_max)
    return std::to_string(node.copies_under_way) + " copies under way, limit "
           + std::to_string(world.copies_under_way_max);
  double quota = rules.quota * static_cast<double>(node.row.capacity_bytes);
  double needed = static_cast<double>(node.used_bytes) + static_cast<double>(query.size_bytes);
  if (node.row.capacity_bytes == 0) return "no room: states no capacity";
  if (needed > quota) return "no room: " + mebibytes(needed) + " of quota " + mebibytes(quota);
  return std::nullopt;
}

std::optional<std::string> spread_reason(const placement_node& node, const filter_facts& facts,
                                         const placement_world& world,
                                         const placement_settings& rules) {
  for (const auto& attribute : rules.spread) {
    auto mine = node.row.attributes.find(attribute);
    if (mine == node.row.attributes.end()) continue;
    for (const auto& id : facts.stays) {
      const auto& theirs = world.nodes.at(id).row.attributes;
      auto value = theirs.find(attribute);
      if (value != theirs.end() && value->second == mine->second)
        return "same " + attribute + " as " + id.value;
    }
  }
  return std::nullopt;
}

struct score_scale {
  double writes_max = 0.0;
  double copies_max = 0.0;
  std::set<node_id> left_out;
};

scored_node score(const placement_query& query, const partition_row& partition,
                  const placement_node& node, const score_scale& scale,
                  const placement_settings& rules) {
  double capacity = static_cast<double>(node.row.capacity_bytes);
  double free =
      1.0
      - (static_cast<double>(node.used_bytes) + static_cast<double>(query.size_bytes)) / capacity;
  double load = scale.writes_max > 0 ? 1.0 - node.writes_per_s / scale.writes_max : 1.0;
  double risk = scale.left_out.contains(node.row.id) ? 0.0 : 1.0;
  auto measured = node.rtt_ms.find(partition.primary.value);
  double rtt = measured != node.rtt_ms.end() && measured->second >= 0.0
                   ? 10.0 / (10.0 + measured->second)
                   : 0.5;
  double balance = scale.copies_max > 0 ? 1.0 - node.copies / scale.copies_max : 1.0;
  double terms[] = {rules.weight_free * free, rules.weight_load * load, rules.weight_risk * risk,
                    rules.weight_rtt * rtt, rules.weight_balance * balance};
  char text[160];
  std::snprintf(text, sizeof text, "free %.3f, load %.3f, risk %.3f, rtt %.3f, balance %.3f",
                terms[0], terms[1], terms[2], terms[3], terms[4]);
  return {node.row.id, terms[0] + terms[1] + terms[2] + terms[3] + terms[4], text};
}

} // namespace

placement place(const placement_query& query, const partition_row& partition,
                const placement_world& world, const placement_settings& rules) {
  auto facts = prepare(partition, world);
  placement answer;
  std::vector<const placement_node*> candidates;
  std::vector<std::pair<const placement_node*, std::string>> spread_out;
  for (const auto& [id, node] : world.nodes) {
    if (auto reason = hard_reason(query, node, facts, world, rules)) {
      answer.rejected.push_back({id, *reason});
    } else if (auto near = spread_reason(node, facts, world, rules)) {
      spread_out.emplace_back(&node, *near);
    } else {
      candidates.push_back(&node);
    }
  }
  bool waived = candidates.empty() && !spread_out.empty();
  score_scale scale;
  scale.left_out.insert(world.zones.left_out.begin(), world.zones.left_out.end());
  for (const auto& [id, node] : world.nodes) {
    scale.writes_max = std::max(scale.writes_max, node.writes_per_s);
    scale.copies_max = std::max(scale.copies_max, static_cast<double>(node.copies));
  }
  for (const auto* node : candidates)
    answer.ranked.push_back(score(query, partition, *node, scale, rules));
  for (const auto& [node, reason] : spread_out) {
    if (waived) {
      answer.ranked.push_back(score(query, partition, *node, scale, rules));
      answer.ranked.back().terms += "; spread waived, nobody else left: " + reason;
    } else {
      answer.rejected.push_back({node->row.id, reason});
    }
  }
  std::sort(answer.ranked.begin(), answer.ranked.end(),
            [](const scored_node& a, const scored_node& b) {
              return a.score != b.score ? a.score > b.score : a.node < b.node;
            });
  std::sort(answer.rejected.begin(), answer.rejected.end(),
            [](const rejected_node& a, const rejected_node& b) { return a.node < b.node; });
  if (answer.ranked.empty()) {
    answer.target = fail(errc::no_candidate,
                         "all " + std::to_string(world.nodes.size()) + " nodes are excluded");
  } else {
    const auto& best = world.nodes.at(answer.ranked.front().node).row;
    answer.target = node_address{best.id, best.data_endpoint};
  }
  return answer;
}

} // namespace harbinger
