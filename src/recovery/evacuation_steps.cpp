/// The steps of recovery_desk that hand primaries over before their node fails: which are due, how
/// many at once, and what becomes of one that fails.

#include "recovery/evacuation.hpp"
#include "recovery/recovery_desk.hpp"

namespace harbinger::recovery {

bool recovery_desk::was_silent(const node_id& giver, time_point now) const {
  auto silent = silent_givers_.find(giver);
  return silent != silent_givers_.end() && now < silent->second;
}

std::optional<std::string> recovery_desk::hand_over_cause(const partition_row& row, const work& w,
                                                          time_point now) const {
  if (now < w.hand_over_not_before || unopened(row) || (drill_ && drill_->owns(row.id)))
    return std::nullopt;
  if (was_silent(row.primary, now)) return std::nullopt;
  return hand_over_due(row, around(now), danger_);
}

void recovery_desk::begin_hand_overs(time_point now, actions& out) {
  while (handing_over_.size() < hand_overs_max && !hand_overs_waiting_.empty()) {
    auto id = *hand_overs_waiting_.begin();
    hand_overs_waiting_.erase(hand_overs_waiting_.begin());
    if (auto row = view_.partition(id)) settle_at(id, *row, work_[id], now, out);
  }
}

/// The primary lives, and goes on: unless it did what it was asked for after all, and only its
/// answer came too late. Then it is found sealed, and replaced as any other.
void recovery_desk::give_up_hand_over(const partition_row& row, work& w, time_point now,
                                      actions& out) {
  w.hand_over_not_before =
      now + (was_silent(row.primary, now) ? hand_over_rest : milliseconds(hand_over_retry_ms));
  auto why = w.change->why_failed(row.primary);
  w.change.reset();
  if (w.hand_over_refusal == why) return;
  w.hand_over_refusal = why;
  out.push_back(raise{severity::warning,
                      "hand_over_failed",
                      to_string(row.id),
                      row.primary.value + " does not hand over partition " + to_string(row.id)
                          + ", it stays primary for now: " + why,
                      {{"node", row.primary.value}, {"reason", why}}});
}

} // namespace harbinger::recovery
