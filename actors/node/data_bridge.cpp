#include "actors/node/data_bridge.hpp"

#include <thread>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "messages/ping.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using bridge_self = data_bridge_actor::stateful_pointer<data_bridge_state>;

constexpr int bridge_bind_attempts =
    20; // an earlier incarnation may still be letting go of the address
constexpr auto bridge_bind_pause = milliseconds(25);

error bridge_restarting() { return {errc::unavailable, "the service is being restarted"}; }

result<void> bridge_to_replica_server(const context_ptr& ctx, data_request request) {
  auto server = ctx->names.find(names::replica_server);
  if (!server) return tl::unexpected<error>(bridge_restarting());
  auto put = ctx->node->inbox.put(std::move(request));
  if (put == request_inbox::outcome::full)
    return fail(errc::overloaded, "too many requests are waiting");
  if (put == request_inbox::outcome::first)
    caf::anon_send(caf::actor_cast<replica_server_actor>(server), tick{0});
  return {};
}

/// Everything that arrives, on the reactor's thread. `state` outlives the reactor.
void bridge_incoming(const context_ptr& ctx, bridge_port& state, net::incoming&& in) {
  const auto& type = in.message.type;
  if (in.socket == net::reactor::peer_socket) {
    auto asker = state.requests.close(in.message.id);
    if (!asker) return; // asked twice, or by somebody who is gone
    in.message.id = asker->id;
    if (auto found = ctx->names.find(asker->name))
      caf::anon_send(found, peer_reply{std::move(in.peer), std::move(in.message)});
    return;
  }
  auto id = in.message.id;
  auto refuse = [&](error e) { state.reactor->send(in.socket, in.peer, wire::make_error(id, e)); };
  if (type == node_ping::wire_name) {
    state.reactor->send(in.socket, in.peer,
                        wire::make_frame(id, node_pong{ctx->config->node.id, ctx->life}));
    return;
  }
  auto peer = in.peer;
  result<void> delivered;
  if (type.starts_with("client.") || type == append_request::wire_name
      || type == lease_request::wire_name)
    delivered = bridge_to_replica_server(ctx, {in.socket, peer, std::move(in.message)});
  else if (!type.starts_with("snapshot.") && !type.starts_with("delta."))
    return refuse({errc::unsupported, "message type " + type.substr(0, 64)});
  else if (!tell_from_outside<snapshot_server_actor>(
               ctx, names::snapshot_server, data_request{in.socket, peer, std::move(in.message)}))
    delivered = tl::unexpected<error>(bridge_restarting());
  if (!delivered) refuse(delivered.error());
}

result<void> bridge_bind(data_bridge_state& state, const settings& config) {
  for (int attempt = 1;; ++attempt) {
    state.port->reactor = std::make_unique<net::reactor>();
    auto added = state.port->reactor->add(
        {.kind = net::socket_kind::router, .endpoint = config.node.data, .bind = true});
    if (added) {
      state.socket = *added;
      return {};
    }
    if (added.error().code != errc::in_use || attempt == bridge_bind_attempts)
      return tl::unexpected<error>(added.error());
    std::this_thread::sleep_for(bridge_bind_pause);
  }
}

show_reply bridge_show(bridge_self self) {
  const auto& port = *self->state.port;
  const auto& c = port.reactor->counters();
  nlohmann::json out{{"endpoint", port.reactor->bound_endpoint(self->state.socket)},
                     {"received", c.received.load()},
                     {"sent", c.sent.load()},
                     {"malformed", c.malformed.load()},
                     {"undelivered", c.undelivered.load()},
                     {"failed", c.failed.load()},
                     {"peers", c.peers.load()},
                     {"refused_requests", self->state.ctx->node->inbox.refused()},
                     {"open_requests", port.requests.size()},
                     {"forgotten_requests", port.requests.forgotten()}};
  return {out.dump()};
}

} // namespace

data_bridge_state::~data_bridge_state() {
  if (!port) return;
  ctx->node->close_port(port);
  if (port->reactor) port->reactor->stop(); // who still holds the port sends into nothing
}

data_bridge_actor::behavior_type data_bridge(bridge_self self, context_ptr ctx) {
  auto* state = &self->state;
  state->ctx = ctx;
  state->port = std::make_shared<bridge_port>();
  if (auto bound = bridge_bind(*state, *ctx->config); !bound) {
    spdlog::error("event=bind_failed actor=data_bridge endpoint={} reason=\"{}\"",
                  ctx->config->node.data, to_string(bound.error()));
    throw std::runtime_error("data socket: " + to_string(bound.error()));
  }
  auto& reactor = *state->port->reactor;
  auto endpoint = reactor.bound_endpoint(state->socket);
  ctx->node->set_data_endpoint(endpoint);
  spdlog::info("event=listening actor=data_bridge endpoint={}", endpoint);
  reactor.start([ctx, port = state->port.get()](net::incoming&& in) {
    bridge_incoming(ctx, *port, std::move(in));
  });
  ctx->node->open_port(state->port);
  return {
      [=](const data_reply& reply) { self->state.port->reply(reply); },
      [=](const peer_request& request) { self->state.port->request(request); },
      [=](const show_request&) { return bridge_show(self); },
  };
}

} // namespace harbinger
