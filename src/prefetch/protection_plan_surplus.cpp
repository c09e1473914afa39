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
  for (const auto& [p, n] : evict_) {
    const auto* h = cluster_->partition(p).holders.find(n);
    if (h && goes(*h) && entry_of(p) && entry_of(p)->idle)
      list.push_back(
          {p, n, false,
           "makes room: nobody needed it for " + of_seconds(now - entry_of(p)->needed_last)});
  }
  std::sort(list.begin(), list.end(), [](const surplus_copy& a, const surplus_copy& b) {
    return std::tie(a.partition, a.node) < std::tie(b.partition, b.node);
  });
  auto same = [](const surplus_copy& a, const surplus_copy& b) {
    return a.partition == b.partition && a.node == b.node;
  };
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
  return list;
}

void protection_plan::make_room(partition_number p, const placer_query& query) {
  std::erase_if(evict_, [&](const auto& e) {
    const auto* kept = entry_of(e.first);
    return !kept || !kept->idle || !cluster_->partition(e.first).holders.find(e.second);
  });
  std::map<node_number, uint64_t> freed;
  size_t looked_at = 0;
  for (const auto& [since, kept] : idle_) {
    if (++looked_at > idle_looked_at_max) return;
    for (const auto& h : cluster_->partition(kept).holders.get()) {
      if (kept == p || !is_copy(h.kind) || h.kind == holding_kind::joiner) continue;
      bool already = evict_.contains({kept, h.node});
      freed[h.node] += cluster_->partition(kept).size_bytes;
      if (!placer_.passes_with_room(query, h.node, freed[h.node])) continue;
      if (already) return; // room is being made for it, or for another one first
      evict_idle_on(h.node, freed[h.node]);
      return;
    }
  }
}

void protection_plan::evict_idle_on(node_number n, uint64_t bytes) {
  uint64_t freed = 0;
  for (const auto& [since, kept] : idle_) {
    if (freed >= bytes) return;
    const auto* h = cluster_->partition(kept).holders.find(n);
    if (!h || !is_copy(h->kind) || h->kind == holding_kind::joiner) continue;
    evict_.insert({kept, n});
    freed += cluster_->partition(kept).size_bytes;
  }
}

} // namespace harbinger
