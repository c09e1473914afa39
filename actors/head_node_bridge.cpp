#include "actors/head_node_bridge.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "messages/at_risk.hpp"
#include "wire/codec.hpp"

namespace harbinger {

namespace {

using bridge_pointer = head_node_bridge_actor::stateful_pointer<head_node_bridge_state>;
constexpr auto bridge_tick_period = milliseconds(50);

void send_to_peer(bridge_pointer self, const std::string& peer, wire::frame frame) {
  self->state.reactor->send(self->state.socket, peer, std::move(frame));
}

void refuse_frame(bridge_pointer self, const context_ptr& ctx, const control_frame& in,
                  const error& why) {
  counter(ctx, "harbinger_control_refused_total", "control messages that were refused",
          {{"reason", std::string{to_string(why.code)}}})
      .Increment();
  spdlog::debug("control=refused type={} error=\"{}\"", in.message.type, to_string(why));
  send_to_peer(self, in.peer, wire::make_error(in.message.id, why));
}

void ask_for_map(bridge_pointer self, const context_ptr& ctx) {
  auto now = self->clock().now();
  if (now - self->state.asked_for_map < milliseconds(200)) return;
  self->state.asked_for_map = now;
  tell<catalog_keeper_actor>(self, ctx, names::catalog_keeper,
                             follow_catalog{names::head_node_bridge});
}

/// The node's row when the life is its present one. Otherwise what is wrong: unknown_node asks for
/// a hello.
result<const node_row*> current_life(bridge_pointer self, const node_id& node, incarnation life) {
  auto row = self->state.view.node(node);
  if (!row || row->life < life) return fail(errc::unknown_node, "say hello first");
  if (life < row->life) return fail(errc::stale_epoch, node.value + " has a newer life");
  if (row->state == node_state::dead)
    return fail(errc::unknown_node, "declared dead; say hello again");
  return row;
}

void on_hello(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto hello = wire::decode<node_hello>(in.message.body);
  if (!hello) return refuse_frame(self, ctx, in, hello.error());
  auto keeper = ctx->names.find(names::catalog_keeper);
  if (!keeper) return refuse_frame(self, ctx, in, {errc::unavailable, "the catalog is starting"});
  auto before = self->state.view.node(hello->node);
  bool new_life = !before || before->life != hello->life;
  auto shared = std::make_shared<node_hello>(std::move(*hello));
  auto refused = [=](const error& why) { refuse_frame(self, ctx, in, why); };
  self->request(caf::actor_cast<catalog_keeper_actor>(keeper), seconds(2), register_node{*shared})
      .then(
          [=](const node_changed& changed) {
            if (!changed.row) return refused(changed.row.error());
            self->state.peers[shared->node] = in.peer;
            spdlog::info("control=hello node={} incarnation={} replicas={}", shared->node.value,
                         shared->life.value, shared->replicas.size());
            auto& timing = ctx->config->control;
            send_to_peer(
                self, in.peer,
                wire::make_frame(in.message.id,
                                 node_welcome{ctx->term, timing.heartbeat_ms, timing.report_ms}));
            node_joined joined{*shared, new_life};
            tell<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator, joined);
            tell<version_synchronizer_actor>(self, ctx, names::version_synchronizer, joined);
          },
          [=](const caf::error&) {
            refused({errc::timeout, "the catalog does not answer"});
          });
}

void on_heartbeat(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto beat = wire::decode<node_heartbeat>(in.message.body);
  if (!beat) return refuse_frame(self, ctx, in, beat.error());
  if (!self->state.view.ready()) return ask_for_map(self, ctx);
  auto row = current_life(self, beat->node, beat->life);
  if (!row && row.error().code == errc::stale_epoch)
    return refuse_frame(self, ctx, in, row.error());
  heartbeat_ack ack;
  ack.term = ctx->term;
  ack.seq = beat->seq;
  ack.known = row.has_value();
  if (row) {
    self->state.peers[beat->node] = in.peer;
    tell<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator,
                                     heartbeat_seen{beat->node, beat->life, beat->seq});
    for (auto& [id, other] : self->state.view.nodes())
      if (id != beat->node && other.state != node_state::dead)
        ack.peers.push_back({id, other.data_endpoint});
  }
  send_to_peer(self, in.peer, wire::make_frame(in.message.id, ack));
}

void on_report(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto report = wire::decode<node_report>(in.message.body);
  if (!report) return refuse_frame(self, ctx, in, report.error());
  auto row = current_life(self, report->node, report->life);
  if (!row) {
    // One way: the next heartbeat's answer tells the node what to do.
    counter(ctx, "harbinger_control_refused_total", "control messages that were refused",
            {{"reason", std::string{to_string(row.error().code)}}})
        .Increment();
    return;
  }
  self->state.peers[report->node] = in.peer;
  report_received received{std::move(*report)};
  tell<version_synchronizer_actor>(self, ctx, names::version_synchronizer, received);
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, received);
  tell<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator, std::move(received));
}

