#include "actors/recovery_coordinator.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "actors/show_what_if.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using coordinator_pointer =
    recovery_coordinator_actor::stateful_pointer<recovery_coordinator_state>;
using coordinator_json = nlohmann::json;

void emit_recovery(coordinator_pointer self, const context_ptr& ctx, recovery::actions todo);
void emit_detection(coordinator_pointer self, const context_ptr& ctx, detection::actions todo);

template <class Event>
void recover(coordinator_pointer self, const context_ptr& ctx, const Event& event) {
  emit_recovery(self, ctx, self->state.desk->step(event, self->clock().now()));
}
void detect(coordinator_pointer self, const context_ptr& ctx, const detection::event& event) {
  emit_detection(self, ctx, self->state.detector->step(event, self->clock().now()));
}

// --- actions of the desk ---

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::send_command& todo) {
  bool says_what_it_holds = std::holds_alternative<configure_replica>(todo.what)
                            || std::holds_alternative<seal_replica>(todo.what);
  auto frame = std::visit([](auto& command) { return wire::make_frame(0, command); }, todo.what);
  spdlog::debug("recovery=command op={} node={} type={}", todo.op, todo.node.value, frame.type);
  auto bridge = ctx->names.find(names::head_node_bridge);
  if (!bridge) {
    self->state.failed_commands.push_back(
        {todo.op, fail(errc::unavailable, "the control socket is starting")});
    return;
  }
  auto patience = milliseconds(ctx->config->control.command_timeout_ms + 500);
  self->request(caf::actor_cast<head_node_bridge_actor>(bridge), patience,
                node_command{todo.node, std::move(frame)})
      .then(
          [=, op = todo.op](const node_command_done& done_) {
            recovery::command_ended ended{op, std::optional<replica_report>{}};
            if (!done_.reply) {
              ended.reply = tl::unexpected<error>(done_.reply.error());
            } else if (says_what_it_holds) {
              auto report = wire::read_frame<replica_report>(*done_.reply);
              if (report)
                ended.reply = std::move(*report);
              else
                ended.reply = tl::unexpected<error>(report.error());
            } else if (auto ok = wire::read_frame<done>(*done_.reply); !ok) {
              ended.reply = tl::unexpected<error>(ok.error());
            }
            recover(self, ctx, ended);
          },
          [=, op = todo.op](const caf::error&) {
            recover(self, ctx, recovery::command_ended{op, fail(errc::timeout, "no answer")});
          });
}

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::swap_row& todo) {
  auto keeper = ctx->names.find(names::catalog_keeper);
  if (!keeper) {
    self->state.failed_swaps.push_back(
        {todo.op, fail(errc::unavailable, "the catalog is starting")});
    return;
  }
  self->request(caf::actor_cast<catalog_keeper_actor>(keeper), seconds(2), todo.change)
      .then(
          [=, op = todo.op](const partition_changed& m) {
            recover(self, ctx, recovery::swap_ended{op, m.row});
          },
          [=, op = todo.op](const caf::error&) {
            recover(self, ctx,
                    recovery::swap_ended{op, fail(errc::timeout, "the catalog does not answer")});
          });
}

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::want_copy& todo) {
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, todo.what);
}

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::hold_copies& todo) {
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, std::move(todo.what));
}

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::raise& todo) {
  spdlog::info("recovery={} subject={} text=\"{}\"", todo.kind, todo.subject, todo.text);
  raise_event(self, ctx, todo.level, std::move(todo.kind), std::move(todo.subject),
              std::move(todo.text), std::move(todo.fields));
}

void say(coordinator_pointer self, const context_ptr& ctx, recovery::raise what) {
  carry(self, ctx, what);
}

void carry(coordinator_pointer self, const context_ptr& ctx, recovery::drill_ended& todo) {
  auto found = self->state.drills.find(todo.drill);
  if (found == self->state.drills.end()) return;
  auto each = coordinator_json::array();
  for (auto& part : todo.report.each) {
    coordinator_json row{{"partition", to_string(part.partition)},
                         {"node", part.node.value},
                         {"ms", part.ms},
                         {"bytes", part.bytes}};
    if (!part.failure.empty()) row["failure"] = part.failure;
    each.push_back(std::move(row));
  }
  coordinator_json document{{"method", name_of(todo.report.method)},
                            {"partitions", todo.report.each.size()},
                            {"total_ms", todo.report.total_ms},
                            {"each", std::move(each)}};
  raise_event(self, ctx, severity::info, "drill_finished", std::string{name_of(todo.report.method)},
              "drill of " + std::to_string(todo.report.each.size()) + " partitions is over",
              {{"total_ms", std::to_string(static_cast<uint64_t>(todo.report.total_ms))}});
  found->second.deliver(show_reply{document.dump()});
  self->state.drills.erase(found);
}

