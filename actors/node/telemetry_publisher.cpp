#include "actors/node/telemetry_publisher.hpp"

#include <cmath>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "messages/ping.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {
using telemetry_publisher_self =
    telemetry_publisher_actor::stateful_pointer<telemetry_publisher_state>;
constexpr auto telemetry_topic = "telemetry";

void open_telemetry_socket(telemetry_publisher_self self, const context_ptr& ctx) {
  auto& s = self->state;
  s.reactor = std::make_unique<net::reactor>();
  net::socket_options socket;
  socket.kind = net::socket_kind::publisher;
  socket.endpoint = ctx->config->node.central_telemetry;
  socket.queue_max = 1000;
  auto added = s.reactor->add(socket);
  if (!added)
    throw std::runtime_error("node.central_telemetry " + socket.endpoint + ": "
                             + to_string(added.error()));
  s.socket = *added;
  s.reactor->start([](net::incoming&&) {}); // nothing comes in at a publisher
}

void take_sample(telemetry_publisher_self self, time_point now) {
  auto& s = self->state;
  s.pings.read(s.readings);
  if (s.rows.size() >= telemetry_publisher_state::rows_max) {
    s.rows.pop_front();
    ++s.rows_dropped;
  }
  auto since_start = std::chrono::duration_cast<milliseconds>(now - s.started).count();
  s.rows.push_back({unix_ms{s.started_wall.value + since_start}, s.sampler->sample(s.readings)});
  s.newest = s.rows.back().values;
}

void send_pings(telemetry_publisher_self self, const context_ptr& ctx, time_point now) {
  for (auto& ping : self->state.pings.step(now))
    tell<data_bridge_actor>(self, ctx, names::data_bridge,
                            peer_request{ping.endpoint, wire::make_frame(ping.id, node_ping{}),
                                         names::telemetry_publisher});
}

void publish_rows(telemetry_publisher_self self, const context_ptr& ctx) {
  auto& s = self->state;
  telemetry_batch batch;
  batch.node = ctx->config->node.id;
  batch.life = ctx->life;
  batch.seq = ++ctx->telemetry_seq;
  batch.metrics = s.metrics;
  batch.rows.assign(std::make_move_iterator(s.rows.begin()), std::make_move_iterator(s.rows.end()));
  s.rows.clear();
  s.reactor->send(s.socket, telemetry_topic, wire::make_frame(0, batch));
}

/// Sampling is due at fixed times; how late it really happens is itself a measurement.
void telemetry_round(telemetry_publisher_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto now = self->clock().now();
  auto period = milliseconds(ctx->config->telemetry.sample_ms);
  s.readings.lag_ms = std::max(0.0, to_ms(now - s.due));
  s.readings.period_ms = static_cast<double>(ctx->config->telemetry.sample_ms);
  take_sample(self, now);
  send_pings(self, ctx, now);
  if (now >= s.publish_due) {
    publish_rows(self, ctx);
    s.publish_due = now + milliseconds(ctx->config->telemetry.publish_ms) - period / 2;
  }
  s.due = std::max(s.due + period,
                   now + period / 2); // after a long stop not one sample a missed period
  self->delayed_send(self, s.due - now, tick{++s.round});
}

void take_reading(telemetry_publisher_state& s, const gauge_reading& reading) {
  if (reading.metric == telemetry::store_write_ms)
    s.readings.store_write_ms = reading.value;
  else if (reading.metric == telemetry::store_write_max_ms)
    s.readings.store_write_max_ms = reading.value;
  else if (reading.metric == telemetry::store_queue)
    s.readings.store_queue = reading.value;
  else
    ++s.readings_unknown;
}

show_reply show_newest_row(const telemetry_publisher_state& s) {
  nlohmann::ordered_json out;
  for (size_t i = 0; i < s.newest.size(); ++i)
    out[s.metrics[i].name] = std::isfinite(s.newest[i]) ? nlohmann::ordered_json(s.newest[i])
                                                        : nlohmann::ordered_json(nullptr);
  out["rows_dropped"] = s.rows_dropped;
  out["readings_unknown"] = s.readings_unknown;
  return {out.dump()};
}
} // namespace

telemetry_publisher_actor::behavior_type telemetry_publisher(telemetry_publisher_self self,
                                                             context_ptr ctx) {
  auto& s = self->state;
  const auto& wanted = ctx->config->telemetry;
  s.sampler = std::make_unique<telemetry::host_sampler>(wanted);
  s.metrics = telemetry::catalogue_specs();
  s.pings.set_timeout(milliseconds(std::max<uint32_t>(500, wanted.sample_ms)));
  s.started = self->clock().now();
  s.started_wall = ctx->wall_clock();
  open_telemetry_socket(self, ctx);
  auto period = milliseconds(wanted.sample_ms);
  s.due = s.started + period;
  s.publish_due = s.started;
  self->delayed_send(self, period, tick{s.round});
  return {
      [=](const gauge_reading& reading) { take_reading(self->state, reading); },
      [=](const peers_now& news) { self->state.pings.set_peers(news.peers); },
      [=](const peer_reply& reply) {
        if (!wire::read_frame<node_pong>(reply.message)) return; // an error: it stays unanswered
        auto answer = self->state.pings.answered(reply.message.id, self->clock().now());
        if (!answer) return;
        tell<node_link_actor>(self, ctx, names::node_link,
                              gauge_reading{"rtt/" + answer->node.value, answer->rtt_ms});
      },
      [=](const tick& t) {
        if (t.round == self->state.round) telemetry_round(self, ctx);
      },
      [=](const show_request&) { return show_newest_row(self->state); },
  };
}

} // namespace harbinger
