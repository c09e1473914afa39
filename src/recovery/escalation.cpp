#include "recovery/escalation.hpp"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "recovery/evacuation.hpp"
#include "recovery/redundancy.hpp"
#include "zones/endangered.hpp"
#include "zones/none_alive.hpp"

namespace harbinger::recovery {

namespace {

std::string in_words(const node_id& node, const threats::threat& t) {
  char text[64];
  std::snprintf(text, sizeof text, " zone %llu, P = %.2f",
                static_cast<unsigned long long>(t.zone.value), t.probability);
  return node.value + (t.member ? " in" : " exposed by") + text;
}

/// The copy that would join; nothing: none fits.
std::optional<node_id> candidate(const partition_row& row, const surroundings& around,
                                 const threats& danger, double at) {
  std::set<zone_id> condemning;
  for (auto& id : row.sync_set)
    if (auto found = danger.nodes().find(id); found != danger.nodes().end())
      for (auto& t : found->second)
        if (t.probability >= at || t.endangered) condemning.insert(t.zone);
  std::optional<node_id> second_best;
  for (auto& id : ready_copies(row, around)) { // newest first
    if (danger.in_zone(id)) continue;
    auto found = danger.nodes().find(id);
    if (found == danger.nodes().end()) return id;
    bool same_fate = std::any_of(found->second.begin(), found->second.end(),
                                 [&](auto& t) { return condemning.contains(t.zone); });
    if (!same_fate && !second_best) second_best = id;
  }
  return second_best;
}

/// Why each other copy does not join (P9): "n3: in zone 2; n6: not complete".
std::string others(const partition_row& row, const surroundings& around, const threats& danger,
                   const node_id& chosen) {
  auto ready = ready_copies(row, around);
  std::string text;
  for (auto& copy : row.copies) {
    if (copy.node == chosen) continue;
    auto threat = danger.worst(copy.node);
    bool complete = std::find(ready.begin(), ready.end(), copy.node) != ready.end();
    auto why = !complete                   ? std::string("not complete")
               : danger.in_zone(copy.node) ? "in zone " + std::to_string(threat->zone.value)
               : danger.exposed(copy.node) ? "exposed by zone " + std::to_string(threat->zone.value)
                                           : "not newer than " + chosen.value;
    text += (text.empty() ? "" : "; ") + copy.node.value + ": " + why;
  }
  return text;
}

bool may_grow(const partition_row& row) {
  return row.joiners.empty() && row.sync_set.size() >= row.replicas_wanted
         && row.sync_set.size() < row.replicas_wanted + extra_members_max;
}

size_t shared_attributes(const partition_row& row, const node_id& id, const catalog_view& view,
                         const std::vector<std::string>& spread) {
  size_t shared = 0;
  auto value_at = [&](const node_id& node, const std::string& key) -> const std::string* {
    auto found = view.node(node);
    if (!found) return nullptr;
    auto value = found->attributes.find(key);
    return value == found->attributes.end() ? nullptr : &value->second;
  };
  for (auto& key : spread)
    for (auto& other : row.sync_set) {
      auto mine = value_at(id, key), its = value_at(other, key);
      shared += other != id && mine && its && *mine == *its;
    }
  return shared;
}

} // namespace

threats::threats(zone_map zones, double evacuate_at) : known_(true), zones_(std::move(zones)) {
  for (auto& z : zones_.zones) {
    for (size_t i = 0; i < z.members.size(); ++i)
      nodes_[z.members[i]].push_back({z.id, z.probability, true,
                                      endangered(z, i, zones_.braked, evacuate_at), z.within_s > 0,
                                      risk_of_member(z, i)});
    for (auto& id : z.exposed) nodes_[id].push_back({z.id, z.probability});
  }
}

bool serves(const partition_row& row, const node_id& id, const surroundings& around) {
  auto node = around.view.node(id);
  auto entry = around.replica(id, row.id);
  return node && node->state == node_state::up && entry && !around.lost(id, row.id)
         && entry->report.epoch == row.epoch
         && (entry->report.role == replica_role::secondary
             || entry->report.role == replica_role::primary);
}

bool threats::in_zone(const node_id& node) const {
  auto found = nodes_.find(node);
  return found != nodes_.end()
         && std::any_of(found->second.begin(), found->second.end(),
                        [](auto& t) { return t.member; });
}

bool threats::exposed(const node_id& node) const { return nodes_.contains(node) && !in_zone(node); }

const threats::threat* threats::worst(const node_id& node) const {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return nullptr;
  return &*std::max_element(found->second.begin(), found->second.end(), [](auto& a, auto& b) {
    return std::tuple(a.probability, a.member) < std::tuple(b.probability, b.member);
  });
}

size_t others_that_serve(const partition_row& row, const node_id& id, const surroundings& around) {
  return static_cast<size_t>(
      std::count_if(row.sync_set.begin(), row.sync_set.end(),
                    [&](auto& other) { return other != id && serves(row, other, around); }));
}

const threats::threat* threats::endangers(const node_id& node) const {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return nullptr;
  const threat* likeliest = nullptr;
  for (auto& t : found->second)
    if (t.endangered && (!likeliest || t.risk > likeliest->risk)) likeliest = &t;
  return likeliest;
}

std::optional<std::string> condemned(const partition_row& row, const surroundings& around,
                                     const threats& danger, double at) {
  std::string words;
  for (auto& id : around.live_members(row)) {
    auto threat = danger.worst(id);
    if (!threat || threat->probability < at) return std::nullopt;
    words += (words.empty() ? "" : "; ") + in_words(id, *threat);
  }
  return words.empty() ? std::nullopt : std::optional(words);
}

bool threatened(const partition_row& row, const threats& danger) {
  if (!danger.known()) return true;
  size_t untouched = 0;
  for (auto& id : row.sync_set) {
    if (danger.in_zone(id)) return true;
    untouched += !danger.exposed(id);
  }
  return untouched < row.replicas_wanted;
}

escalation_budget admit(const surroundings& around, const threats& danger,
                        const escalation_rules& rules) {
  escalation_budget out;
  std::set<partition_id> concerned;
  for (auto& [node, of_node] : danger.nodes()) {
    auto& here = around.view.partitions_of(node);
    concerned.insert(here.begin(), here.end());
  }
  for (auto& [id, row] : around.view.partitions())
    if (!unopened(row)) out.standing += escalating(row);
  std::vector<std::tuple<bool, double, partition_id>> waiting;
  for (auto id : concerned) {
    auto& row = *around.view.partition(id);
    if (unopened(row) || !may_grow(row)) continue;
    bool whole = condemned(row, around, danger, rules.at).has_value();
    bool wanted = whole || (!escalated(row) && endangered_member(row, around, danger));
    if (!wanted || !candidate(row, around, danger, rules.at)) continue;
    if (escalated(row)) {
      out.admitted.insert(id); // it is counted already
      continue;
    }
    auto members = around.live_members(row);
    waiting.emplace_back(!whole, -none_alive({members.begin(), members.end()}, danger.zones()), id);
  }
  std::sort(waiting.begin(), waiting.end());
  auto taken = out.standing;
  for (auto& [alone_endangered, gone, id] : waiting) {
    auto room = alone_endangered ? (rules.partitions_max + 1) / 2 : rules.partitions_max;
    if (taken < room) {
      out.admitted.insert(id);
      ++taken;
    } else {
      out.left_out += !alone_endangered; // the others take turns
    }
  }
  return out;
}

escalation_step escalate(const partition_row& row, const surroundings& around,
                         const threats& danger, const escalation_rules& rules) {
  escalation_step out{row, {}};
  if (!may_grow(row) || !available(row, around)) return out;
  auto why = condemned(row, around, danger, rules.at);
  if (why)
    why = "every member is threatened, " + *why;
  else if (auto leaver = escalated(row) ? std::nullopt : endangered_member(row, around, danger))
    why = "a member shall leave " + *leaver;
  auto who = why ? candidate(row, around, danger, rules.at) : std::nullopt;
  if (!who) return out;
  out.row.joiners = {*who};
  out.reason = "copy on " + who->value + " joins beyond the " + std::to_string(row.replicas_wanted)
               + " wanted: " + *why;
  if (auto rejected = others(row, around, danger, *who); !rejected.empty())
    out.reason += "; not " + rejected;
  return out;
}

escalation_step deescalate(const partition_row& row, const surroundings& around,
                           std::optional<time_point> calm_since, const escalation_rules& rules) {
  escalation_step out{row, {}};
  bool calm = calm_since && around.now - *calm_since >= milliseconds(calm_ms);
  if (!calm || !escalated(row) || !row.joiners.empty() || !available(row, around)) return out;
  std::vector<std::tuple<size_t, size_t, node_id>> leavers;
  for (auto& id : row.sync_set) {
    if (id == row.primary) continue;
    if (others_that_serve(row, id, around) < row.replicas_wanted) continue;
    leavers.emplace_back(shared_attributes(row, id, around.view, rules.spread),
                         around.view.partitions_of(id).size(), id);
  }
  if (leavers.empty()) return out;
  auto& [shared, replicas, who] = *std::max_element(leavers.begin(), leavers.end());
  std::erase(out.row.sync_set, who);
  out.reason = who.value + " leaves: no zone has threatened the sync set for "
               + std::to_string(calm_ms / 1000) + " s";
  if (shared > 0) out.reason += ", and it shares a failure domain with another member";
  return out;
}

} // namespace harbinger::recovery
