#include "actors/node/node_link.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "messages/ping.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using link_self = node_link_actor::stateful_pointer<node_link_state>;

void link_send(node_link_state& s, wire::frame message) {
  s.reactor->send(s.socket, {}, std::move(message));
}

void link_answer_probe(node_link_state& s, const node_link_state::probe& p, bool alive,
                       time_point now) {
  link_send(s, wire::make_frame(p.command, probe_result{p.target.node, alive,
                                                        alive ? to_ms(now - p.begun) : 0.0}));
}

void link_begin_probe(node_link_state& s, uint64_t command, const probe_node& m) {
  if (s.probes.size() >= node_link_state::probes_max)
    return link_send(s, wire::make_error(command, {errc::overloaded, "probes"}));
  auto now = std::chrono::steady_clock::now();
  s.probes[++s.last_probe] = {command, m.target, now, now + milliseconds(m.timeout_ms)};
  s.reactor->send_to_endpoint(m.target.endpoint, wire::make_frame(s.last_probe, node_ping{}));
}

void link_pong(node_link_state& s, const wire::frame& m) {
  auto it = s.probes.find(m.id);
  if (it == s.probes.end()) return;
  auto pong = wire::read_frame<node_pong>(m);
  if (!pong || pong->node != it->second.target.node)
    return; // somebody else listens there now: as good as silence
  link_answer_probe(s, it->second, true, std::chrono::steady_clock::now());
  s.probes.erase(it);
}

/// The command's term; every command has one.
template <class Command>
result<term> link_term_of(const wire::frame& m) {
  auto command = wire::decode<Command>(m.body);
  if (!command) return tl::unexpected<error>(command.error());
  return command->term;
}

result<term> link_command_term(const wire::frame& m) {
  if (m.type == configure_replica::wire_name) return link_term_of<configure_replica>(m);
  if (m.type == seal_replica::wire_name) return link_term_of<seal_replica>(m);
  if (m.type == drop_replica::wire_name) return link_term_of<drop_replica>(m);
  if (m.type == rewind_replica::wire_name) return link_term_of<rewind_replica>(m);
  if (m.type == start_copy::wire_name) return link_term_of<start_copy>(m);
  if (m.type == replay_log::wire_name) return link_term_of<replay_log>(m);
  if (m.type == probe_node::wire_name) return link_term_of<probe_node>(m);
  return fail(errc::unsupported, "message type " + m.type.substr(0, 64));
}

void link_command(const context_ptr& ctx, node_link_state& s, wire::frame&& m) {
  auto id = m.id;
  auto commanded = link_command_term(m);
  if (!commanded) return link_send(s, wire::make_error(id, commanded.error()));
  if (auto ok = s.link->obey(*commanded); !ok)
    return link_send(s, wire::make_error(id, ok.error()));
  ctx->node->term_seen = s.link->newest_term().value;
  if (m.type == probe_node::wire_name)
    return link_begin_probe(s, id, *wire::decode<probe_node>(m.body));
  if (m.type == drop_replica::wire_name)
    tell_from_outside<copy_receiver_actor>(ctx, names::copy_receiver, centre_command{m});
  bool of_copies = m.type == start_copy::wire_name || m.type == replay_log::wire_name;
  bool delivered = of_copies ? tell_from_outside<copy_receiver_actor>(ctx, names::copy_receiver,
                                                                      centre_command{std::move(m)})
                             : tell_from_outside<replica_server_actor>(
                                 ctx, names::replica_server, centre_command{std::move(m)});
  if (!delivered)
    link_send(s, wire::make_error(id, {errc::unavailable, "the service is being restarted"}));
}

