/// The last resort, carried out: commands, swap and answers of recovery_desk for a partition whose
/// sync set is gone.

#include "recovery/recovery_desk.hpp"

namespace harbinger::recovery {

actions recovery_desk::step(const begin_rebuild& rebuild, time_point now) {
  actions out;
  auto refuse = [&](errc code, std::string why) {
    out.push_back(rebuild_ended{rebuild.number, fail(code, std::move(why))});
    return out;
  };
  auto id = rebuild.what.partition;
  auto row = view_.partition(id);
  if (!row) return refuse(errc::unknown_partition, to_string(id));
  auto here = around(now);
  if (unopened(*row))
    return refuse(errc::conflict,
                  "partition " + to_string(id) + " is new: nothing was written to it yet");
  if (anybody_left(*row, here))
    return refuse(errc::conflict, "the sync set of partition " + to_string(id)
                                      + " is not gone: recovery needs no help, and loses nothing");
  if (rebuilds_.contains(id))
    return refuse(errc::conflict, "partition " + to_string(id) + " is being rebuilt");
  if (!rebuild.what.accept_loss) return refuse(errc::conflict, rebuild_preview(*row, here));
  rebuilds_.emplace(id, recovery_desk::rebuild{last_resort(id, now), rebuild.number});
  dirty_.insert(id);
  work_off(now, out);
  return out;
}

/// Begins one by itself when the setting says so, and takes the next step of one under way.
void recovery_desk::consider_rebuild(const partition_row& row, work& w, time_point now,
                                     actions& out) {
  bool gone = !unopened(row) && !anybody_left(row, around(now));
  if (!gone)
    w.nobody_left_since = time_point{};
  else if (w.nobody_left_since == time_point{})
    w.nobody_left_since = now;
  auto patience = seconds(settings_.rebuild_after_s);
  if (gone && settings_.rebuild_after_s > 0 && now - w.nobody_left_since >= patience
      && rebuilds_.try_emplace(row.id, rebuild{last_resort(row.id, now)}).second)
    w.nobody_left_since = now; // another attempt not before as long again
  if (auto it = rebuilds_.find(row.id); it != rebuilds_.end())
    run_rebuild(row, w, it->second, now, out);
}

void recovery_desk::run_rebuild(const partition_row& row, work& w, rebuild& r, time_point now,
                                actions& out) {
  w.change.reset();
  auto wish = r.plan.next(row, around(now));
  if (auto end = std::get_if<last_resort::end>(&wish)) {
    auto number = r.number;
    rebuilds_.erase(row.id);
    return end_rebuild(end->report, number, out);
  }
  if (r.asked || now < r.not_before || !room()) return;
  if (std::get_if<last_resort::make_copy>(&wish)) {
    r.not_before = now + milliseconds(sweep_ms);
    out.push_back(want_copy{{row.id, restore_method::checkpoint_tail}});
  } else if (auto replay = std::get_if<last_resort::replay>(&wish)) {
    r.asked = true;
    command_node(operation::kind::replay, row.id, replay->node,
                 replay_log{{}, row.id, replay->copy}, out);
  } else if (auto seal = std::get_if<last_resort::seal>(&wish)) {
    r.asked = true;
    command_node(operation::kind::seal, row.id, seal->node, seal_replica{{}, row.id, seal->epoch},
                 out);
  } else if (auto promote = std::get_if<last_resort::promote>(&wish);
             promote && now >= w.swap_not_before) {
    swap(w, std::move(promote->row), row.revision, std::move(promote->why), out);
    std::get<swap_row>(out.back()).change.last_resort = true;
  }
}

void recovery_desk::rebuild_answered(const operation& op, const command_ended& ended,
                                     time_point now) {
  auto it = rebuilds_.find(op.partition);
  if (it == rebuilds_.end()) return;
  auto& r = it->second;
  r.asked = false;
  if (!ended.reply) r.not_before = now + milliseconds(settings_.retry_ms);
  if (op.what == operation::kind::replay) {
    r.plan.replayed(op.node, ended.reply
                                 ? result<void>{}
                                 : result<void>(tl::unexpected<error>(ended.reply.error())));
  } else if (!ended.reply) {
    r.plan.sealed(op.node, tl::unexpected<error>(ended.reply.error()));
  } else if (*ended.reply) {
    r.plan.sealed(op.node, **ended.reply);
  }
}

void recovery_desk::end_rebuild(const rebuild_report& report, uint64_t number, actions& out) {
  auto partition = to_string(report.partition);
  std::map<std::string, std::string> fields;
  if (report.known_before) fields["last_heard"] = to_string(*report.known_before);
  if (report.rebuilt) {
    fields["node"] = report.node.value;
    fields["version"] = to_string(report.version);
    out.push_back(raise{severity::alert, "partition_rebuilt", partition, report.text, fields});
  } else {
    out.push_back(raise{severity::alert, "rebuild_failed", partition, report.text, fields});
  }
  if (number > 0) out.push_back(rebuild_ended{number, report});
}

} // namespace harbinger::recovery
