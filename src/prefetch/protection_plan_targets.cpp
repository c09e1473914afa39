#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <map>
#include <set>

/// Where copies shall go: targets that stay, new ones, and copies that make way for each other.

namespace harbinger {

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

} // namespace harbinger