/// A goodbye of the present life. Late or strange ones are of no use to anybody.
void on_leaving(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto leaving = wire::decode<node_leaving>(in.message.body);
  if (!leaving) return refuse_frame(self, ctx, in, leaving.error());
  if (!current_life(self, leaving->node, leaving->life)) return;
  spdlog::info("control=leaving node={} incarnation={}", leaving->node.value, leaving->life.value);
  tell<history_keeper_actor>(self, ctx, names::history_keeper, *leaving);
}

wire::frame whole_map_frame(bridge_pointer self, uint64_t id) {
  auto& s = self->state;
  if (s.encoded_map.empty() || s.encoded_revision != s.view.revision()) {
    s.encoded_map = wire::encode(s.view.whole());
    s.encoded_revision = s.view.revision();
  }
  return {std::string{partition_map::wire_name}, id, s.encoded_map};
}

void on_map_request(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  if (auto ok = wire::decode<map_request>(in.message.body); !ok)
    return refuse_frame(self, ctx, in, ok.error());
  if (self->state.view.ready())
    return send_to_peer(self, in.peer, whole_map_frame(self, in.message.id));
  ask_for_map(self, ctx);
  refuse_frame(self, ctx, in, {errc::unavailable, "the catalog is starting"});
}

void on_zones(bridge_pointer self, const zone_map& map) {
  std::set<node_id> inside;
  for (const auto& zone : map.zones) inside.insert(zone.members.begin(), zone.members.end());
  self->state.at_risk.assign(inside.begin(), inside.end());
  self->state.zones_at = self->clock().now();
}

void on_risk_request(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  if (auto ok = wire::decode<risk_request>(in.message.body); !ok)
    return refuse_frame(self, ctx, in, ok.error());
  const auto& s = self->state;
  nodes_at_risk reply{ctx->term, s.zones_at.has_value(), s.at_risk, 0};
  if (s.zones_at)
    reply.age_ms =
        static_cast<uint32_t>(std::clamp(to_ms(self->clock().now() - *s.zones_at), 0.0, 4e9));
  send_to_peer(self, in.peer, wire::make_frame(in.message.id, reply));
}

void on_create_volume(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto command = wire::decode<create_volume>(in.message.body);
  if (!command) return refuse_frame(self, ctx, in, command.error());
  auto keeper = ctx->names.find(names::catalog_keeper);
  if (!keeper) return refuse_frame(self, ctx, in, {errc::unavailable, "the catalog is starting"});
  self->request(caf::actor_cast<catalog_keeper_actor>(keeper), seconds(5), *command)
      .then(
          [=](const show_reply& reply) {
            // The keeper tells its followers first, so the map here has the volume.
            if (reply.document)
              return send_to_peer(self, in.peer, whole_map_frame(self, in.message.id));
            refuse_frame(self, ctx, in, reply.document.error());
          },
          [=](const caf::error&) {
            refuse_frame(self, ctx, in, {errc::timeout, "the catalog does not answer"});
          });
}

void on_command_reply(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  auto found = self->state.commands.find(in.message.id);
  if (found == self->state.commands.end() || found->second.peer != in.peer) {
    counter(ctx, "harbinger_control_late_total", "answers that nobody waits for").Increment();
    bool answer = in.message.type == error_reply::wire_name || in.message.type == done::wire_name
                  || in.message.type == replica_report::wire_name
                  || in.message.type == probe_result::wire_name;
    if (!answer) refuse_frame(self, ctx, in, {errc::unsupported, in.message.type});
    return;
  }
  auto command = std::move(found->second);
  self->state.commands.erase(found);
  command.answer.deliver(node_command_done{in.message});
}

void dispatch_control(bridge_pointer self, const context_ptr& ctx, const control_frame& in) {
  self->state.waiting->fetch_sub(1);
  auto& type = in.message.type;
  if (type == node_heartbeat::wire_name) return on_heartbeat(self, ctx, in);
  if (type == node_report::wire_name) return on_report(self, ctx, in);
  if (type == node_hello::wire_name) return on_hello(self, ctx, in);
  if (type == node_leaving::wire_name) return on_leaving(self, ctx, in);
  if (type == map_request::wire_name) return on_map_request(self, ctx, in);
  if (type == risk_request::wire_name) return on_risk_request(self, ctx, in);
  if (type == create_volume::wire_name) return on_create_volume(self, ctx, in);
  on_command_reply(self, ctx, in);
}

