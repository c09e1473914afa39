#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

/// What changed, what each partition needs now, and where its copies shall go; their order is in
/// protection_plan_order.cpp, the budgets in protection_plan_budgets.cpp, copies that go in
/// protection_plan_surplus.cpp.

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

void protection_plan::promise(entry& e, node_number target) {
  e.target[e.targets++] = target;
  placer_.promise(target, e.promised_bytes);
  if (e.queued) placer_.queue(target);
}

void protection_plan::release_all(entry& e) {
  while (e.targets > 0) {
    auto n = e.target[--e.targets];
    placer_.release(n, e.promised_bytes);
    if (e.queued) placer_.unqueue(n);
  }
}

void protection_plan::queue_at_source(entry& e, node_number source) {
  if (e.queued_at == source) return;
  if (e.queued_at != no_number) placer_.unqueue(e.queued_at);
  if (source != no_number) placer_.queue(source);
  e.queued_at = source;
}

void protection_plan::keep_targets(const std::vector<partition_number>& dirty) {
  struct had {
    place_in_order place;
    std::array<node_number, targets_max> target;
    size_t count;
  };
  std::vector<had> all;
  for (auto p : dirty) {
    auto slot = slot_of_[p];
    if (slot == none) continue;
    auto& e = entries_[slot];
    if (e.targets > 0) all.push_back({in_order(slot, 0), e.target, e.targets});
    release_all(e);
    e.promised_bytes = cluster_->partition(p).size_bytes;
    e.queued = e.need.restore;
    queue_at_source(e, e.need.restore && e.need.missing > 0 ? e.source : no_number);
    if (e.need.missing == 0) unplaced_.erase(p);
  }
  // Where there is no room for all of them any more, the first in order stay.
  std::sort(all.begin(), all.end(), [](const had& a, const had& b) { return a.place < b.place; });
  for (const auto& h : all) keep_targets(entries_[h.place.slot], {h.target.data(), h.count});
}

void protection_plan::keep_targets(entry& e, std::span<const node_number> had) {
  auto away = away_.find(e.partition);
  for (auto n : had) {
    if (e.targets >= e.need.missing) break;
    bool failed = away != away_.end() && away->second.contains(n);
    placer_query query{e.partition, e.promised_bytes, {e.target.data(), e.targets}, {}};
    if (failed || !placer_.passes(query, n)) continue;
    promise(e, n);
  }
  if (e.targets >= e.need.missing) unplaced_.erase(e.partition);
}

double protection_plan::worth_of(const entry& e, uint32_t number) const {
  const auto& part = cluster_->partition(e.partition);
  return seconds_saved(e.need, number, part.size_bytes, rules_.speeds) * (1 << 20)
         / std::max(least_bytes, e.bytes);
}

void protection_plan::place_missing(const std::vector<partition_number>& dirty) {
  std::vector<place_in_order> open;
  for (auto p : dirty) {
    auto slot = slot_of_[p];
    if (slot == none) continue;
    const auto& e = entries_[slot];
    for (uint32_t number = e.targets; number < e.need.missing; ++number)
      open.push_back(in_order(slot, number));
  }
  std::sort(open.begin(), open.end());
  room_made_ = 0;
  placed_.clear();
  looks_left_ = looks_each_step;
  placer_.expect(open.size());
  for (const auto& place : open) place_one(place.slot);
  placer_.expect(0);
}

void protection_plan::place_one(uint32_t slot) {
  auto& e = entries_[slot];
  if (e.targets >= targets_max) return;
  auto next = query_of(e.partition);
  auto n = placer_.choose(next.query);
  if (n == no_number) {
    unplaced_.insert(e.partition);
    if (room_made_++ < retries_each_step) make_room(e.partition, next.query);
    return;
  }
  bool evens_out = !e.need.restore && rules_.placement.strategy == "weighted";
  if (evens_out && looks_left_ > 0 && placer_.has_fair_share(n)) n = make_way(slot, n, next.query);
  promise(e, n);
  planned_to_[n].push_back(e.partition);
  if (evens_out) placed_[n].push_back({slot, e.targets - size_t{1}});
  if (e.targets == e.need.missing) unplaced_.erase(e.partition);
}

placer_query protection_plan::query_but(const placed_copy& c,
                                        std::vector<node_number>& others) const {
  const auto& e = entries_[c.slot];
  others.clear();
  for (size_t i = 0; i < e.targets; ++i)
    if (i != c.number) others.push_back(e.target[i]);
  auto away = away_.find(e.partition);
  auto count = others.size();
  if (away != away_.end()) others.insert(others.end(), away->second.begin(), away->second.end());
  return {e.partition,
          e.promised_bytes,
          {others.data(), count},
          {others.data() + count, others.size() - count}};
}

/// The copies placed in this step and the nodes that each may go to: a path from `chosen` to the
/// emptiest node that can be reached, along which each copy moves on by one.
node_number protection_plan::make_way(uint32_t slot, node_number chosen,
                                      const placer_query& query) {
  struct arrival {
    placed_copy moved; ///< to this node
    node_number from = no_number;
  };
  std::map<node_number, arrival> reached;
  std::set<uint32_t> moving{slot};
  std::vector<node_number> waiting, others;
  auto reach = [&](const placed_copy& c, node_number from, const placer_query& q) {
    looks_left_ -= std::min<size_t>(looks_left_, cluster_->nodes().size());
    for (auto n : placer_.candidates(q))
      if (reached.try_emplace(n, arrival{c, from}).second) waiting.push_back(n);
  };
  reach({slot, entries_[slot].targets}, no_number, query);
  auto best = chosen;
  double least = placer_.fullness_with_one_more(chosen) * (1.0 - 1e-9);
  for (size_t i = 0; i < waiting.size(); ++i) {
    auto n = waiting[i];
    if (placer_.fullness_with_one_more(n) < least) {
      best = n;
      least = placer_.fullness_with_one_more(n);
      if (!placer_.has_fair_share(n)) break;
    }
    for (const auto& c : placed_[n])
      if (looks_left_ > 0 && moving.insert(c.slot).second) reach(c, n, query_but(c, others));
  }
  for (auto n = best;;) {
    const auto arrived = reached.at(n);
    const auto& c = arrived.moved;
    auto from = arrived.from;
    if (from == no_number) return n;
    auto& e = entries_[c.slot];
    placer_.move(from, n, e.promised_bytes);
    planned_to_[n].push_back(e.partition);
    e.target[c.number] = n;
    placed_[n].push_back(c);
    std::erase_if(placed_[from],
                  [&](const placed_copy& o) { return o.slot == c.slot && o.number == c.number; });
    n = from;
  }
}

protection_plan::next_query protection_plan::query_of(partition_number p) const {
  next_query next;
  next.chosen = targets(p);
  if (auto away = away_.find(p); away != away_.end())
    next.keep_away.assign(away->second.begin(), away->second.end());
  const auto* e = entry_of(p);
  next.query = {p, cluster_->partition(p).size_bytes, next.chosen, next.keep_away,
                e && e->need.restore};
  return next;
}

std::vector<node_number> protection_plan::targets(partition_number p) const {
  const auto* e = entry_of(p);
  if (!e) return {};
  return {e->target.begin(), e->target.begin() + e->targets};
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
