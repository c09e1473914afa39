#include "simulate/cluster_run.hpp"

#include <algorithm>

/// Nodes fail and come back; what becomes of the partitions they held.

namespace harbinger::simulate {

std::vector<holder> cluster_run::holders_of(partition_number p) const {
  auto list = cluster_.partition(p).holders.get();
  return {list.begin(), list.end()};
}

size_t cluster_run::living_members(std::span<const holder> holders) const {
  return static_cast<size_t>(std::count_if(holders.begin(), holders.end(), [&](const holder& h) {
    return is_replica(h.kind) && nodes_[h.node].up;
  }));
}

void cluster_run::set_state(node_number n, node_state state) {
  auto& row = row_by_id_.at(cluster_.nodes()[n].id);
  row.state = state;
  cluster_.put(row);
  if (risks_.contains(n)) zones_at(now_);
}

void cluster_run::use(node_number n, double bytes, double writes_per_s) {
  auto& facts = nodes_[n];
  facts.used_bytes =
      static_cast<uint64_t>(std::max(0.0, static_cast<double>(facts.used_bytes) + bytes));
  facts.writes_per_s = std::max(0.0, facts.writes_per_s + writes_per_s);
  if (!facts.usage_changed) usage_changed_.push_back(n);
  facts.usage_changed = true;
}

void cluster_run::put(partition_number p, const std::vector<holder>& holders) {
  const auto& part = cluster_.partition(p);
  auto count = [&](std::span<const holder> list, double sign) {
    for (const auto& h : list) {
      bool primary = h.kind == holding_kind::primary;
      double bytes = h.kind == holding_kind::copying ? 0 : static_cast<double>(part.size_bytes);
      use(h.node, sign * bytes, primary ? sign * static_cast<double>(part.change_bytes_per_s) : 0);
      if (primary) nodes_[h.node].primaries += static_cast<uint32_t>(static_cast<int>(sign));
    }
  };
  count(part.holders.get(), -1);
  count(holders, +1);
  cluster_.put(part.id, holders, part.replicas_wanted);
}

void cluster_run::count_coverage(const failure& f) {
  auto& sum = accounts_.covered[static_cast<size_t>(f.cause)];
  ++sum.failures;
  bool predicted = plan_.zones().of(f.node).zone != no_number;
  sum.predicted += predicted;
  uint64_t members = 0, covered = 0;
  for (auto p : cluster_.held_by(f.node)) {
    auto holders = cluster_.partition(p).holders.get();
    const auto* own = cluster_.partition(p).holders.find(f.node);
    if (!is_replica(own->kind)) continue;
    ++members;
    bool copy = std::any_of(holders.begin(), holders.end(), [&](const holder& h) {
      return h.kind == holding_kind::ready && nodes_[h.node].up;
    });
    covered += copy || living_members(holders) >= cluster_.partition(p).replicas_wanted;
  }
  sum.replicas += members;
  sum.replicas_covered += covered;
  sum.covered += predicted && covered == members;
}

void cluster_run::on_failure(const failure& f) {
  auto& node = nodes_[f.node];
  node.up = false;
  node.verdict = false;
  node.last = &f;
  auto number = static_cast<uint32_t>(&f - failures_.data());
  count_coverage(f);
  accounts_.failed(f, in_zone(f.node) ? now_ - node.in_zone_since : -1);
  accounts_.handed_over_in_time += std::exchange(node.handed_over, 0);
  accounts_.left_in_time += std::exchange(node.left, 0);
  for (auto p : cluster_.held_by(f.node)) {
    auto holders = cluster_.partition(p).holders.get();
    const auto* own = cluster_.partition(p).holders.find(f.node);
    if (!is_replica(own->kind)) continue;
    auto& facts = partitions_[p];
    if (own->kind == holding_kind::primary && facts.unserved_since < 0) {
      facts.unserved_since = std::max(now_, facts.served_from);
      facts.stopped_by = number;
      ++unserved_;
    }
    auto living = living_members(holders);
    if (living == 0 && !facts.lost) {
      facts.lost = true;
      facts.stopped_by = number;
    }
    if (facts.short_since < 0 && living < cluster_.partition(p).replicas_wanted) {
      facts.short_since = now_;
      ++short_;
    }
    note_waiting(p);
  }
  at(now_ + options_.takes.detect_s, kind::verdict, number);
  at(f.back_s(), kind::back, number);
}

void cluster_run::on_verdict(const failure& f) {
  auto& node = nodes_[f.node];
  if (node.up || node.last != &f) return;
  node.verdict = true;
  set_state(f.node, node_state::dead);
  abort_copies_of(f.node);
  uint32_t line = 0;
  auto held = cluster_.held_by(f.node);
  std::sort(held.begin(), held.end());
  for (auto p : held) {
    repair(p, line);
    evacuate(p);
  }
  plan_soon();
}

void cluster_run::on_back(const failure& f) {
  auto& node = nodes_[f.node];
  if (node.up || node.last != &f) return;
  node.up = true;
  if (node.verdict) set_state(f.node, node_state::up);
  node.verdict = false;
  uint32_t line = 0;
  auto held = cluster_.held_by(f.node);
  std::sort(held.begin(), held.end());
  for (auto p : held) {
    const auto* own = cluster_.partition(p).holders.find(f.node);
    if (!own || !is_replica(own->kind)) continue;
    if (own->kind == holding_kind::primary && partitions_[p].unserved_since >= 0)
      serve(p, now_ + options_.takes.promote_s + line++ / options_.takes.promotions_per_s);
    repair(p, line);
    evacuate(p);
  }
  plan_soon();
}

node_number cluster_run::next_primary(std::span<const holder> holders) const {
  auto rank = [&](node_number n) {
    return std::tuple(plan_.zones().of(n).zone != no_number, nodes_[n].primaries,
                      cluster_.nodes().rank(n));
  };
  node_number best = no_number;
  for (const auto& h : holders)
    if (is_replica(h.kind) && nodes_[h.node].up && (best == no_number || rank(h.node) < rank(best)))
      best = h.node;
  return best;
}

void cluster_run::refill(partition_number p, std::vector<holder>& holders) {
  const auto wanted = cluster_.partition(p).replicas_wanted;
  for (bool outside : {true, false})
    for (auto& h : holders) {
      if (living_members(holders) >= wanted) return;
      if (h.kind != holding_kind::ready || !nodes_[h.node].up) continue;
      if (outside && plan_.zones().of(h.node).zone != no_number) continue;
      h.kind = holding_kind::member;
      copy_used(p, h.node);
    }
}

/// After a verdict, a return or a copy: dead members leave, somebody is primary, ready copies fill
/// up, and the plan hears of what is missing.
void cluster_run::repair(partition_number p, uint32_t& line) {
  auto holders = holders_of(p);
  auto& facts = partitions_[p];
  if (living_members(holders) == 0) {
    plan_.set_restore(p, false);
    auto after = options_.rules.recovery.rebuild_after_s;
    if (after > 0 && facts.lost) at(std::max(now_, facts.unserved_since + after), kind::rebuild, p);
    return;
  }
  std::erase_if(holders,
                [&](const holder& h) { return is_replica(h.kind) && nodes_[h.node].verdict; });
  bool headless = std::none_of(holders.begin(), holders.end(),
                               [](const holder& h) { return h.kind == holding_kind::primary; });
  if (headless) {
    auto n = next_primary(holders);
    for (auto& h : holders)
      if (h.node == n) h.kind = holding_kind::primary;
    serve(p, now_ + options_.takes.promote_s + line++ / options_.takes.promotions_per_s);
  }
  auto wanted = cluster_.partition(p).replicas_wanted;
  auto members = static_cast<size_t>(std::count_if(
      holders.begin(), holders.end(), [](const holder& h) { return is_replica(h.kind); }));
  settle_extra(p, holders);
  if (members < wanted) refill(p, holders);
  put(p, holders);
  note_members(p);
  note_waiting(p);
}

/// Who joined because of a zone is one of those wanted once others went.
void cluster_run::settle_extra(partition_number p, std::span<const holder> holders) {
  auto& facts = partitions_[p];
  auto members = std::count_if(holders.begin(), holders.end(),
                               [](const holder& h) { return is_replica(h.kind); });
  if (facts.extra == no_number || members > cluster_.partition(p).replicas_wanted) return;
  auto still = std::any_of(holders.begin(), holders.end(),
                           [&](const holder& h) { return h.node == facts.extra; });
  still ? copy_used(p, facts.extra) : copy_gone(p, facts.extra);
  facts.extra = no_number;
  escalated_.erase(p);
}

void cluster_run::note_members(partition_number p) {
  auto& facts = partitions_[p];
  auto living = living_members(cluster_.partition(p).holders.get());
  bool enough = living >= cluster_.partition(p).replicas_wanted;
  // A member that is down and not yet known to be is not missing for the plan.
  size_t known = 0;
  for (const auto& h : cluster_.partition(p).holders.get()) known += is_replica(h.kind);
  plan_.set_restore(p, living > 0 && known < cluster_.partition(p).replicas_wanted);
  if (!enough || facts.short_since < 0) return;
  accounts_.restored(now_ - facts.short_since);
  facts.short_since = -1;
  --short_;
}

double cluster_run::requests_to(partition_number p, double from_s, double to_s) const {
  const auto& site = options_.site;
  double share = site.mean_change_bytes_per_s > 0
                     ? static_cast<double>(cluster_.partition(p).change_bytes_per_s)
                           / site.mean_change_bytes_per_s
                     : 1.0;
  return share * site.mean_requests_per_s * requests_between(from_s, to_s);
}

void cluster_run::serve(partition_number p, double from_s) {
  auto& facts = partitions_[p];
  if (facts.unserved_since < 0) return;
  from_s = std::min(from_s, end_s_);
  accounts_.outage(failures_[facts.stopped_by],
                   facts.lost ? outage_kind::all_lost : outage_kind::failover, facts.unserved_since,
                   from_s, requests_to(p, facts.unserved_since, from_s));
  facts.unserved_since = -1;
  facts.served_from = from_s;
  facts.lost = false;
  --unserved_;
}

void cluster_run::on_rebuild(partition_number p) {
  auto& facts = partitions_[p];
  auto begun = rebuilding_.find(p);
  bool done = begun != rebuilding_.end();
  auto target = done ? begun->second : no_number;
  if (done) rebuilding_.erase(begun);
  auto holders = holders_of(p);
  bool wanted = facts.unserved_since >= 0 && living_members(holders) == 0;
  if (wanted && !done)
    for (const auto& h : holders)
      if (target == no_number && h.kind == holding_kind::ready && nodes_[h.node].up)
        target = h.node;
  if (wanted && target != no_number && nodes_[target].up) {
    bool copy = !done;
    if (copy) copy_used(p, target);
    for (const auto& h : holders)
      if (h.node != target && h.kind == holding_kind::ready) copy_gone(p, h.node);
    if (facts.extra != no_number) copy_gone(p, facts.extra);
    facts.extra = no_number;
    escalated_.erase(p);
    for (const auto& h : holders)
      if (h.kind == holding_kind::copying) abort(copy_numbers_.at({p, h.node}));
    put(p, {{target, holding_kind::primary}});
    ++accounts_.lost_tails;
    serve(p, now_ + options_.takes.promote_s + (copy ? options_.takes.rebuild_fixed_s : 0));
    note_members(p);
    plan_soon();
  } else if (wanted) {
    rebuilds_waiting_.insert(p);
  }
  begin_rebuilds();
}

void cluster_run::begin_rebuilds() {
  while (!rebuilds_waiting_.empty() && rebuilding_.size() < options_.takes.rebuilds_at_once) {
    auto p = *rebuilds_waiting_.begin();
    rebuilds_waiting_.erase(rebuilds_waiting_.begin());
    if (partitions_[p].unserved_since < 0) continue;
    auto size = cluster_.partition(p).size_bytes;
    auto target = plan_.places().choose({p, size, {}, {}});
    if (target == no_number) {
      at(now_ + 60, kind::rebuild, p);
      continue;
    }
    rebuilding_[p] = target;
    accounts_.rebuilt_bytes += static_cast<double>(size);
    at(now_ + options_.takes.rebuild_fixed_s
           + static_cast<double>(size) / options_.takes.rebuild_bytes_per_s,
       kind::rebuild, p);
  }
}

} // namespace harbinger::simulate
