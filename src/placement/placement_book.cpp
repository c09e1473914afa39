#include "placement/placement_book.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger {

void placement_book::report(const node_report& report, const catalog_view& catalog) {
  const auto* row = catalog.node(report.node);
  if (!row || report.life < row->life) return;
  told news;
  news.life = report.life;
  news.used_bytes = report.used_bytes;
  for (const auto& r : report.replicas) {
    if (r.role != replica_role::primary || !catalog.partition(r.partition)) continue;
    if (std::isfinite(r.writes_per_s)) news.writes_per_s += std::max(0.0, r.writes_per_s);
    sizes_[r.partition] = r.size_bytes;
  }
  for (const auto& [peer, ms] : report.rtt_ms)
    if (std::isfinite(ms) && catalog.node(node_id{peer})) news.rtt_ms[peer] = ms;
  told_[report.node] = std::move(news);
}

placement_world placement_book::world(const catalog_view& catalog, const settings& config) const {
  placement_world w;
  w.zones = *zones_;
  w.copies_under_way_max = config.prefetch.concurrent_per_node_max;
  for (const auto& [id, row] : catalog.nodes()) {
    auto& node = w.nodes[id];
    node.row = row;
    if (auto found = told_.find(id); found != told_.end() && found->second.life == row.life) {
      node.used_bytes = found->second.used_bytes;
      node.writes_per_s = found->second.writes_per_s;
      node.rtt_ms = found->second.rtt_ms;
    }
    for (auto pid : catalog.partitions_of(id))
      for (const auto& c : catalog.partition(pid)->copies)
        if (c.node == id) {
          ++node.copies;
          if (c.ready) continue;
          ++node.copies_under_way;
          // What has arrived of it is in used_bytes as well: for a while the node counts as fuller
          // than it is.
          if (auto size = sizes_.find(pid); size != sizes_.end()) node.used_bytes += size->second;
        }
  }
  for (const auto& p : promises_) {
    auto found = w.nodes.find(p.node);
    if (found == w.nodes.end()) continue;
    found->second.used_bytes += p.size_bytes;
    ++found->second.copies;
    ++found->second.copies_under_way;
  }
  return w;
}

placement placement_book::answer(const placement_query& query, const catalog_view& catalog,
                                 const settings& config, bool promise, time_point now) {
  placement refused;
  const auto* row = catalog.partition(query.partition);
  if (!row) {
    refused.target = fail(errc::unknown_partition, to_string(query.partition));
    return refused;
  }
  if (!zones_) {
    refused.target = fail(errc::unavailable, "no zone map yet: nobody can say who is safe");
    return refused;
  }
  std::erase_if(promises_, [&](const pledge& p) {
    const auto* held = catalog.partition(p.partition);
    // Asked again: nobody took up the promise of before.
    return now >= p.until || (promise && p.partition == query.partition) || !held
           || catalog_view::mentions(*held, p.node);
  });
  auto result = place(query, *row, world(catalog, config), config.placement);
  if (promise && result.target) {
    if (promises_.size() >= promises_max) promises_.erase(promises_.begin());
    promises_.push_back(
        {query.partition, result.target->node, query.size_bytes, now + promise_life});
  }
  return result;
}

} // namespace harbinger