void carry(coordinator_pointer self, const context_ptr&, recovery::rebuild_ended& todo) {
  auto asker = self->state.rebuilds.extract(todo.number);
  if (asker.empty()) return;
  if (!todo.report) {
    asker.mapped().deliver(show_reply{tl::unexpected<error>(todo.report.error())});
    return;
  }
  auto& r = *todo.report;
  coordinator_json document{{"partition", to_string(r.partition)},
                            {"rebuilt", r.rebuilt},
                            {"node", r.node.value},
                            {"version", to_string(r.version)},
                            {"text", r.text}};
  if (r.known_before) document["last_heard"] = to_string(*r.known_before);
  auto reply =
      r.rebuilt ? show_reply{document.dump()} : show_reply{fail(errc::unavailable, r.text)};
  asker.mapped().deliver(std::move(reply));
}

void emit_recovery(coordinator_pointer self, const context_ptr& ctx, recovery::actions todo) {
  for (auto& action : todo) std::visit([&](auto& a) { carry(self, ctx, a); }, action);
}

// --- actions of the detector ---

recovery::escalation_rules escalation_of(const settings& config) {
  return {config.zones.escalate_at, config.zones.escalated_max, config.placement.spread,
          config.zones.evacuate_at};
}

void set_state(coordinator_pointer self, const context_ptr& ctx, const node_id& node,
               incarnation life, node_state state, const std::string& why) {
  auto keeper = ctx->names.find(names::catalog_keeper);
  if (!keeper) return; // the detector says it again
  self->request(caf::actor_cast<catalog_keeper_actor>(keeper), seconds(2),
                set_node_state{node, life, state, why})
      .then([](const node_changed&) {}, [](const caf::error&) {});
}

void carry(coordinator_pointer self, const context_ptr& ctx, detection::suspected& todo) {
  std::map<std::string, std::string> fields{
      {"phi", std::to_string(todo.phi)},
      {"silence_ms", std::to_string(static_cast<uint64_t>(todo.silence_ms))}};
  say(self, ctx,
      {severity::warning, "node_suspect", todo.node.value,
       todo.node.value + " is silent; other nodes are asked", std::move(fields)});
  set_state(self, ctx, todo.node, todo.life, node_state::suspect, "silent");
}

void carry(coordinator_pointer self, const context_ptr& ctx, detection::cleared& todo) {
  say(self, ctx,
      {severity::info, "node_cleared", todo.node.value, todo.node.value + " is heard again", {}});
  set_state(self, ctx, todo.node, todo.life, node_state::up, "heard again");
}

void carry(coordinator_pointer self, const context_ptr& ctx, detection::ask& todo) {
  auto bridge = ctx->names.find(names::head_node_bridge);
  auto timeout = ctx->config->recovery.probe_timeout_ms;
  probe_node probe{ctx->term, self->state.desk->view().address_of(todo.target), timeout};
  if (!bridge) return; // the round ends without an answer
  self->request(caf::actor_cast<head_node_bridge_actor>(bridge), milliseconds(2 * timeout),
                node_command{todo.prober, wire::make_frame(0, probe)})
      .then(
          [=, probe_id = todo.probe, target = todo.target](const node_command_done& m) {
            auto outcome = detection::probe_outcome::unanswered;
            if (m.reply)
              if (auto answer = wire::read_frame<probe_result>(*m.reply);
                  answer && answer->target == target)
                outcome = answer->alive ? detection::probe_outcome::alive
                                        : detection::probe_outcome::unreachable;
            detect(self, ctx, detection::probe_ended{probe_id, outcome});
          },
          [=, probe_id = todo.probe](const caf::error&) {
            detect(self, ctx,
                   detection::probe_ended{probe_id, detection::probe_outcome::unanswered});
          });
}

void carry(coordinator_pointer self, const context_ptr& ctx, detection::died& todo) {
  recover(self, ctx,
          recovery::node_lost{todo.node, todo.life, todo.silence_ms, "silent and " + todo.reason});
  set_state(self, ctx, todo.node, todo.life, node_state::dead, todo.reason);
}

void carry(coordinator_pointer self, const context_ptr& ctx, detection::stalled& todo) {
  counter(ctx, "harbinger_detector_stalls_total", "times the failure detector itself stood still")
      .Increment();
  auto now = self->clock().now();
  if (now - self->state.told_of_stall < seconds(10)) return;
  self->state.told_of_stall = now;
  say(self, ctx,
      {severity::warning,
       "detector_stalled",
       "central",
       "the failure detector stood still; its judgement is postponed by as much",
       {{"ms", std::to_string(static_cast<uint64_t>(todo.by_ms))}}});
}