caf::result<node_command_done> send_node_command(bridge_pointer self, const context_ptr& ctx,
                                                 const node_command& m) {
  auto& s = self->state;
  auto peer = s.peers.find(m.node);
  if (peer == s.peers.end())
    return node_command_done{fail(errc::unknown_node, m.node.value + " is not connected")};
  if (s.commands.size() >= s.commands_max)
    return node_command_done{
        fail(errc::overloaded, std::to_string(s.commands.size()) + " commands without an answer")};
  auto answer = self->make_response_promise<node_command_done>();
  auto frame = m.command;
  frame.id = ++s.last_command;
  auto deadline = self->clock().now() + milliseconds(ctx->config->control.command_timeout_ms);
  s.commands.emplace(
      frame.id, head_node_bridge_state::pending_command{m.node, peer->second, answer, deadline});
  send_to_peer(self, peer->second, std::move(frame));
  return answer;
}

void expire_commands(bridge_pointer self) {
  auto now = self->clock().now();
  auto& commands = self->state.commands;
  for (auto it = commands.begin(); it != commands.end();) {
    if (now < it->second.deadline) {
      ++it;
      continue;
    }
    it->second.answer.deliver(
        node_command_done{fail(errc::timeout, "no answer from " + it->second.node.value)});
    it = commands.erase(it);
  }
}

/// What waits for a dead node need not wait for the timeout.
void disconnect_dead(bridge_pointer self, const node_id& node) {
  auto& commands = self->state.commands;
  self->state.peers.erase(node);
  for (auto it = commands.begin(); it != commands.end();) {
    if (it->second.node != node) {
      ++it;
      continue;
    }
    it->second.answer.deliver(node_command_done{fail(errc::unavailable, node.value + " is dead")});
    it = commands.erase(it);
  }
}

show_reply show_control(bridge_pointer self) {
  auto& s = self->state;
  nlohmann::json rows = nlohmann::json::array();
  for (auto& [id, peer] : s.peers) {
    size_t open = 0;
    for (auto& [number, command] : s.commands) open += command.node == id;
    rows.push_back({id.value, s.view.node(id) ? name_of(s.view.node(id)->state) : "?", open});
  }
  auto& counters = s.reactor->counters();
  return {nlohmann::json{{"columns", {"node", "state", "open_commands"}},
                         {"rows", rows},
                         {"received", counters.received.load()},
                         {"sent", counters.sent.load()},
                         {"malformed", counters.malformed.load()},
                         {"undelivered", counters.undelivered.load()}}
              .dump()};
}

bool open_control_socket(bridge_pointer self, const context_ptr& ctx) {
  auto& s = self->state;
  s.reactor = std::make_unique<net::reactor>();
  net::socket_options options;
  options.kind = net::socket_kind::router;
  options.endpoint = ctx->config->endpoints.control;
  options.bind = true;
  auto socket = s.reactor->add(options);
  if (!socket) {
    spdlog::error("control=bind_failed endpoint={} error=\"{}\"", options.endpoint,
                  to_string(socket.error()));
    return false;
  }
  s.socket = *socket;
  // Ids are unique over restarts of this actor, so that an answer never meets another's question.
  s.last_command = static_cast<uint64_t>(self->clock().now().time_since_epoch().count());
  auto& dropped = counter(ctx, "harbinger_control_dropped_total",
                          "frames dropped because too many were waiting");
  s.reactor->start([ctx, waiting = s.waiting, &dropped](net::incoming&& in) {
    if (waiting->fetch_add(1) >= head_node_bridge_state::waiting_max
        || !tell_from_outside<head_node_bridge_actor>(
            ctx, names::head_node_bridge,
            control_frame{std::move(in.peer), std::move(in.message)})) {
      waiting->fetch_sub(1);
      dropped.Increment();
    }
  });
  return true;
}

} // namespace

head_node_bridge_state::~head_node_bridge_state() {
  if (reactor) reactor->stop();
}

head_node_bridge_actor::behavior_type head_node_bridge(bridge_pointer self, context_ptr ctx) {
  if (!open_control_socket(self, ctx)) {
    self->quit(caf::exit_reason::unhandled_exception);
  } else {
    ask_for_map(self, ctx);
    self->delayed_send(self, bridge_tick_period, tick{1});
  }
  return {
      [=](const node_command& m) { return send_node_command(self, ctx, m); },
      [=](const catalog_changed& m) {
        if (self->state.view.apply(*m.map) == catalog_view::outcome::need_whole)
          ask_for_map(self, ctx);
        for (auto& row : m.map->nodes)
          if (row.state == node_state::dead) disconnect_dead(self, row.id);
      },
      [=](const zone_map& m) { on_zones(self, m); },
      [=](const control_frame& in) { dispatch_control(self, ctx, in); },
      [=](const tick&) {
        if (!self->state.view.ready()) ask_for_map(self, ctx);
        expire_commands(self);
        self->delayed_send(self, bridge_tick_period, tick{1});
      },
      [=](const show_request&) { return show_control(self); },
  };
}

} // namespace harbinger
