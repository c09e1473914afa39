#include "prefetch/protection_board.hpp"

#include <algorithm>
#include <cmath>

/// What the board knows, and the order of a step; copies are decided on in
/// protection_board_changes.cpp and tended in protection_board_prefetchers.cpp.

namespace harbinger {

void protection_board::replicas(const std::vector<replica_status>& statuses) {
  for (const auto& s : statuses) {
    auto& rows = statuses_[s.report.partition];
    auto known = rows.find(s.node);
    if (known != rows.end() && s.life < known->second.life) continue;
    rows[s.node] = s;
  }
}

void protection_board::zones(zone_map zones) {
  plan_.set_zones(zones);
  zones_ = std::move(zones);
  zones_known_ = true;
}

void protection_board::report(const node_report& report, const catalog_view& catalog) {
  const auto* row = catalog.node(report.node);
  auto n = cluster_.nodes().find(report.node);
  if (!row || !n || report.life < row->life || report.life < reported_[report.node]) return;
  reported_[report.node] = report.life;
  double writes_per_s = 0.0;
  for (const auto& r : report.replicas) {
    auto p = cluster_.find(r.partition);
    if (r.role != replica_role::primary || !p) continue;
    if (std::isfinite(r.writes_per_s)) writes_per_s += std::max(0.0, r.writes_per_s);
    cluster_.set_size(*p, r.size_bytes);
    cluster_.set_change_rate(*p, r.writes_per_s * r.batch_bytes);
  }
  cluster_.set_usage(*n, report.used_bytes, writes_per_s);
  for (const auto& [peer, ms] : report.rtt_ms)
    if (auto to = cluster_.nodes().find(node_id{peer})) cluster_.set_rtt(*n, *to, ms);
}

void protection_board::restore(const copy_wanted& wanted) {
  if (restores_.size() >= restores_max && !restores_.contains(wanted.partition)) {
    ++refused_;
    return;
  }
  restores_[wanted.partition] = wanted.method;
}

void protection_board::hold(const copies_held& held, time_point now) {
  held_ = {held.partitions.begin(), held.partitions.end()};
  held_until_ = now + held_at_most;
  for (auto id : held_) restores_.erase(id);
}

const replica_status* protection_board::status(const copy_key& key) const {
  auto rows = statuses_.find(key.partition);
  if (rows == statuses_.end()) return nullptr;
  auto found = rows->second.find(key.node);
  return found == rows->second.end() ? nullptr : &found->second;
}

uint64_t protection_board::size_of(const partition_row& row) const {
  if (const auto* primary = status({row.id, row.primary})) return primary->report.size_bytes;
  uint64_t size = 0;
  for (const auto& id : row.sync_set)
    if (const auto* s = status({row.id, id})) size = std::max(size, s->report.size_bytes);
  return size;
}

bool protection_board::useless(const partition_row& row, const copy_row& copy) const {
  auto gone = given_up_.find({row.id, copy.node});
  if (gone != given_up_.end() && gone->second == copy.copy) return true;
  const auto* s = status({row.id, copy.node});
  return s && s->report.role == replica_role::copy && s->report.copy == copy.copy
         && s->digest_differs;
}

board_actions protection_board::step(const catalog_view& catalog, const settings& config,
                                     time_point now) {
  board_actions out;
  if (!catalog.ready()) return out;
  forget_old(catalog, now);
  follow(catalog);
  step_plan(catalog, config, now);
  tend_prefetchers(catalog, out);
  adopt_copies(catalog, config, now, out);
  remove_surplus(catalog, now, out);
  mark_ready(catalog, now, out);
  begin_copies(catalog, now, out);
  return out;
}

void protection_board::follow(const catalog_view& catalog) {
  for (const auto& [id, row] : catalog.nodes()) {
    auto n = cluster_.nodes().find(id);
    bool known = n && *n < seen_nodes_.size() && seen_nodes_[*n] == row.revision
                 && cluster_.nodes()[*n].state == row.state;
    if (known) continue;
    auto put = cluster_.put(row);
    if (seen_nodes_.size() <= put) seen_nodes_.resize(put + 1);
    seen_nodes_[put] = row.revision;
  }
  for (const auto& [id, row] : catalog.partitions()) follow_partition(row);
  if (catalog.partitions().size() == cluster_.partitions()) return;
  for (partition_number p = 0; p < cluster_.partitions(); ++p)
    if (auto id = cluster_.partition(p).id; !catalog.partition(id)) cluster_.remove(id);
}

void protection_board::follow_partition(const partition_row& row) {
  auto p = cluster_.find(row.id);
  bool known = p && *p < seen_partitions_.size() && seen_partitions_[*p] == row.revision;
  if (!known) {
    p = cluster_.put(row);
    if (seen_partitions_.size() <= *p) seen_partitions_.resize(*p + 1);
    seen_partitions_[*p] = row.revision;
    if (cluster_.partition(*p).size_bytes == 0) cluster_.set_size(*p, size_of(row));
  }
  for (const auto& copy : row.copies) {
    auto n = cluster_.nodes().find(copy.node);
    const auto* held = n ? cluster_.partition(*p).holders.find(*n) : nullptr;
    if (!held || held->kind == holding_kind::joiner) continue;
    bool marked = held->kind == holding_kind::useless, wanted = useless(row, copy);
    if (wanted && !marked) cluster_.mark_useless(*p, *n);
    if (!wanted && marked) cluster_.put(row);
  }
}

plan_rules protection_board::rules_of(const settings& config) const {
  return {config.prefetch, config.placement, config.zones.domains, config.prediction.horizon_s,
          speeds_};
}

void protection_board::step_plan(const catalog_view& catalog, const settings& config,
                                 time_point now) {
  plan_.set_rules(rules_of(config));
  for (auto it = restores_told_.begin(); it != restores_told_.end();)
    if (restores_.contains(*it)) {
      ++it;
    } else {
      if (auto p = cluster_.find(*it)) plan_.set_restore(*p, false);
      it = restores_told_.erase(it);
    }
  for (const auto& [id, method] : restores_)
    if (auto p = cluster_.find(id); p && restores_told_.insert(id).second)
      plan_.set_restore(*p, true);
  plan_.set_in_flight(in_flight(catalog));
  plan_.step(now);
}

void protection_board::forget_old(const catalog_view& catalog, time_point now) {
  if (now >= held_until_) held_.clear(); // recovery may have been restarted meanwhile
  std::erase_if(statuses_, [&](const auto& rows) { return !catalog.partition(rows.first); });
  std::erase_if(avoid_, [&](const auto& entry) {
    if (now < entry.second) return false;
    keep_away(entry.first, false);
    return true;
  });
  std::erase_if(given_up_, [&](const auto& entry) {
    const auto* copy = catalog.copy(entry.first.partition, entry.first.node);
    return !copy || copy->copy != entry.second;
  });
  std::erase_if(restores_, [&](const auto& entry) {
    const auto* row = catalog.partition(entry.first);
    auto lives = [&](const node_id& id) {
      const auto* node = catalog.node(id);
      return node && node->state != node_state::dead;
    };
    return !row
           || std::count_if(row->sync_set.begin(), row->sync_set.end(), lives)
                  >= static_cast<ptrdiff_t>(row->replicas_wanted);
  });
  std::erase_if(deciding_, [&](const auto& entry) {
    const auto* row = catalog.partition(entry.first);
    bool seen = row && entry.second.wait_for.value != 0 && row->revision >= entry.second.wait_for;
    return seen || now >= entry.second.until;
  });
  std::erase_if(refusals_, [&](const auto& entry) {
    auto p = cluster_.find(entry.first);
    return !p || !plan_.without_target().contains(*p);
  });
}

void protection_board::keep_away(const copy_key& key, bool away) {
  auto p = cluster_.find(key.partition);
  auto n = cluster_.nodes().find(key.node);
  if (p && n) plan_.keep_away(*p, *n, away);
}

} // namespace harbinger