/// Everything that arrives, on the reactor's thread.
void link_incoming(const context_ptr& ctx, node_link_state& s, net::incoming&& in) {
  std::lock_guard guard(s.mutex);
  auto& m = in.message;
  if (in.socket == net::reactor::peer_socket) return link_pong(s, m);
  if (m.type == node_welcome::wire_name) {
    auto welcome = wire::decode<node_welcome>(m.body);
    if (!welcome) return;
    s.link->welcomed(*welcome);
    if (welcome->report_ms > 0) ctx->node->report_ms = welcome->report_ms;
    spdlog::info("event=welcomed term={} heartbeat_ms={}", welcome->term.value,
                 welcome->heartbeat_ms);
  } else if (m.type == heartbeat_ack::wire_name) {
    auto ack = wire::decode<heartbeat_ack>(m.body);
    if (!ack) return;
    s.link->acknowledged(*ack);
    tell_from_outside<telemetry_publisher_actor>(ctx, names::telemetry_publisher,
                                                 peers_now{std::move(ack->peers)});
  } else if (m.type == error_reply::wire_name) {
    auto refusal = wire::decode<error_reply>(m.body);
    if (refusal)
      spdlog::warn("event=refused_by_centre code={} detail=\"{}\"", refusal->code, refusal->detail);
    s.link->refused();
  } else if (m.type != done::wire_name) {
    link_command(ctx, s, std::move(m));
  }
  ctx->node->term_seen = s.link->newest_term().value;
}

void link_tick(link_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto endpoint = ctx->node->data_endpoint();
  std::lock_guard guard(s.mutex);
  auto now = self->clock().now();
  for (auto& m : s.link->tick(now, endpoint)) link_send(s, std::move(m));
  std::erase_if(s.probes, [&](const auto& p) {
    if (now < p.second.until) return false;
    link_answer_probe(s, p.second, false, now);
    s.reactor->forget_endpoint(p.second.target.endpoint); // with what still waits to be sent there
    return true;
  });
  self->delayed_send(self, node_link_state::tick_period, tick{s.round});
}

show_reply link_show(link_self self) {
  auto& s = self->state;
  std::lock_guard guard(s.mutex);
  nlohmann::json out{{"welcome", s.link->is_welcome()},
                     {"term", s.link->newest_term().value},
                     {"probes", s.probes.size()},
                     {"sent", s.reactor->counters().sent.load()},
                     {"undelivered", s.reactor->counters().undelivered.load()}};
  return {out.dump()};
}

} // namespace

node_link_actor::behavior_type node_link(link_self self, context_ptr ctx) {
  auto* s = &self->state;
  const auto& config = *ctx->config;
  // Larger than any id of an earlier incarnation of this actor.
  auto first_id =
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  s->last_probe = first_id;
  s->link = std::make_unique<centre_link>(
      centre_link::identity{config.node.id, ctx->life, config.node.attributes,
                            config.node.capacity_bytes},
      milliseconds(config.control.heartbeat_ms), term{ctx->node->term_seen.load()}, first_id);
  s->reactor = std::make_unique<net::reactor>();
  net::socket_options to_centre{.kind = net::socket_kind::dealer,
                                .endpoint = config.node.central_control};
  // The answers to all commands that the centre may have under way: what does not fit is lost, and
  // the centre waits for its time-out. Reports wait while it does not answer (centre_link).
  to_centre.queue_max = 10'000;
  auto added = s->reactor->add(to_centre);
  if (!added) throw std::runtime_error("control socket: " + to_string(added.error()));
  s->socket = *added;
  s->reactor->start([ctx, s](net::incoming&& in) { link_incoming(ctx, *s, std::move(in)); });
  s->round = 1;
  self->send(self, tick{s->round});
  return {
      [=](const send_to_centre& m) { link_send(self->state, m.message); },
      [=](const replicas_now& m) {
        std::lock_guard guard(self->state.mutex);
        for (auto& f : self->state.link->replicas(m.replicas, m.used_bytes, m.conflicts))
          link_send(self->state, std::move(f));
      },
      [=](const gauge_reading& m) {
        std::lock_guard guard(self->state.mutex);
        if (m.metric.starts_with("rtt/")) self->state.link->rtt(m.metric.substr(4), m.value);
      },
      [=](const tick& t) {
        if (t.round == self->state.round) link_tick(self, ctx);
      },
      [=](const show_request&) { return link_show(self); },
  };
}

} // namespace harbinger
