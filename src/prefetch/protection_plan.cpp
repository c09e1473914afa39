#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

/// What changed, and what each partition needs now; where its copies shall go is in
/// protection_plan_targets.cpp, their order in protection_plan_order.cpp, the budgets in
/// protection_plan_budgets.cpp, copies that go in protection_plan_surplus.cpp.

namespace harbinger {

namespace {

/// Copies that go through one node at once, inside the budgets.
uint32_t places_at_a_node(const prefetch_settings& p) {
  uint64_t places = p.concurrent_per_node_max;
  if (p.node_bytes_per_s > 0)
    places = std::min(places, p.rate_bytes_per_s > 0 ? p.node_bytes_per_s / p.rate_bytes_per_s
                                                     : uint64_t{1});
  return static_cast<uint32_t>(std::max<uint64_t>(1, places));
}

} // namespace

void protection_plan::set_rules(plan_rules rules) {
  if (rules == rules_) return;
  rules_ = std::move(rules);
  rules_changed_ = true;
}

void protection_plan::set_zones(const zone_map& zones) {
  zone_map_ = zones;
  zones_changed_ = true;
}

void protection_plan::set_restore(partition_number p, bool wanted) {
  bool changed = wanted ? restores_.insert(p).second : restores_.erase(p) > 0;
  if (changed) touched_.insert(p);
}

void protection_plan::keep_away(partition_number p, node_number n, bool away) {
  if (away)
    away_[p].insert(n);
  else if (auto known = away_.find(p); known != away_.end()) {
    known->second.erase(n);
    if (known->second.empty()) away_.erase(known);
  }
  touched_.insert(p);
}

void protection_plan::step(time_point now) {
  now_ = now;
  auto news = cluster_->take_changes();
  zone_picture before; // of those that moved; without news nobody did
  std::vector<node_number> moved;
  if (zones_changed_ || planned_to_.size() < cluster_->nodes().size()) {
    before = std::exchange(zones_, zone_picture(zone_map_, cluster_->nodes()));
    moved = zones_.differing(before);
  }
  slot_of_.resize(cluster_->partitions(), none);
  planned_to_.resize(cluster_->nodes().size());
  bring_placer_up(moved, news);
  auto dirty = concerned(moved, before, news);
  rules_changed_ = zones_changed_ = false;
  for (auto p : dirty) assess(p, now);
  if (!dirty.empty()) {
    keep_targets(dirty);
    place_missing(dirty);
    order(dirty);
  }
  if (!dirty.empty() || in_flight_changed_ || !due_of_.empty()) schedule();
  in_flight_changed_ = false;
}

void protection_plan::set_in_flight(std::vector<copy_in_flight> copies) {
  in_flight_changed_ |= copies != in_flight_;
  in_flight_ = std::move(copies);
}

void protection_plan::bring_placer_up(const std::vector<node_number>& moved,
                                      const fleet::changes& news) {
  if (rules_changed_ || placer_.safe_nodes() == 0 || now_ - refreshed_ >= refresh_every) {
    placer_.refresh(zones_, {rules_.placement, rules_.domains, rules_.prefetch.space_max,
                             places_at_a_node(rules_.prefetch)});
    refreshed_ = now_;
  } else {
    auto changed = moved;
    changed.insert(changed.end(), news.nodes.begin(), news.nodes.end());
    placer_.update(changed, zones_);
  }
  if (!in_flight_changed_) return;
  std::vector<node_number> ends;
  for (const auto& c : in_flight_) ends.insert(ends.end(), {c.source, c.target});
  placer_.set_under_way(std::move(ends));
}

std::vector<partition_number> protection_plan::concerned(const std::vector<node_number>& moved,
                                                         const zone_picture& before,
                                                         const fleet::changes& news) {
  std::vector<partition_number> list = news.partitions;
  list.insert(list.end(), touched_.begin(), touched_.end());
  touched_.clear();
  if (rules_changed_) {
    for (const auto& e : entries_)
      if (e.used) list.push_back(e.partition);
    for (uint32_t z = 0; z < zones_.zones(); ++z)
      for (auto n : zones_.members(z))
        list.insert(list.end(), cluster_->held_by(n).begin(), cluster_->held_by(n).end());
  }
  auto look_at_targets = [&](node_number n) {
    std::erase_if(planned_to_[n], [&](partition_number p) {
      auto all = targets(p);
      return std::find(all.begin(), all.end(), n) == all.end();
    });
    list.insert(list.end(), planned_to_[n].begin(), planned_to_[n].end());
  };
  for (auto n : moved) {
    // Exposure alone says where copies may go, not what anybody needs.
    if (zones_.of(n).zone != no_number || before.of(n).zone != no_number)
      list.insert(list.end(), cluster_->held_by(n).begin(), cluster_->held_by(n).end());
    look_at_targets(n);
  }
  for (auto n : note_planned_events())
    list.insert(list.end(), cluster_->held_by(n).begin(), cluster_->held_by(n).end());
  states_.resize(cluster_->nodes().size());
  for (auto n : news.nodes) {
    look_at_targets(n);
    // Whoever is up, silent or dead now matters to all that it holds.
    auto state = cluster_->nodes()[n].state;
    if (states_[n] != state)
      list.insert(list.end(), cluster_->held_by(n).begin(), cluster_->held_by(n).end());
    states_[n] = state;
  }
  bool became_safe = std::any_of(moved.begin(), moved.end(), [&](node_number n) {
    return zones_.of(n).safe() && !before.of(n).safe();
  });
  add_retries(list, rules_changed_ || became_safe);
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

std::vector<node_number> protection_plan::note_planned_events() {
  std::vector<node_number> members;
  if (!zones_changed_) return members;
  std::map<uint64_t, time_point> due;
  for (uint32_t z = 0; z < zones_.zones(); ++z) {
    double within_s = zones_.within_s(z);
    auto id = zones_.id(z).value;
    auto known = due_of_.find(id);
    if (!(within_s > 0.0)) {
      if (known != due_of_.end()) // no longer planned
        members.insert(members.end(), zones_.members(z).begin(), zones_.members(z).end());
      continue;
    }
    auto said = now_ + from_seconds(within_s);
    // An event that has begun is told as about to begin, again and again.
    bool same = known != due_of_.end()
                && (std::max(said, known->second) <= now_ + due_jitter
                    || std::chrono::abs(said - known->second) <= due_jitter);
    due[id] = same ? known->second : said;
    if (!same) members.insert(members.end(), zones_.members(z).begin(), zones_.members(z).end());
  }
  due_of_ = std::move(due);
  return members;
}

void protection_plan::add_retries(std::vector<partition_number>& list, bool all) {
  auto retries = all ? unplaced_.size() : std::min(retries_each_step, unplaced_.size());
  auto next = unplaced_.upper_bound(retried_);
  for (size_t i = 0; i < retries; ++i) {
    if (next == unplaced_.end()) next = unplaced_.begin();
    list.push_back(retried_ = *next++);
  }
}

const protection_plan::entry* protection_plan::entry_of(partition_number p) const {
  return p < slot_of_.size() && slot_of_[p] != none ? &entries_[slot_of_[p]] : nullptr;
}

uint32_t protection_plan::slot_for(partition_number p) {
  if (slot_of_[p] != none) return slot_of_[p];
  uint32_t slot = static_cast<uint32_t>(entries_.size());
  if (free_slots_.empty()) {
    entries_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  entries_[slot] = entry{};
  entries_[slot].partition = p;
  entries_[slot].used = true;
  slot_of_[p] = slot;
  return slot;
}

void protection_plan::forget(uint32_t slot) {
  auto& e = entries_[slot];
  release_all(e);
  queue_at_source(e, no_number);
  if (e.idle) idle_.erase({e.needed_last, e.partition});
  if (e.bad) bad_.erase(e.partition);
  unplaced_.erase(e.partition);
  slot_of_[e.partition] = none;
  e.used = false;
  free_slots_.push_back(slot);
}

copy_need protection_plan::need(partition_number p) const {
  return need_of(*cluster_, p, zones_, restores_.contains(p), rules_.prefetch);
}

time_point protection_plan::due_of(partition_number p) const {
  auto due = rolling;
  for (const auto& h : cluster_->partition(p).holders.get()) {
    auto zone = zones_.of(h.node).zone;
    if (zone == no_number || !is_replica(h.kind)) continue;
    if (auto planned = due_of_.find(zones_.id(zone).value); planned != due_of_.end())
      due = std::min(due, planned->second);
  }
  return due;
}

double protection_plan::deadline_s(time_point due) const {
  return due == rolling ? rules_.horizon_s : to_seconds(due - now_);
}

void protection_plan::assess(partition_number p, time_point now) {
  auto n = need(p);
  bool copies = false, bad = false;
  for (const auto& h : cluster_->partition(p).holders.get()) {
    if (!is_copy(h.kind)) continue;
    copies = true;
    bad |= !cluster_->nodes().alive(h.node) || h.kind == holding_kind::useless;
  }
  if (n.missing == 0 && !copies) {
    if (slot_of_[p] != none) forget(slot_of_[p]);
    return;
  }
  auto& e = entries_[slot_for(p)];
  if (e.idle) idle_.erase({e.needed_last, p});
  bool needed = n.at_risk || n.short_of_replicas;
  if (needed || e.needed || e.needed_last == time_point{}) e.needed_last = now;
  e.needed = needed;
  e.need = n;
  e.idle = copies && !needed;
  if (e.idle) idle_.insert({e.needed_last, p});
  if (bad != e.bad) bad ? bad_.insert(p).second : bad_.erase(p) > 0;
  e.bad = bad;
  e.due = due_of(p);
  e.bytes = cost_bytes(cluster_->partition(p), n.restore ? 0.0 : std::max(0.0, deadline_s(e.due)));
  e.source = source_of(p);
}

double protection_plan::worth_of(const entry& e, uint32_t number) const {
  const auto& part = cluster_->partition(e.partition);
  return seconds_saved(e.need, number, part.size_bytes, rules_.speeds) * (1 << 20)
         / std::max(least_bytes, e.bytes);
}

size_t protection_plan::memory_bytes() const {
  size_t planned = 0;
  for (const auto& list : planned_to_)
    planned += sizeof(std::vector<partition_number>) + list.capacity() * sizeof(partition_number);
  constexpr size_t tree_node = 48;
  return slot_of_.capacity() * sizeof(uint32_t) + entries_.capacity() * sizeof(entry)
         + order_.capacity() * (sizeof(place_in_order) + sizeof(uint32_t)) + planned
         + (idle_.size() + unplaced_.size() + bad_.size()) * tree_node + placer_.memory_bytes();
}

} // namespace harbinger
