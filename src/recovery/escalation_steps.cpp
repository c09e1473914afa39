/// The steps of recovery_desk that take copies into sync sets beyond what is wanted, and members
/// out again: for as long as a partition is condemned, or to empty a node that is endangered.

#include <algorithm>

#include "recovery/evacuation.hpp"
#include "recovery/recovery_desk.hpp"

namespace harbinger::recovery {

namespace {

std::string listed(const std::vector<node_id>& ids) {
  std::string text;
  for (auto& id : ids) text += (text.empty() ? "" : ", ") + id.value;
  return text;
}

/// Who is in `a` and not in `b`.
std::string missing(const std::vector<node_id>& a, const std::vector<node_id>& b) {
  std::vector<node_id> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left));
  return listed(left);
}

} // namespace

/// Anew with each zone map and each sweep: the budget belongs to the riskiest of all partitions.
void recovery_desk::judge_escalation(time_point now, actions& out) {
  if (!view_.ready() || !danger_.known()) return;
  budget_ = admit(around(now), danger_, escalation_);
  dirty_.insert(budget_.admitted.begin(), budget_.admitted.end());
  bool limit = budget_.left_out > 0 && escalation_.partitions_max > 0;
  if (limit == said_limit_) return;
  said_limit_ = limit;
  out.push_back(raise{limit ? severity::alert : severity::info,
                      "escalation_limit",
                      "zones.escalated_max",
                      limit ? std::to_string(budget_.left_out)
                                  + " more partitions lie whole in zones and stay as they are: "
                                  + std::to_string(budget_.standing) + " are escalated already"
                            : "no partition waits for escalation any more",
                      {{"left_out", std::to_string(budget_.left_out)},
                       {"escalated", std::to_string(budget_.standing)},
                       {"escalated_max", std::to_string(escalation_.partitions_max)}}});
}

/// True: nothing to do, or it is done.
bool recovery_desk::escalate_or_back(const partition_row& row, work& w, time_point now,
                                     actions& out) {
  auto here = around(now);
  bool calm = escalated(row) && !threatened(row, danger_);
  if (!calm)
    w.calm_since.reset();
  else if (!w.calm_since)
    w.calm_since = now;
  if (now < w.swap_not_before || !room()) return true; // the next sweep comes back to it
  escalation_step step{row, {}};
  if (escalated(row)) step = evacuate(row, here, danger_);
  if (escalated(row) && step.reason.empty())
    step = deescalate(row, here, w.calm_since, escalation_);
  if (step.reason.empty() && budget_.admitted.contains(row.id) && now >= w.escalate_not_before)
    step = escalate(row, here, danger_, escalation_);
  if (step.reason.empty()) return true;
  w.escalation_reason = step.reason;
  budget_.admitted.erase(row.id);
  swap(w, std::move(step.row), row.revision, step.reason, out);
  return true;
}

/// Told from the rows, so that it is said whoever changed them. After a restart of the centre what
/// stands is not said again.
void recovery_desk::note_escalation(const partition_row& row, work& w, actions& out) {
  auto before = std::exchange(w.members, row.sync_set);
  if (!before || *before == row.sync_set) return;
  bool was = before->size() > row.replicas_wanted;
  auto reason = std::exchange(w.escalation_reason, {});
  std::map<std::string, std::string> fields{{"sync_set", listed(row.sync_set)},
                                            {"entered", missing(row.sync_set, *before)},
                                            {"left", missing(*before, row.sync_set)},
                                            {"reason", reason}};
  auto subject = to_string(row.id);
  if (escalated(row) && row.sync_set.size() > before->size())
    out.push_back(raise{severity::info, "partition_escalated", subject,
                        fields["entered"] + " is in the sync set of partition " + subject
                            + " beyond the " + std::to_string(row.replicas_wanted)
                            + " wanted: " + fields["sync_set"],
                        std::move(fields)});
  else if (was && row.sync_set.size() < before->size())
    out.push_back(raise{severity::info, "partition_deescalated", subject,
                        "the sync set of partition " + subject + " is back at " + fields["sync_set"]
                            + (reason.empty() ? "" : ": " + reason),
                        std::move(fields)});
}

} // namespace harbinger::recovery