void emit_detection(coordinator_pointer self, const context_ptr& ctx, detection::actions todo) {
  for (auto& action : todo) std::visit([&](auto& a) { carry(self, ctx, a); }, action);
}

// --- what comes in ---

void ask_for_whole_catalog(coordinator_pointer self, const context_ptr& ctx) {
  auto now = self->clock().now();
  if (now - self->state.asked_for_map < milliseconds(200)) return;
  self->state.asked_for_map = now;
  tell<catalog_keeper_actor>(self, ctx, names::catalog_keeper,
                             follow_catalog{names::recovery_coordinator});
}

void take_catalog(coordinator_pointer self, const context_ptr& ctx, const partition_map& map) {
  auto& s = self->state;
  for (auto& row : map.nodes) {
    auto old = s.desk->view().node(row.id);
    if (!old || old->state == node_state::dead || !(old->life < row.life)) continue;
    auto silence = s.detector->silence_ms(row.id, self->clock().now()).value_or(0.0);
    recover(self, ctx, recovery::node_lost{row.id, old->life, silence, "it has restarted"});
  }
  recover(self, ctx, map);
  if (s.desk->need_whole()) return ask_for_whole_catalog(self, ctx);
  for (auto& row : map.nodes) {
    auto now_row = s.desk->view().node(row.id);
    if (now_row->state == node_state::dead)
      detect(self, ctx, detection::forget{row.id});
    else
      detect(self, ctx, detection::watch{row.id, now_row->life});
  }
}

/// Once a second: what a lost message may have left undone.
void every_second(coordinator_pointer self, const context_ptr& ctx) {
  auto& s = self->state;
  auto now = self->clock().now();
  if (now < s.next_second) return;
  s.next_second = now + seconds(1);
  gauge(ctx, "harbinger_partitions_escalated",
        "partitions with a member beyond those wanted, or one on its way in")
      .Set(static_cast<double>(s.desk->escalated_now()));
  if (s.desk->need_whole() || !s.desk->view().ready()) ask_for_whole_catalog(self, ctx);
  for (auto& row : s.detector->rows(now)) {
    auto held = s.desk->view().node(row.node);
    if (held && held->state == node_state::suspect && held->life == row.life && !row.suspect
        && row.samples > 0)
      set_state(self, ctx, row.node, row.life, node_state::up, "heard again");
  }
}

void on_recovery_tick(coordinator_pointer self, const context_ptr& ctx, const tick& m) {
  auto& s = self->state;
  if (m.round != s.round) return;
  self->delayed_send(self, milliseconds(s.tick_ms), tick{++s.round});
  for (auto& ended : std::exchange(s.failed_commands, {})) recover(self, ctx, ended);
  for (auto& ended : std::exchange(s.failed_swaps, {})) recover(self, ctx, ended);
  detect(self, ctx, detection::look{});
  every_second(self, ctx);
  recover(self, ctx, recovery::look{});
}

template <class T>
coordinator_json coordinator_or_null(const std::optional<T>& value) {
  return value ? coordinator_json(*value) : coordinator_json(nullptr);
}

show_reply show_recovery(coordinator_pointer self) {
  auto rows = coordinator_json::array();
  for (auto& row : self->state.desk->rows(self->clock().now()))
    rows.push_back({to_string(row.partition), row.phase, row.detail, row.since_ms});
  return show_table({"partition", "phase", "cause", "since_ms"}, std::move(rows));
}

show_reply show_outages(coordinator_pointer self) {
  auto rows = coordinator_json::array();
  for (auto& o : self->state.desk->outages())
    rows.push_back({o.node.value, o.cause, o.partitions, o.primaries, o.unserved.size(),
                    o.thin.size(), o.detect_ms, o.seal_ms, o.decide_ms, o.promote_ms,
                    coordinator_or_null(o.first_read_ms), coordinator_or_null(o.first_write_ms),
                    o.redundancy_ms});
  return show_table({"node", "cause", "partitions", "primaries", "unserved", "thin", "detect_ms",
                     "seal_ms", "decide_ms", "promote_ms", "first_read_ms", "first_write_ms",
                     "redundancy_ms"},
                    std::move(rows));
}

