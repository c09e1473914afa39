/// The steps of recovery_desk: one partition's next step, from what the row says and what nodes
/// report.

#include "recovery/evacuation.hpp"
#include "recovery/recovery_desk.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace harbinger::recovery {

namespace {

std::string whole_ms(double ms) { return std::to_string(std::llround(ms)); }

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (auto& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

void add_reason(std::string& reasons, const std::string& more) {
  reasons += (reasons.empty() ? "" : "; ") + more;
}

} // namespace

/// What must be, whoever is at risk.
std::optional<std::string> recovery_desk::failover_cause(const partition_row& row, const work& w,
                                                         time_point now) const {
  if (auto cause = needs_failover(row, around(now))) return cause;
  if (w.refused == row.epoch && !unopened(row))
    return row.primary.value + " can not go on in epoch " + std::to_string(row.epoch.value);
  return std::nullopt;
}

std::optional<std::string> recovery_desk::cause_for(const partition_row& row, const work& w,
                                                    time_point now) const {
  if (auto cause = failover_cause(row, w, now)) return cause;
  if (w.change && w.change->hands_over()) return w.change->cause(); // what was begun is finished
  bool room = handing_over_.size() < hand_overs_max;
  return room ? hand_over_cause(row, w, now) : std::nullopt;
}

/// Every partition is compared once in sweep_ms; a look takes the share that its time allows.
void recovery_desk::sweep(time_point now) {
  auto& all = view_.partitions();
  auto share = swept_at_ == time_point{} ? 1.0 : to_ms(now - swept_at_) / sweep_ms;
  swept_at_ = now;
  auto count = static_cast<size_t>(std::ceil(static_cast<double>(all.size()) * share));
  auto it = all.upper_bound(swept_to_);
  for (count = std::min(count, all.size()); count > 0; --count) {
    if (it == all.end()) it = all.begin();
    swept_to_ = it->first;
    dirty_.insert((it++)->first);
  }
}

void recovery_desk::note_change(partition_id id, const work& w) {
  changing_.erase(id);
  handing_over_.erase(id);
  if (!w.change || w.stuck) return;
  (w.change->hands_over() ? handing_over_ : changing_).insert(id);
}

/// The fewest living members first, then the most writes.
std::tuple<size_t, double, partition_id> recovery_desk::urgency(const partition_row& row) const {
  double writes = 0;
  for (auto& node : row.sync_set)
    if (auto entry = book_.find(node, book_.life(node), row.id))
      writes = std::max(writes, entry->report.writes_per_s);
  size_t living = 0;
  for (auto& id : row.sync_set) {
    auto node = view_.node(id);
    living += node && node->state != node_state::dead;
  }
  return {living, -writes, row.id};
}

void recovery_desk::leave_line(partition_id id) {
  auto it = in_line_.find(id);
  if (it == in_line_.end()) return;
  line_.erase(it->second);
  in_line_.erase(it);
}

void recovery_desk::wait_in_line(const partition_row& row) {
  leave_line(row.id);
  line_.insert(in_line_[row.id] = urgency(row));
}

void recovery_desk::settle_at(partition_id id, const partition_row& row, work& w, time_point now,
                              actions& out) {
  if (!settle(row, w, now, out)) later_.insert(id);
  note_change(id, w);
}

/// Looks at what has changed. A partition that must change its primary waits in line until there is
/// room; so a step costs what happened, not what waits.
void recovery_desk::work_off(time_point now, actions& out) {
  if (!view_.ready()) return;
  std::vector<partition_id> others; // after those that nobody serves
  for (auto id : std::exchange(dirty_, {})) {
    auto row = view_.partition(id);
    if (!row) continue;
    auto& w = work_[id];
    if (!w.change && !w.swapping && failover_cause(*row, w, now)) {
      wait_in_line(*row);
      continue;
    }
    leave_line(id);
    others.push_back(id);
  }
  begin_next(now, out);
  for (auto id : others) settle_at(id, *view_.partition(id), work_[id], now, out);
  begin_next(now, out); // some of the others may have made room
  begin_hand_overs(now, out);
}

/// One without a living member takes no place: there is nothing to wait for but its members.
void recovery_desk::begin_next(time_point now, actions& out) {
  while (!line_.empty()) {
    auto [living, writes, id] = *line_.begin();
    if (changing_.size() >= settings_.concurrent_max && living > 0) return;
    leave_line(id);
    auto row = view_.partition(id);
    if (row) settle_at(id, *row, work_[id], now, out);
  }
}

/// One step for one partition. True: nothing is left to do until something happens.
bool recovery_desk::settle(const partition_row& row, work& w, time_point now, actions& out) {
  auto here = around(now);
  for (auto it = w.joining_since.begin(); it != w.joining_since.end();)
    it = std::binary_search(row.joiners.begin(), row.joiners.end(), it->first)
             ? std::next(it)
             : w.joining_since.erase(it);
  for (auto& id : row.joiners) w.joining_since.try_emplace(id, now);
  if (w.swapping) return true; // its end brings us here again
  consider_rebuild(row, w, now, out);
  bool rest = true;
  if (w.swapping) return true;
  if (rebuilds_.contains(row.id)) {
    rest = false;
  } else if (cause_for(row, w, now)) {
    rest = change_primary(row, w, now, out);
  } else {
    w.change.reset();
    if (handing_over_.size() >= hand_overs_max && hand_over_cause(row, w, now))
      hand_overs_waiting_.insert(row.id);
    rest = repair_row(row, w, now, out) && rest;
    rest = (w.swapping || configure_members(row, w, now, out)) && rest;
  }
  note_escalation(row, w, out);
  note_progress(row, w, now, out);
  bool done = complete(row, here);
  if (done)
    w.unsettled_since = time_point{};
  else if (w.unsettled_since == time_point{})
    w.unsettled_since = now;
  return rest;
}

/// False: there is no reason any more; a hand-over was overtaken by another change.
bool recovery_desk::begin_change(const partition_row& row, work& w, epoch target, time_point now) {
  if (auto forced = failover_cause(row, w, now)) {
    w.change.emplace(target, std::move(*forced), now);
  } else if (auto due = cause_for(row, w, now)) {
    w.change.emplace(target, std::move(*due), now, row.primary);
    w.hand_over_not_before = now + hand_over_rest;
  }
  return w.change.has_value();
}

bool recovery_desk::change_primary(const partition_row& row, work& w, time_point now,
                                   actions& out) {
  auto here = around(now);
  auto target = next_epoch(row, here);
  if (here.live_members(row).empty()) {
    w.change.reset();
    give_up_primary(row, w, out);
    return true;
  }
  if (w.change && (w.change->target() < target || w.change->target() <= row.epoch))
    w.change.reset();
  if (!w.change && !begin_change(row, w, target, now)) return true;
  if (w.change->overtaken(row, here)) w.change->go_on_as_failover(*cause_for(row, w, now));
  if (room())
    for (auto& node : w.change->to_seal(row, here))
      command_node(
          operation::kind::seal, row.id, node,
          seal_replica{{}, row.id, w.change->target(), w.change->in_order(node, row, here)}, out);
  if (w.change->hand_over_failed(row, here)) {
    give_up_hand_over(row, w, now, out);
    return true;
  }
  auto verdict = w.change->judge(row, here, milliseconds(command_timeout_ms_));
  w.stuck = verdict == failover::verdict::nobody;
  switch (verdict) {
  case failover::verdict::wait: return false;
  case failover::verdict::nobody: give_up_primary(row, w, out); return false;
  case failover::verdict::decide:
    outages_.sealed(row.id, now);
    propose_promotion(row, w, now, out);
    return w.swapping;
  }
  return false;
}

void recovery_desk::propose_promotion(const partition_row& row, work& w, time_point now,
                                      actions& out) {
  if (now < w.swap_not_before || !room()) return;
  w.promotion = w.change->decide(row, around(now));
  auto why = w.change->cause() + "; " + w.promotion->winner.value + " has the highest version, "
             + to_string(w.promotion->winner_version);
  if (escalated(row)) add_reason(w.escalation_reason, why);
  swap(w, w.promotion->row, row.revision, std::move(why), out);
}

void recovery_desk::give_up_primary(const partition_row& row, work& w, actions& out) {
  if (!w.announced_unavailable) {
    w.announced_unavailable = true;
    std::string members;
    for (auto& id : row.sync_set) members += (members.empty() ? "" : ", ") + id.value;
    out.push_back(raise{
        severity::alert,
        "partition_unavailable",
        to_string(row.id),
        "no member of the sync set (" + members
            + ") can be reached; waiting for one to come back. If none will: harbinger rebuild "
            + to_string(row.id),
        {{"sync_set", members}, {"epoch", std::to_string(row.epoch.value)}}});
  }
  if (row.primary.value.empty() || unopened(row) || !room()) return;
  auto next = row;
  next.primary = node_id{};
  swap(w, std::move(next), row.revision, "no member of the sync set can be reached", out);
}

void recovery_desk::announce_promotion(const partition_row& row, work& w, time_point now,
                                       actions& out) {
  if (!w.promotion) return;
  auto promoted = std::move(*w.promotion);
  w.promotion.reset();
  if (!w.change || row.epoch != promoted.row.epoch) return;
  outages_.decided(row.id, now);
  auto fields = std::move(promoted.reasons);
  fields["cause"] = w.change->cause();
  if (w.change->hands_over() && promoted.winner == w.change->giver())
    fields["cause"] = "it could not hand over: no other member answered with as much";
  w.hand_over_refusal.clear();
  fields["winner"] = promoted.winner.value;
  fields["version"] = to_string(promoted.winner_version);
  fields["epoch"] = std::to_string(row.epoch.value);
  fields["ms"] = whole_ms(to_ms(now - w.change->started()));
  out.push_back(raise{severity::info, "partition_promoted", to_string(row.id),
                      promoted.winner.value + " is primary of partition " + to_string(row.id)
                          + " in epoch " + fields["epoch"] + ": " + fields["cause"],
                      std::move(fields)});
  w.change.reset();
  w.was_available = false;
  w.announced_unavailable = false;
}

bool recovery_desk::repair_row(const partition_row& row, work& w, time_point now, actions& out) {
  bool drilled = drill_ && drill_->owns(row.id);
  auto wanted = wanted_row(row, around(now), w.joining_since, !drilled);
  // Service first: copies are not begun while others wait for a primary. The sweep comes back to
  // it.
  if (wanted.copy_wanted && now >= w.want_not_before && line_.empty()) {
    w.want_not_before = now + milliseconds(sweep_ms);
    out.push_back(want_copy{{row.id, restore_method::pull}});
  }
  if (wanted.reasons.empty()) return drilled || escalate_or_back(row, w, now, out);
  if (now < w.swap_not_before || !room()) return false;
  bool gave_up = !row.joiners.empty() && escalating(row) && !escalating(wanted.row);
  if (gave_up) w.escalate_not_before = now + milliseconds(escalation_rest_ms);
  if (gave_up) w.escalation_reason.clear();
  if (escalating(row)) add_reason(w.escalation_reason, joined(wanted.reasons));
  note_turned_away(row, wanted.row, w);
  swap(w, std::move(wanted.row), row.revision, joined(wanted.reasons), out);
  return true;
}

bool recovery_desk::configure_members(const partition_row& row, work& w, time_point now,
                                      actions& out) {
  bool settled = true;
  for (auto& due : due_configurations(row, around(now))) {
    auto& sent = w.configured[due.node];
    if (sent.under_way) continue; // its end brings us here again
    settled = false;
    bool polling = due.node == row.primary && !row.joiners.empty();
    auto rest = milliseconds(polling ? join_poll_ms : settings_.retry_ms);
    if (sent.revision == row.revision && now - sent.at < rest) continue;
    if (!room()) continue;
    sent = {row.revision, now, true};
    command_node(operation::kind::configure, row.id, due.node, std::move(due.command), out);
  }
  return settled;
}

void recovery_desk::note_progress(const partition_row& row, work& w, time_point now, actions& out) {
  auto here = around(now);
  auto over = lost_.find(row.primary);
  bool speaks = over == lost_.end() || over->second < row.primary_life;
  if (speaks && available(row, here) && !cause_for(row, w, now)) {
    w.announced_unavailable = false;
    if (!w.was_available) {
      w.was_available = true;
      for (auto& p : outages_.served(row.id, now)) {
        out.push_back(
            raise{severity::info,
                  "partition_available",
                  to_string(row.id),
                  "partition " + to_string(row.id) + " is served again by " + row.primary.value,
                  {{"promote_ms", whole_ms(p.ms)},
                   {"primary", row.primary.value},
                   {"lost", p.of->node.value}}});
      }
    }
  }
  if (!complete(row, here)) return;
  for (auto& p : outages_.restored(row.id, now)) {
    out.push_back(raise{severity::info,
                        "redundancy_restored",
                        to_string(row.id),
                        "partition " + to_string(row.id) + " has all its replicas again",
                        {{"redundancy_ms", whole_ms(p.ms)}, {"lost", p.of->node.value}}});
    if (!p.last) continue;
    auto& o = *p.of;
    out.push_back(
        raise{severity::info,
              "recovery_finished",
              o.node.value,
              "everything that was on " + o.node.value + " is served again, with all replicas",
              {{"detect_ms", whole_ms(o.detect_ms)},
               {"seal_ms", whole_ms(o.seal_ms)},
               {"decide_ms", whole_ms(o.decide_ms)},
               {"promote_ms", whole_ms(o.promote_ms)},
               {"redundancy_ms", whole_ms(o.redundancy_ms)},
               {"partitions", std::to_string(o.partitions)},
               {"primaries", std::to_string(o.primaries)}}});
  }
}

/// Told once for each reason: the change is tried again every retry_ms.
void recovery_desk::note_refusal(partition_id id, work& w, std::string why, actions& out) {
  if (drill_ && drill_->owns(id)) drill_->failed(id, "the catalog refused a change: " + why);
  if (why == w.refusal) return;
  out.push_back(raise{severity::warning,
                      "catalog_refused",
                      to_string(id),
                      "the catalog refused a change of partition " + to_string(id) + ": " + why,
                      {}});
  w.refusal = std::move(why);
}

void recovery_desk::note_clients(const node_id& node, const replica_report& report) {
  if (report.role != replica_role::primary) return;
  if (report.first_read_ms == 0.0 && report.first_write_ms == 0.0) return;
  auto row = view_.partition(report.partition);
  if (row && row->primary == node && row->epoch == report.epoch)
    outages_.used(row->id, report.first_read_ms, report.first_write_ms);
}

void recovery_desk::run_drill(time_point now, actions& out) {
  if (!drill_ || !view_.ready()) return;
  auto here = around(now);
  std::set<std::pair<partition_id, operation::kind>> busy;
  for (auto& [op, pending] : operations_) busy.insert({pending.partition, pending.what});
  std::vector<partition_id> open;
  for (auto& [id, unused] : drill_->partitions()) open.push_back(id);
  for (auto id : open) {
    auto& w = work_[id];
    bool swappable = !w.swapping && !w.change && now >= w.swap_not_before;
    auto wish = drill_->next(id, here);
    auto row = view_.partition(id);
    if (auto leave = std::get_if<drill::leave>(&wish); leave && swappable)
      swap(w, std::move(leave->row), row->revision, "drill: a secondary is given up", out);
    if (auto join = std::get_if<drill::join>(&wish); join && swappable)
      swap(w, std::move(join->row), row->revision, "drill: the new copy joins", out);
    if (auto give_up = std::get_if<drill::give_up>(&wish);
        give_up && !busy.count({id, operation::kind::drop}))
      command_node(operation::kind::drop, id, give_up->node,
                   drop_replica{{}, id, row->revision, row->history}, out);
    if (auto copy = std::get_if<drill::copy>(&wish);
        copy && !busy.count({id, operation::kind::copy})) {
      start_copy command{{}, id, copy->id, drill_->method(), {}, 0};
      for (auto& source : copy->sources) command.sources.push_back(view_.address_of(source));
      command_node(operation::kind::copy, id, copy->node, std::move(command), out);
    }
  }
  if (!drill_->over(now)) return;
  out.push_back(hold_copies{});
  out.push_back(drill_ended{drill_->number(), drill_->report(now)});
  drill_.reset();
}

} // namespace harbinger::recovery
