#include "actors/node/snapshot_server.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "core/crash_points.hpp"
#include "store/delta_reader.hpp"
#include "store/stored_rows.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using snapshot_self = snapshot_server_actor::stateful_pointer<snapshot_server_state>;

// Waiters whose time is over; and news of a commit that this actor missed.
constexpr auto snapshot_waiter_period = milliseconds(25);
constexpr auto snapshot_idle_period = milliseconds(1000);

template <class T>
wire::frame snapshot_answer(uint64_t id, const result<T>& answer) {
  return answer ? wire::make_frame(id, *answer) : wire::make_error(id, answer.error());
}

result<snapshot_chunk> snapshot_chunk_now(snapshot_self self, const snapshot_pull& ask) {
  auto& s = self->state;
  auto now = self->clock().now();
  auto chunk = s.source->pull(ask, now);
  if (!chunk) return chunk;
  reach(crash_point::snapshot_chunk_read);
  ++s.chunks;
  auto& node = *s.ctx->node;
  node.yield.count(chunk->rows.size());
  if (auto rate = node.copy_rate(now); rate > 0)
    chunk->rate_bytes_per_s = std::max<uint64_t>(rate / s.source->busy_count(now), 1);
  return chunk;
}

std::unique_ptr<snapshot_reader> rows_of(std::shared_ptr<partition_snapshot> snapshot,
                                         bucket_set buckets) {
  if (buckets == 0) return std::make_unique<stored_rows>(std::move(snapshot));
  return std::make_unique<stored_bucket_rows>(std::move(snapshot), buckets);
}

result<snapshot_opened> snapshot_open_now(snapshot_self self, const snapshot_open& ask) {
  auto& s = self->state;
  auto now = self->clock().now();
  if (!ask.resume.empty()) return s.source->resume(ask.partition, ask.resume, now);
  if (!s.source->has_room(now)) return fail(errc::overloaded, "too many open snapshots");
  auto snapshot = open_for_copy(*s.ctx->node->store, ask.partition);
  if (!snapshot) return tl::unexpected<error>(snapshot.error());
  auto opened = s.source->open(ask.partition, describe_snapshot((*snapshot)->head()),
                               rows_of(*snapshot, ask.buckets), now);
  if (opened)
    spdlog::info("snapshot_opened partition={} snapshot={} version={} bytes={}",
                 to_string(ask.partition), opened->snapshot, to_string(opened->version),
                 opened->size_bytes);
  reach(crash_point::snapshot_opened);
  return opened;
}

void snapshot_tick_soon(snapshot_self self) {
  auto& s = self->state;
  s.fast = !s.waiters.empty();
  self->delayed_send(self, s.fast ? snapshot_waiter_period : snapshot_idle_period, tick{++s.round});
}

/// Nothing: the asker waits.
std::optional<wire::frame> snapshot_deltas(snapshot_self self, uint64_t id, const delta_pull& ask,
                                           bool may_wait) {
  auto& store = *self->state.ctx->node->store;
  auto batch = read_deltas(store, ask);
  if (!batch) return wire::make_error(id, batch.error());
  if (*batch) {
    ++self->state.deltas;
    reach(crash_point::deltas_read);
    return wire::make_frame(id, **batch);
  }
  if (may_wait) return std::nullopt;
  return snapshot_answer(id, no_deltas(store, ask));
}

/// Nothing: the reply comes later.
std::optional<wire::frame> snapshot_serve(snapshot_self self, const data_request& request) {
  auto& s = self->state;
  const auto& m = request.message;
  if (m.type == snapshot_open::wire_name) {
    auto ask = wire::decode<snapshot_open>(m.body);
    return ask ? snapshot_answer(m.id, snapshot_open_now(self, *ask))
               : wire::make_error(m.id, ask.error());
  }
  if (m.type == snapshot_pull::wire_name) {
    auto ask = wire::decode<snapshot_pull>(m.body);
    if (!ask) return wire::make_error(m.id, ask.error());
    return snapshot_answer(m.id, snapshot_chunk_now(self, *ask));
  }
  if (m.type != delta_pull::wire_name) return wire::make_error(m.id, {errc::unsupported, m.type});
  auto ask = wire::decode<delta_pull>(m.body);
  if (!ask) return wire::make_error(m.id, ask.error());
  s.ctx->node->news.watch(true);
  auto reply = snapshot_deltas(self, m.id, *ask, ask->wait_ms > 0);
  if (reply) return reply;
  if (s.waiters.size() >= snapshot_server_state::waiters_max)
    return wire::make_error(m.id, {errc::overloaded, "too many wait for deltas"});
  auto until = self->clock().now() + milliseconds(std::min(ask->wait_ms, 1000u));
  s.waiters.push_back({request.socket, request.peer, m.id, *ask, until});
  if (!s.fast) snapshot_tick_soon(self);
  return std::nullopt;
}

/// `changed`: only these partitions; null: all.
void snapshot_look_after_waiters(snapshot_self self, const std::set<partition_id>* changed) {
  auto& s = self->state;
  auto now = self->clock().now();
  std::deque<snapshot_server_state::waiter> kept;
  for (auto& w : s.waiters) {
    if (changed && !changed->contains(w.ask.partition))
      kept.push_back(std::move(w));
    else if (auto reply = snapshot_deltas(self, w.id, w.ask, now < w.until))
      tell<data_bridge_actor>(self, s.ctx, names::data_bridge,
                              data_reply{w.socket, w.peer, std::move(*reply)});
    else
      kept.push_back(std::move(w));
  }
  s.waiters = std::move(kept);
}

} // namespace

void tell_of_commit(const context_ptr& ctx, partition_id partition) {
  if (ctx->node->news.note(partition))
    tell_from_outside<snapshot_server_actor>(ctx, names::snapshot_server, tick{0});
}

snapshot_server_actor::behavior_type snapshot_server(snapshot_self self, context_ptr ctx) {
  auto& s = self->state;
  s.ctx = ctx;
  copy_source_limits limits;
  limits.chunk_bytes = ctx->config->prefetch.chunk_bytes;
  auto born = self->clock().now().time_since_epoch().count();
  s.source = std::make_unique<copy_source>(
      std::to_string(ctx->life.value) + '.' + std::to_string(born), limits);
  snapshot_tick_soon(self);
  return {
      [=](const data_request& request) {
        if (auto reply = snapshot_serve(self, request))
          tell<data_bridge_actor>(self, ctx, names::data_bridge,
                                  data_reply{request.socket, request.peer, std::move(*reply)});
      },
      [=](const tick& t) {
        if (t.round == 0) { // commits
          auto changed = ctx->node->news.take();
          return snapshot_look_after_waiters(self, &changed);
        }
        if (t.round != self->state.round) return;
        ctx->node->news.take(); // a restart may have lost the word of them
        snapshot_look_after_waiters(self, nullptr);
        if (self->state.waiters.empty()) ctx->node->news.watch(false);
        self->state.source->expire(self->clock().now());
        snapshot_tick_soon(self);
      },
      [=](const show_request&) {
        const auto& now = self->state;
        return show_reply{nlohmann::json{
            {"open_snapshots", now.source->open_count()},
            {"waiting", now.waiters.size()},
            {"chunks", now.chunks},
            {"deltas",
             now.deltas}}.dump()};
      },
  };
}

} // namespace harbinger
