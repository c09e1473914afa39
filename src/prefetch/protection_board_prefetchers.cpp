#include "prefetch/protection_board.hpp"

#include <algorithm>
#include <cmath>

#include "prefetch/board_events.hpp"
#include "prefetch/copy_life.hpp"

/// Every copy in the catalog has a prefetcher that knows whom to copy from, and no other has one.

namespace harbinger {

namespace {

prefetch_order order_for(const partition_row& row, const copy_row& copy,
                         std::vector<node_address> sources, uint64_t rate_bytes_per_s,
                         const catalog_view& catalog) {
  prefetch_order order;
  order.partition = row.id;
  order.copy = copy.copy;
  order.revision = row.revision;
  order.target = catalog.address_of(copy.node);
  order.sources = std::move(sources);
  order.rate_bytes_per_s = rate_bytes_per_s;
  return order;
}

} // namespace

void protection_board::start_life(const partition_row& row, const copy_row& copy,
                                  const wanted_copy& wanted, const catalog_view& catalog,
                                  time_point now, board_actions& out) {
  auto order = order_for(row, copy, copy_sources(row, catalog.nodes(), copy.node),
                         wanted.rate_bytes_per_s, catalog);
  order.method = wanted.method;
  auto& l = lives_[{row.id, copy.node}];
  l = life{copy.copy, wanted.rate_bytes_per_s, order.sources, now, 0, copy.ready, wanted.reason,
           {}};
  first_seen_.erase({row.id, copy.node});
  out.begin.push_back(std::move(order));
}

void protection_board::measure_copy(const life& l, const replica_report& report, time_point now) {
  constexpr uint64_t bytes_least = 4 << 20; // a small one measures the round trips
  constexpr double newest_counts = 0.1;
  double took_s = to_seconds(now - l.begun);
  if (l.rate_bytes_per_s > 0 || report.copied_bytes < bytes_least || took_s <= 0.0) return;
  double speed = static_cast<double>(report.copied_bytes) / took_s;
  // In coarse steps, for another speed sets everything to planning anew.
  double mean = speeds_measured_ > 0.0
                    ? speeds_measured_ + newest_counts * (speed - speeds_measured_)
                    : speed;
  speeds_measured_ = mean;
  if (std::abs(mean - speeds_.copy_bytes_per_s) > 0.2 * speeds_.copy_bytes_per_s)
    speeds_.copy_bytes_per_s = mean;
}

void protection_board::tend_prefetchers(const catalog_view& catalog, board_actions& out) {
  for (auto it = lives_.begin(); it != lives_.end();) {
    const auto& key = it->first;
    auto& l = it->second;
    const auto* row = catalog.partition(key.partition);
    const auto* copy = catalog.copy(key.partition, key.node);
    auto pending = deciding_.find(key.partition);
    bool on_its_way = pending != deciding_.end() && pending->second.kind == step_kind::adding
                      && pending->second.copy.copy == l.copy; // the view lags behind the reply
    if ((!copy || copy->copy != l.copy) && !on_its_way) {
      out.cancel.push_back(key);
      it = lives_.erase(it);
      continue;
    }
    if (copy) {
      auto sources = copy_sources(*row, catalog.nodes(), key.node);
      if (sources != l.sources) {
        l.sources = sources;
        out.sources.push_back(
            order_for(*row, {key.node, l.copy}, std::move(sources), l.rate_bytes_per_s, catalog));
      }
    }
    ++it;
  }
}

void protection_board::adopt_copies(const catalog_view& catalog, const settings& config,
                                    time_point now, board_actions& out) {
  std::map<copy_key, time_point> still_without;
  for (const auto& [id, row] : catalog.partitions())
    for (const auto& copy : row.copies) {
      copy_key key{id, copy.node};
      const auto* node = catalog.node(copy.node);
      if (lives_.contains(key) || useless(row, copy) || !node || node->state == node_state::dead)
        continue;
      // Somebody else's copy (recovery's drill, or ours before a restart): its maker sends the
      // first command.
      auto since = first_seen_.contains(key) ? first_seen_[key] : now;
      const auto* s = status(key);
      bool begun = s && s->report.role == replica_role::copy && s->report.copy == copy.copy;
      wanted_copy taken_over;
      taken_over.rate_bytes_per_s = config.prefetch.rate_bytes_per_s;
      taken_over.reason = "taken over from the catalog";
      if (begun || now - since >= adopt_after)
        start_life(row, copy, taken_over, catalog, now, out);
      else
        still_without[key] = since;
    }
  first_seen_ = std::move(still_without);
}

board_actions protection_board::progress(const prefetch_progress& p, const catalog_view& catalog,
                                         time_point now) {
  board_actions out;
  const auto* row = catalog.partition(p.partition);
  for (auto it = lives_.begin(); it != lives_.end(); ++it) {
    if (it->first.partition != p.partition || it->second.copy != p.copy) continue;
    it->second.copied_bytes = std::max(it->second.copied_bytes, p.copied_bytes);
    it->second.ready = p.ready;
    it->second.detail = p.detail;
    if (p.fell_back)
      out.events.push_back(board_events::fell_back(p, it->first.node, first_source(it->second)));
    if (!p.gave_up) return out;
    auto key = it->first;
    avoid_[key] = now + avoid_target_for;
    keep_away(key, true);
    if (row) given_up_[key] = p.copy;
    out.events.push_back(board_events::gave_up(p, key.node, first_source(it->second)));
    lives_.erase(it);
    return out;
  }
  return out;
}

std::string protection_board::first_source(const life& l) {
  return l.sources.empty() ? std::string("nobody") : l.sources.front().node.value;
}

} // namespace harbinger
