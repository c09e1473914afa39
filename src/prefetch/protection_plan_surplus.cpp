#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <cmath>

/// Copies that go.

namespace harbinger {

namespace {

std::string of_seconds(duration d) { return std::to_string(std::lround(to_seconds(d))) + " s"; }

} // namespace

std::vector<surplus_copy> protection_plan::surplus(time_point now) const {
  std::vector<surplus_copy> list;
  const auto& nodes = cluster_->nodes();
  for (auto p : bad_)
    for (const auto& h : cluster_->partition(p).holders.get()) {
      if (!is_copy(h.kind)) continue;
      if (!nodes.alive(h.node))
        list.push_back({p, h.node, true, nodes[h.node].id.value + " is dead"});
      else if (h.kind == holding_kind::useless)
        list.push_back({p, h.node, false, "of no use: given up, or it differs from the primary"});
    }
  auto goes = [&](const holder& h) {
    return is_copy(h.kind) && h.kind != holding_kind::joiner && h.kind != holding_kind::useless
           && nodes.alive(h.node);
  };
  for (const auto& [since, p] : idle_) {
    if (to_seconds(now - since) < rules_.prefetch.keep_after_zone_s) break;
    for (const auto& h : cluster_->partition(p).holders.get())
      if (goes(h))
        list.push_back(
            {p, h.node, false, "no replica was at risk or missing for " + of_seconds(now - since)});
  }
  for (const auto& [copy, room_for] : evict_)
    if (unplaced_.contains(room_for) && may_be_evicted(copy.first, copy.second))
      list.push_back({copy.first, copy.second, false,
                      "makes room: nobody needed it for "
                          + of_seconds(now - entry_of(copy.first)->needed_last)});
  std::sort(list.begin(), list.end(), [](const surplus_copy& a, const surplus_copy& b) {
    return std::tie(a.partition, a.node) < std::tie(b.partition, b.node);
  });
  auto same = [](const surplus_copy& a, const surplus_copy& b) {
    return a.partition == b.partition && a.node == b.node;
  };
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
  return list;
}

bool protection_plan::may_be_evicted(partition_number kept, node_number n) const {
  const auto* e = entry_of(kept);
  const auto* h = cluster_->partition(kept).holders.find(n);
  return e && e->idle && h && is_copy(h->kind) && h->kind != holding_kind::joiner
         && h->kind != holding_kind::useless && cluster_->nodes().alive(n);
}

void protection_plan::make_room(partition_number p, const placer_query& query) {
  std::erase_if(evict_, [&](const auto& e) {
    return !unplaced_.contains(e.second) || !may_be_evicted(e.first.first, e.first.second);
  });
  std::map<node_number, uint64_t> freed;
  size_t looked_at = 0;
  for (const auto& [since, kept] : idle_) {
    if (++looked_at > idle_looked_at_max) return;
    for (const auto& h : cluster_->partition(kept).holders.get()) {
      if (kept == p || !may_be_evicted(kept, h.node)) continue;
      freed[h.node] += cluster_->partition(kept).size_bytes;
      if (!placer_.passes_with_room(query, h.node, freed[h.node])) continue;
      // Room is being made for it, or for another one first.
      if (!evict_.contains({kept, h.node})) evict_idle_on(h.node, freed[h.node], p);
      return;
    }
  }
}

void protection_plan::evict_idle_on(node_number n, uint64_t bytes, partition_number room_for) {
  uint64_t freed = 0;
  for (const auto& [since, kept] : idle_) {
    if (freed >= bytes) return;
    if (!may_be_evicted(kept, n)) continue;
    evict_.try_emplace({kept, n}, room_for);
    freed += cluster_->partition(kept).size_bytes;
  }
}

} // namespace harbinger
