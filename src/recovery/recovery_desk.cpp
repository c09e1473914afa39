#include "recovery/recovery_desk.hpp"

#include <algorithm>

#include "recovery/evacuation.hpp"

namespace harbinger::recovery {

recovery_desk::recovery_desk(const recovery_settings& settings, uint32_t command_timeout_ms)
    : settings_(settings), command_timeout_ms_(command_timeout_ms) {}

void recovery_desk::configure(escalation_rules rules) {
  escalation_ = std::move(rules);
  if (danger_.known()) danger_ = threats(danger_.zones(), escalation_.evacuate_at);
}

actions recovery_desk::step(const partition_map& map, time_point now) {
  actions out;
  auto before = view_.nodes();
  auto outcome = view_.apply(map);
  need_whole_ = outcome == catalog_view::outcome::need_whole || !view_.ready();
  if (outcome != catalog_view::outcome::applied) return out;
  for (auto& row : map.partitions) dirty_.insert(row.id);
  for (auto& row : map.nodes)
    if (row.state == node_state::up) lost_.erase(row.id); // back, in whatever life
  for (auto& [id, row] : view_.nodes()) {
    auto old = before.find(id);
    if (old != before.end() && old->second.state == row.state && old->second.life == row.life)
      continue;
    dirty_.insert(view_.partitions_of(id).begin(), view_.partitions_of(id).end());
  }
  work_off(now, out);
  return out;
}

actions recovery_desk::step(const node_report& report, time_point now) {
  actions out;
  auto changed = book_.take_all(report.node, report.life, report.replicas, now);
  copy_speed_.take(report.node, report.replicas, now);
  auto [it, first] = conflicts_.try_emplace(report.node, report.conflicts);
  if (!first && report.conflicts > it->second)
    out.push_back(raise{severity::warning,
                        "conflict_journalled",
                        report.node.value,
                        std::to_string(report.conflicts - it->second)
                            + " divergent entries were put into the conflict journal of "
                            + report.node.value,
                        {{"entries", std::to_string(report.conflicts)}}});
  it->second = report.conflicts;
  dirty_.merge(changed);
  work_off(now, out);
  for (auto& replica : report.replicas) note_clients(report.node, replica);
  return out;
}

actions recovery_desk::step(const node_hello& hello, time_point now) {
  actions out;
  for (auto& replica : hello.replicas)
    if (book_.take(hello.node, hello.life, replica, now)) dirty_.insert(replica.partition);
  work_off(now, out);
  return out;
}

actions recovery_desk::step(const replicas_changed& statuses, time_point now) {
  actions out;
  for (auto& status : statuses.replicas) {
    auto entry = book_.find(status.node, status.life, status.report.partition);
    if (!entry || entry->digest_differs == status.digest_differs) continue;
    book_.set_digest_differs(status.node, status.report.partition, status.digest_differs);
    dirty_.insert(status.report.partition);
  }
  work_off(now, out);
  return out;
}

actions recovery_desk::step(const zone_map& zones, time_point now) {
  actions out;
  in_zones_.clear();
  for (auto& zone : zones.zones) in_zones_.insert(zone.members.begin(), zone.members.end());
  danger_ = threats(zones, escalation_.evacuate_at);
  for (auto& [node, of_node] : danger_.nodes())
    if (danger_.endangers(node))
      dirty_.insert(view_.partitions_of(node).begin(), view_.partitions_of(node).end());
  judge_escalation(now, out);
  work_off(now, out);
  return out;
}

actions recovery_desk::step(const node_lost& lost, time_point now) {
  actions out;
  lost_[lost.node] = lost.life;
  outage o;
  o.node = lost.node;
  o.life = lost.life;
  o.cause = lost.reason;
  o.began = now;
  o.detect_ms = lost.silence_ms;
  for (auto id : view_.partitions_of(lost.node)) {
    auto& row = *view_.partition(id);
    if (!std::binary_search(row.sync_set.begin(), row.sync_set.end(), lost.node)) continue;
    o.thin.insert(id);
    if (row.primary == lost.node) o.unserved.insert(id);
    work_[id].was_available = false;
  }
  o.partitions = o.thin.size();
  o.primaries = o.unserved.size();
  if (outages_.open(o))
    out.push_back(raise{severity::alert,
                        "node_dead",
                        lost.node.value,
                        lost.node.value + " is dead: " + lost.reason,
                        {{"silence_ms", std::to_string(static_cast<uint64_t>(lost.silence_ms))},
                         {"incarnation", std::to_string(lost.life.value)},
                         {"partitions", std::to_string(o.partitions)},
                         {"primaries", std::to_string(o.primaries)},
                         {"reason", lost.reason}}});
  outages_.tidy();
  return out;
}

actions recovery_desk::step(const begin_drill& what, time_point now) {
  actions out;
  if (drill_) {
    drill_report busy;
    busy.method = what.what.method;
    busy.each.push_back({{}, {}, 0.0, 0, "another drill is under way"});
    out.push_back(drill_ended{what.drill, std::move(busy)});
    return out;
  }
  drill_.emplace(what.drill, what.what, now);
  hold_copies held;
  for (auto& [id, unused] : drill_->partitions()) held.what.partitions.push_back(id);
  out.push_back(std::move(held));
  run_drill(now, out);
  return out;
}

actions recovery_desk::step(const look&, time_point now) {
  actions out;
  sweep(now);
  dirty_.merge(later_);
  later_.clear();
  if (now >= next_sweep_) {
    next_sweep_ = now + milliseconds(sweep_ms);
    judge_escalation(now, out);
    drop_strays(now, out);
    outages_.tidy();
  }
  run_drill(now, out);
  work_off(now, out);
  return out;
}

void recovery_desk::command_node(operation::kind kind, partition_id partition, const node_id& node,
                                 command what, actions& out) {
  auto op = next_op_++;
  operation pending{
      partition, node, view_.node(node) ? view_.node(node)->life : incarnation{}, kind, {}};
  if (auto configure = std::get_if<configure_replica>(&what))
    pending.revision = configure->revision;
  std::visit([&](auto& command) { command.term = view_.term(); }, what);
  operations_.emplace(op, std::move(pending));
  out.push_back(send_command{op, node, std::move(what)});
}

void recovery_desk::swap(work& w, partition_row row, harbinger::revision expected, std::string why,
                         actions& out) {
  auto op = next_op_++;
  operations_.emplace(op, operation{row.id, {}, {}, operation::kind::swap, {}});
  w.swapping = true;
  out.push_back(swap_row{op, {expected, std::move(row), std::move(why)}});
}

actions recovery_desk::step(const command_ended& ended, time_point now) {
  actions out;
  auto found = operations_.find(ended.op);
  if (found == operations_.end()) return out;
  auto op = found->second;
  operations_.erase(found);
  dirty_.insert(op.partition);
  // The answer of a life that is over says nothing of the next.
  bool current = view_.node(op.node) && view_.node(op.node)->life == op.life;
  auto& w = work_[op.partition];
  auto report = ended.reply && *ended.reply && current ? &**ended.reply : nullptr;
  if (report && report->partition == op.partition) book_.take(op.node, op.life, *report, now);
  switch (op.what) {
  case operation::kind::replay: rebuild_answered(op, ended, now); break;
  case operation::kind::seal: {
    auto row = view_.partition(op.partition);
    bool member = row && std::binary_search(row->sync_set.begin(), row->sync_set.end(), op.node);
    rebuild_answered(op, ended, now);
    if (!w.change || !member) break;
    if (!ended.reply && ended.reply.error().code == errc::timeout && w.change->hands_over()
        && row->primary == op.node)
      silent_givers_[op.node] = now + hand_over_rest;
    if (report)
      w.change->on_answer(op.node, op.life, *report);
    else
      w.change->on_failure(op.node, op.life,
                           ended.reply ? "old life" : to_string(ended.reply.error()), now,
                           milliseconds(settings_.retry_ms));
    break;
  }
  case operation::kind::configure: {
    auto sent = w.configured.find(op.node);
    if (sent != w.configured.end()) sent->second.under_way = false;
    auto row = view_.partition(op.partition);
    bool refused = !ended.reply && ended.reply.error().code == errc::stale_epoch;
    if (row && refused && current && row->primary == op.node && row->revision == op.revision)
      w.refused = row->epoch;
    break;
  }
  case operation::kind::drop:
    if (!ended.reply) break;
    book_.erase(op.node, op.partition, now);
    strays_.erase({op.node, op.partition});
    if (drill_) drill_->dropped(op.partition);
    break;
  case operation::kind::rewind:
    rewind_ended(op.node, w, ended.reply ? nullptr : &ended.reply.error());
    break;
  case operation::kind::copy:
    if (!drill_) break;
    if (ended.reply)
      drill_->copy_begun(op.partition);
    else if (ended.reply.error().code != errc::timeout)
      drill_->failed(op.partition, to_string(ended.reply.error()));
    break;
  case operation::kind::swap: break;
  }
  run_drill(now, out);
  work_off(now, out);
  return out;
}

actions recovery_desk::step(const swap_ended& ended, time_point now) {
  actions out;
  auto found = operations_.find(ended.op);
  if (found == operations_.end()) return out;
  auto id = found->second.partition;
  operations_.erase(found);
  auto& w = work_[id];
  w.swapping = false;
  dirty_.insert(id);
  if (ended.row) {
    auto held = view_.partition(id);
    if (!held || held->revision <= ended.row->revision) view_.put(*ended.row);
    w.refusal.clear();
    announce_promotion(*ended.row, w, now, out);
    note_change(id, w);
  } else {
    w.promotion.reset();
    // A conflict means that a newer row is on its way to us; anything else is worth a pause.
    bool conflict = ended.row.error().code == errc::conflict;
    w.swap_not_before = now + milliseconds(conflict ? 0 : settings_.retry_ms);
    if (!conflict && ended.row.error().code != errc::timeout)
      note_refusal(id, w, to_string(ended.row.error()), out);
  }
  run_drill(now, out);
  work_off(now, out);
  return out;
}

std::vector<recovery_desk::row> recovery_desk::rows(time_point now) const {
  std::vector<row> out;
  auto here = around(now);
  for (auto& [id, row] : view_.partitions()) {
    auto it = work_.find(id);
    if (complete(row, here) || it == work_.end()) continue;
    auto& w = it->second;
    auto cause = cause_for(row, w, now);
    std::string phase = "waiting for a copy";
    if (w.swapping)
      phase = "swapping";
    else if (w.change)
      phase = here.live_members(row).empty() ? "unavailable" : "sealing";
    else if (cause)
      phase = here.live_members(row).empty() ? "unavailable" : "waiting";
    else if (!row.joiners.empty())
      phase = row.sync_set.size() < row.replicas_wanted ? "joining" : "escalating";
    else if (!available(row, here) || !due_configurations(row, here).empty())
      phase = "configuring";
    out.push_back({id, phase, cause.value_or(""),
                   w.unsettled_since == time_point{} ? 0.0 : to_ms(now - w.unsettled_since)});
  }
  return out;
}

} // namespace harbinger::recovery
