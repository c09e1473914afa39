#include "prefetch/protection_board.hpp"

#include <algorithm>

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
  std::erase_if(deciding_, [&](const auto& entry) {
    return held_.contains(entry.first) && entry.second.kind == step_kind::placing;
  });
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
  plan_ = planner_.step(subjects(catalog), zones_, catalog.nodes(), config.prefetch, now);
  tend_prefetchers(catalog, config, out);
  adopt_copies(catalog, config, now, out);
  remove_surplus(catalog, now, out);
  mark_ready(catalog, now, out);
  begin_copies(catalog, config, now, out);
  return out;
}

std::vector<plan_subject> protection_board::subjects(const catalog_view& catalog) const {
  std::set<partition_id> concerned;
  for (const auto& z : zones_.zones)
    for (const auto& id : z.members)
      concerned.insert(catalog.partitions_of(id).begin(), catalog.partitions_of(id).end());
  for (const auto& [id, method] : restores_) concerned.insert(id);
  for (const auto& [id, row] : catalog.partitions())
    if (!row.copies.empty()) concerned.insert(id);
  std::vector<plan_subject> list;
  for (auto id : concerned) {
    const auto* row = catalog.partition(id);
    if (!row || held_.contains(id)) continue;
    plan_subject s;
    s.row = row;
    s.size_bytes = size_of(*row);
    if (auto wanted = restores_.find(id); wanted != restores_.end()) s.restore = wanted->second;
    for (const auto& c : row->copies)
      if (useless(*row, c)) s.broken.insert(c.node);
    list.push_back(std::move(s));
  }
  return list;
}

void protection_board::forget_old(const catalog_view& catalog, time_point now) {
  if (now >= held_until_) held_.clear(); // recovery may have been restarted meanwhile
  std::erase_if(statuses_, [&](const auto& rows) { return !catalog.partition(rows.first); });
  std::erase_if(avoid_, [&](const auto& entry) { return now >= entry.second; });
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
    return std::none_of(plan_.wanted.begin(), plan_.wanted.end(),
                        [&](const wanted_copy& w) { return w.partition == entry.first; });
  });
}

} // namespace harbinger
