/// Replicas that come back to a partition which lacks one: taken in again from where they are, or,
/// when they hold a tail that lost, from where it left the history. What can not be caught up is
/// dropped and copied anew, as any stray. A copy that was ordered on its node, before it was known
/// what the node holds, is not needed then.

#include <algorithm>

#include "recovery/recovery_desk.hpp"

namespace harbinger::recovery {

namespace {

bool is_stray(const partition_row& row, const node_id& node, const replica_report& report) {
  if (!catalog_view::mentions(row, node)) return true;
  bool copy_ordered = std::any_of(row.copies.begin(), row.copies.end(),
                                  [&](const copy_row& copy) { return copy.node == node; });
  bool joins = std::binary_search(row.joiners.begin(), row.joiners.end(), node);
  // Configured by a newer row: what we know of the catalog is old, not the replica.
  return copy_ordered && !joins && report.role != replica_role::copy
         && report.revision < row.revision;
}

} // namespace

/// Whether the stray is dealt with here, and not to be dropped now.
bool recovery_desk::take_back(const partition_row& row, const node_id& id,
                              const replica_report& report, bool digest_differs, time_point now,
                              actions& out) {
  auto& w = work_[row.id];
  auto away = w.turned_away.find(id);
  bool tried = away != w.turned_away.end() && away->second == book_.life(id);
  bool lacking = row.sync_set.size() + row.joiners.size() < row.replicas_wanted;
  bool complete =
      report.state == replica_state::following || report.state == replica_state::detached;
  // Sealed for a newer epoch it would refuse, and so fence, the primary.
  bool fits = complete && report.role != replica_role::primary && report.version.seq.value > 0
              && report.epoch <= row.epoch && !digest_differs;
  auto next = row;
  std::erase_if(next.copies, [&](const copy_row& copy) { return copy.node == id && !copy.ready; });
  if (tried || !lacking || !fits || catalog_view::mentions(next, id)) return false;
  if (w.swapping || w.change || w.rewinding.count(id) || now < w.swap_not_before || !room())
    return true;
  if (!prefix_of(row.history, report.version)) {
    w.rewinding.insert(id);
    command_node(operation::kind::rewind, row.id, id,
                 rewind_replica{{}, row.id, row.revision, row.history}, out);
    return true;
  }
  next.joiners.insert(std::lower_bound(next.joiners.begin(), next.joiners.end(), id), id);
  auto why = id.value + " is back with " + to_string(report.version) + " and joins again";
  out.push_back(raise{severity::info,
                      "replica_returned",
                      to_string(row.id),
                      why,
                      {{"node", id.value}, {"version", to_string(report.version)}}});
  swap(w, std::move(next), row.revision, std::move(why), out);
  return true;
}

/// Joiners without a copy row that leave the row again are not taken back a second time in the same
/// life: what the log can not bring up has to be copied.
void recovery_desk::note_turned_away(const partition_row& row, const partition_row& next, work& w) {
  for (const auto& id : row.joiners) {
    bool stays = std::binary_search(next.joiners.begin(), next.joiners.end(), id)
                 || std::binary_search(next.sync_set.begin(), next.sync_set.end(), id);
    bool copy = std::any_of(row.copies.begin(), row.copies.end(),
                            [&](const copy_row& c) { return c.node == id; });
    if (!stays && !copy) w.turned_away[id] = book_.life(id);
  }
}

void recovery_desk::rewind_ended(const node_id& id, work& w, const error* why) {
  w.rewinding.erase(id);
  if (why && why->code != errc::timeout) w.turned_away[id] = book_.life(id);
}

/// Replicas that no row mentions: what lost a failover, or was left over; also the one of a former
/// member that stands in the way of a copy ordered there. While a partition is not served, none of
/// its replicas is given up: the stray may be the last thing that is left of it (P4).
void recovery_desk::drop_strays(time_point now, actions& out) {
  auto here = around(now);
  std::set<std::pair<node_id, partition_id>> present;
  for (auto& [id, node] : view_.nodes()) {
    if (node.state == node_state::dead || book_.life(id) != node.life) continue;
    for (auto& [partition, entry] : book_.of(id)) {
      auto row = view_.partition(partition);
      if (!row || !is_stray(*row, id, entry.report) || (drill_ && drill_->owns(partition)))
        continue;
      if (!available(*row, here)) continue;
      if (take_back(*row, id, entry.report, entry.digest_differs, now, out)) continue;
      present.insert({id, partition});
      auto& s = strays_.try_emplace({id, partition}, stray{now}).first->second;
      bool ripe = now - s.since >= milliseconds(stray_patience_ms) && now >= s.not_before;
      if (!ripe || !room()) continue;
      s.not_before = now + milliseconds(stray_patience_ms);
      command_node(operation::kind::drop, partition, id,
                   drop_replica{{}, partition, row->revision, row->history}, out);
      out.push_back(raise{severity::info,
                          "replica_dropped",
                          to_string(partition),
                          "the replica of partition " + to_string(partition) + " on " + id.value
                              + " is no longer part of it and is dropped",
                          {{"node", id.value},
                           {"version", to_string(entry.report.version)},
                           {"role", std::string{name_of(entry.report.role)}}}});
    }
  }
  std::erase_if(strays_, [&](auto& s) { return !present.count(s.first); });
}

} // namespace harbinger::recovery
