#include "recovery/redundancy.hpp"

#include <algorithm>
#include <tuple>

#include "core/errc.hpp"

namespace harbinger::recovery {

namespace {

bool holds(const std::vector<node_id>& ids, const node_id& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void insert_sorted(std::vector<node_id>& ids, const node_id& id) {
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}

/// The copy's report when it fits as a joiner of the row, else null.
const replica_report* fit(const partition_row& row, const copy_row& copy,
                          const surroundings& around) {
  if (!copy.ready || !around.alive(copy.node) || holds(row.joiners, copy.node)) return nullptr;
  auto entry = around.replica(copy.node, row.id);
  if (!entry || entry->digest_differs) return nullptr;
  auto& report = entry->report;
  bool complete =
      report.state == replica_state::following || report.state == replica_state::detached;
  bool right = report.role == replica_role::copy && report.copy == copy.copy;
  return complete && right && prefix_of(row.history, report.version) ? &report : nullptr;
}

void erase_copy(partition_row& row, const node_id& id) {
  std::erase(row.joiners, id);
  std::erase_if(row.copies, [&](const copy_row& copy) { return copy.node == id; });
}

/// Whom the primary, configured with exactly this row, reports as acknowledging every batch.
const std::vector<node_id>* caught_up(const partition_row& row, const surroundings& around) {
  auto entry = around.replica(row.primary, row.id);
  if (!entry) return nullptr;
  auto& report = entry->report;
  bool of_this_row = report.role == replica_role::primary && report.epoch == row.epoch
                     && report.revision == row.revision;
  return of_this_row ? &report.caught_up : nullptr;
}

std::optional<std::string> joiner_failed(const partition_row& row, const node_id& id,
                                         const surroundings& around,
                                         const std::map<node_id, time_point>& joining_since) {
  if (!around.alive(id)) return "is dead";
  if (around.lost(id, row.id)) return "has lost its copy";
  auto entry = around.replica(id, row.id);
  if (entry && entry->report.state == replica_state::copying) return "copies anew";
  // "n5: log_trimmed: ...": the primary can not bring it up from its log.
  if (auto leader = around.replica(row.primary, row.id))
    for (auto hopeless : {errc::diverged, errc::log_trimmed})
      if (leader->report.failure.starts_with(id.value + ": " + std::string{to_string(hopeless)}))
        return "can not be caught up, " + leader->report.failure.substr(id.value.size() + 2);
  auto since = joining_since.find(id);
  if (since != joining_since.end() && around.now - since->second >= milliseconds(join_patience_ms))
    return "did not catch up";
  return std::nullopt;
}

} // namespace

std::vector<node_id> ready_copies(const partition_row& row, const surroundings& around) {
  std::vector<std::tuple<bool, version, node_id>> fits;
  for (auto& copy : row.copies)
    if (auto report = fit(row, copy, around))
      fits.emplace_back(around.in_zones.count(copy.node) == 0, report->version, copy.node);
  std::sort(fits.begin(), fits.end(), [](auto& a, auto& b) {
    if (std::get<0>(a) != std::get<0>(b)) return std::get<0>(a);
    if (std::get<1>(a) != std::get<1>(b)) return std::get<1>(a) > std::get<1>(b);
    return std::get<2>(a) < std::get<2>(b);
  });
  std::vector<node_id> best_first;
  for (auto& [safe, held, id] : fits) best_first.push_back(id);
  return best_first;
}

void add_joiners(partition_row& row, const surroundings& around) {
  for (auto& id : ready_copies(row, around)) {
    if (row.sync_set.size() + row.joiners.size() >= row.replicas_wanted) break;
    insert_sorted(row.joiners, id);
  }
}

repair wanted_row(const partition_row& row, const surroundings& around,
                  const std::map<node_id, time_point>& joining_since, bool may_add) {
  repair out;
  out.row = row;
  for (auto& id : row.sync_set) {
    if (id == row.primary) continue;
    bool dead = !around.alive(id);
    if (!dead && !(around.lost(id, row.id) && !unopened(row))) continue;
    std::erase(out.row.sync_set, id);
    out.reasons.push_back(id.value + (dead ? " is dead" : " has lost its replica"));
  }
  auto ready = caught_up(row, around);
  for (auto& id : row.joiners) {
    if (auto why = joiner_failed(row, id, around, joining_since)) {
      erase_copy(out.row, id);
      out.reasons.push_back("joiner " + id.value + " " + *why);
    } else if (ready && holds(*ready, id)) {
      erase_copy(out.row, id);
      insert_sorted(out.row.sync_set, id);
      out.reasons.push_back(id.value + " has caught up");
    }
  }
  if (!may_add || unopened(row)) return out;
  auto joiners_before = out.row.joiners;
  add_joiners(out.row, around);
  for (auto& id : out.row.joiners)
    if (!holds(joiners_before, id)) out.reasons.push_back("copy on " + id.value + " joins");
  bool copy_on_its_way = std::any_of(out.row.copies.begin(), out.row.copies.end(), [&](auto& copy) {
    return around.alive(copy.node) && !holds(out.row.joiners, copy.node);
  });
  out.copy_wanted =
      out.row.sync_set.size() + out.row.joiners.size() < row.replicas_wanted && !copy_on_its_way;
  return out;
}

configure_replica configuration_for(const partition_row& row, const catalog_view& view,
                                    const node_id& node) {
  configure_replica command;
  command.partition = row.id;
  command.revision = row.revision;
  command.epoch = row.epoch;
  bool leads = node == row.primary && !unopened(row);
  command.role = leads ? replica_role::primary : replica_role::secondary;
  command.primary = view.address_of(row.primary);
  for (auto& id : row.sync_set) command.sync_set.push_back(view.address_of(id));
  for (auto& id : row.joiners) command.joiners.push_back(view.address_of(id));
  return command;
}

std::vector<due_configuration> due_configurations(const partition_row& row,
                                                  const surroundings& around) {
  std::vector<due_configuration> due;
  if (row.primary.value.empty()) return due;
  auto add = [&](const node_id& id) {
    auto command = configuration_for(row, around.view, id);
    if (auto entry = around.replica(id, row.id)) {
      auto& report = entry->report;
      if (report.epoch > row.epoch) return; // sealed ahead: needs_failover sees it
      bool current = report.epoch == row.epoch && report.revision >= row.revision
                     && report.role == command.role;
      bool waits = id == row.primary && !row.joiners.empty() && !unopened(row);
      if (current && !waits) return;
    } else if (!unopened(row)) {
      return; // never created anew: an empty replica must not pass for a member
    }
    due.push_back({id, std::move(command)});
  };
  // The primary last: by then the others know whom to listen to.
  for (auto& id : around.live_members(row))
    if (id != row.primary) add(id);
  if (around.alive(row.primary)) add(row.primary);
  return due;
}

bool available(const partition_row& row, const surroundings& around) {
  if (row.primary.value.empty() || unopened(row) || !around.alive(row.primary)) return false;
  auto entry = around.replica(row.primary, row.id);
  return entry && entry->report.role == replica_role::primary && entry->report.epoch == row.epoch;
}

bool complete(const partition_row& row, const surroundings& around) {
  if (!available(row, around)) return false;
  auto members = around.live_members(row);
  if (members.size() < row.replicas_wanted) return false;
  for (auto& id : members) // one that restarted may have lost its disk
    if (!around.replica(id, row.id)) return false;
  return row.joiners.empty() && due_configurations(row, around).empty();
}

} // namespace harbinger::recovery
