/// Replicas that come back to a partition which lacks one: taken in again from where they are, or,
/// when they hold a tail that lost, from where it left the history. What can not be caught up is
/// dropped and copied anew, as any stray. A copy that was ordered on its node, before it was known
/// what the node holds, is not needed then.

#include <algorithm>

#include "recovery/recovery_desk.hpp"

namespace harbinger::recovery {

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

} // namespace harbinger::recovery
