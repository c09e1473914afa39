#include "simulate/cluster_run.hpp"

#include <algorithm>

#include "zones/endangered.hpp"

/// Moves primaries and members off nodes that are likely to fail (zones.evacuate_at), and counts
/// what writes wait for where nobody did.

namespace harbinger::simulate {

bool cluster_run::note_endangered() {
  const auto& map = tracker_.map();
  auto before = std::exchange(endangered_, {});
  for (auto n : before) nodes_[n].endangered = false;
  for (const auto& z : map.zones)
    for (size_t i = 0; i < z.members.size(); ++i) {
      if (!endangered(z, i, map.braked, options_.rules.zones.evacuate_at)) continue;
      auto n = *cluster_.nodes().find(z.members[i]);
      nodes_[n].endangered = true;
      endangered_.push_back(n);
    }
  std::sort(endangered_.begin(), endangered_.end());
  for (auto n : before)
    if (!nodes_[n].endangered) nodes_[n].handed_over = nodes_[n].left = 0;
  return endangered_ != before;
}

void cluster_run::evacuate_endangered() {
  for (auto n : endangered_) {
    auto held = cluster_.held_by(n);
    std::sort(held.begin(), held.end());
    for (auto p : held) evacuate(p);
  }
}

bool cluster_run::is_to_move(const holder& h) const {
  return is_replica(h.kind) && nodes_[h.node].endangered && nodes_[h.node].up;
}

/// One more joins, the primary hands over, who is endangered leaves; again, as long as somebody
/// could.
void cluster_run::evacuate(partition_number p) {
  if (endangered_.empty() || partitions_[p].unserved_since >= 0) return;
  for (;;) {
    auto holders = cluster_.partition(p).holders.get();
    if (std::none_of(holders.begin(), holders.end(),
                     [&](const holder& h) { return is_to_move(h); }))
      return;
    join_to_leave(p);
    hand_over(p);
    if (!leave(p)) return;
  }
}

void cluster_run::count_target(node_number n) {
  if (in_zone(n) || !nodes_[n].up) ++accounts_.budgets.unsafe_targets;
}

void cluster_run::join_to_leave(partition_number p) {
  auto& facts = partitions_[p];
  auto holders = holders_of(p);
  auto members = std::count_if(holders.begin(), holders.end(),
                               [](const holder& h) { return is_replica(h.kind); });
  if (facts.extra != no_number || members > cluster_.partition(p).replicas_wanted
      || escalated_.size() >= options_.rules.zones.escalated_max)
    return;
  holder* best = nullptr;
  for (auto& h : holders) {
    if (h.kind != holding_kind::ready || !nodes_[h.node].up || in_zone(h.node)) continue;
    if (!best || (exposed(best->node) && !exposed(h.node))) best = &h;
  }
  if (!best) return;
  best->kind = holding_kind::member;
  count_target(best->node);
  facts.extra = best->node;
  escalated_.insert(p);
  ++accounts_.joined_to_leave;
  put(p, holders);
}

void cluster_run::hand_over(partition_number p) {
  auto& facts = partitions_[p];
  auto holders = holders_of(p);
  auto old = std::find_if(holders.begin(), holders.end(),
                          [](const holder& h) { return h.kind == holding_kind::primary; });
  if (old == holders.end() || !is_to_move(*old)) return;
  auto rank = [&](const holder& h) {
    return std::tuple(nodes_[h.node].primaries, cluster_.nodes().rank(h.node));
  };
  holder* best = nullptr;
  for (auto& h : holders)
    if (h.kind == holding_kind::member && nodes_[h.node].up && !in_zone(h.node)
        && (!best || rank(h) < rank(*best)))
      best = &h;
  if (!best) return;
  auto not_before = std::max(facts.served_from, facts.handed_over_s + to_seconds(hand_over_rest));
  if (now_ < not_before) return at(not_before, kind::evacuate, p);
  count_target(best->node);
  best->kind = holding_kind::primary;
  old->kind = holding_kind::member;
  ++nodes_[old->node].handed_over;
  facts.handed_over_s = now_;
  facts.served_from = std::min(end_s_, now_ + options_.takes.hand_over_s);
  accounts_.hand_over(facts.served_from - now_, requests_to(p, now_, facts.served_from));
  put(p, holders);
}

bool cluster_run::leave(partition_number p) {
  auto holders = holders_of(p);
  if (living_members(holders) <= cluster_.partition(p).replicas_wanted) return false;
  auto who = std::find_if(holders.begin(), holders.end(), [&](const holder& h) {
    return h.kind == holding_kind::member && is_to_move(h);
  });
  if (who == holders.end()) return false;
  auto n = who->node;
  holders.erase(who);
  ++nodes_[n].left;
  ++accounts_.left;
  settle_extra(p, holders);
  put(p, holders);
  auto copies = copies_at_[n]; // nobody is left there to copy from
  for (auto number : copies)
    if (copies_.at(number).what.partition == p) abort(number);
  note_members(p);
  return true;
}

/// While a member that does not answer is not known to be dead, its primary waits for it.
void cluster_run::note_waiting(partition_number p) {
  auto& facts = partitions_[p];
  auto holders = cluster_.partition(p).holders.get();
  bool primary = false, silent = false;
  for (const auto& h : holders) {
    const auto& node = nodes_[h.node];
    primary |= h.kind == holding_kind::primary && node.up;
    silent |= h.kind == holding_kind::member && !node.up && !node.verdict;
  }
  bool waits = facts.unserved_since < 0 && primary && silent;
  if (waits == (facts.waits_since >= 0)) return;
  if (waits)
    facts.waits_since = std::max(now_, facts.served_from);
  else
    accounts_.writes_waited(now_ - std::exchange(facts.waits_since, -1));
}

} // namespace harbinger::simulate