show_reply show_copies(coordinator_pointer self, const std::vector<std::string>& words) {
  auto partition = words.empty() ? std::nullopt : parse_partition_id(words[0]);
  if (!words.empty() && !partition)
    return {fail(errc::invalid_argument, "usage: copies [VOLUME.INDEX]")};
  auto rows = coordinator_json::array();
  for (auto& c : self->state.desk->copies(self->clock().now())) {
    if (partition && c.partition != *partition) continue;
    rows.push_back({to_string(c.partition), c.node.value, c.joining ? "joining" : c.state,
                    to_string(c.version), coordinator_or_null(c.batches_behind),
                    coordinator_or_null(c.bytes_behind), c.lag_ms, c.digest_ok, c.size_bytes,
                    c.copied_bytes, c.source.value, coordinator_or_null(c.served_ms),
                    coordinator_or_null(c.whole_ms), coordinator_or_null(c.lost_batches),
                    c.failure.empty() ? c.outlook : c.outlook + "; failure: " + c.failure});
  }
  if (partition && rows.empty()) return {fail(errc::not_found, words[0] + " has no copy")};
  return show_table({"partition", "node", "state", "version", "batches_behind", "bytes_behind",
                     "lag_ms", "digest_ok", "bytes", "copied_bytes", "source", "served_ms",
                     "whole_ms", "lost_batches", "if_its_primary_dies"},
                    std::move(rows));
}

std::string show_detector(coordinator_pointer self) {
  auto rows = coordinator_json::array();
  for (auto& row : self->state.detector->rows(self->clock().now()))
    rows.push_back({row.node.value, row.suspect ? "suspect" : "up", row.phi, row.silence_ms,
                    row.mean_ms, row.deviation_ms, row.samples, row.life.value});
  return coordinator_json{
      {"columns",
       {"node", "state", "phi", "silence_ms", "mean_ms", "deviation_ms", "samples", "incarnation"}},
      {"rows", rows}}
      .dump();
}

} // namespace

recovery_coordinator_actor::behavior_type recovery_coordinator(coordinator_pointer self,
                                                               context_ptr ctx) {
  auto& config = *ctx->config;
  self->state.config = ctx->config;
  self->state.detector.emplace(config.recovery, config.control.heartbeat_ms,
                               recovery_coordinator_state::tick_ms);
  self->state.desk.emplace(config.recovery, config.control.command_timeout_ms);
  self->state.desk->configure(escalation_of(config));
  ask_for_whole_catalog(self, ctx);
  tell<zone_manager_actor>(self, ctx, names::zone_manager, tick{});
  tell<version_synchronizer_actor>(self, ctx, names::version_synchronizer, tick{});
  // A drill of an earlier life is over.
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, copies_held{});
  self->delayed_send(self, milliseconds(recovery_coordinator_state::tick_ms),
                     tick{self->state.round});
  return {
      [=](const heartbeat_seen& m) {
        detect(self, ctx, detection::heartbeat{m.node, m.life});
      },
      [=](const node_joined& m) {
        detect(self, ctx, detection::heartbeat{m.hello.node, m.hello.life});
        recover(self, ctx, m.hello);
      },
      [=](const catalog_changed& m) { take_catalog(self, ctx, *m.map); },
      [=](const replicas_changed& m) { recover(self, ctx, m); },
      [=](const zone_map& m) { recover(self, ctx, m); },
      [=](const tick& m) { on_recovery_tick(self, ctx, m); },
      [=](const config_changed& m) {
        self->state.detector->configure(m.now->recovery);
        self->state.desk->configure(m.now->recovery);
        self->state.desk->configure(escalation_of(*m.now));
        self->state.config = m.now;
      },
      [=](const report_received& m) { recover(self, ctx, m.report); },
      [=](const recovery_drill& m) -> caf::result<show_reply> {
        if (m.partitions.empty()) return show_reply{fail(errc::invalid_argument, "no partitions")};
        auto answer = self->make_response_promise<show_reply>();
        auto number = ++self->state.last_drill;
        self->state.drills.emplace(number, answer);
        recover(self, ctx, recovery::begin_drill{number, m});
        return answer;
      },
      [=](const rebuild_partition& m) -> caf::result<show_reply> {
        auto answer = self->make_response_promise<show_reply>();
        auto number = ++self->state.last_rebuild;
        self->state.rebuilds.emplace(number, answer);
        recover(self, ctx, recovery::begin_rebuild{number, m});
        return answer;
      },
      [=](const show_request& ask) {
        if (ask.topic == "detector") return show_reply{show_detector(self)};
        if (ask.topic == "copies") return show_copies(self, ask.words);
        if (ask.topic == "whatif")
          return show_what_if(*self->state.desk, *self->state.config, ask.words,
                              self->clock().now());
        if (ask.topic == "recovery") return show_recovery(self);
        if (ask.topic == "outages") return show_outages(self);
        return show_reply{fail(errc::not_found, ask.topic)};
      },
  };
}

} // namespace harbinger
