#include "actors/node/copy_receiver.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "actors/node/snapshot_server.hpp"
#include "core/crash_points.hpp"
#include "store/mass_restore.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using receiver_self = copy_receiver_actor::stateful_pointer<copy_receiver_state>;

constexpr auto receiver_copying_period = milliseconds(5); // how finely the token bucket is used
constexpr auto receiver_following_period = milliseconds(50);
constexpr auto receiver_idle_period = milliseconds(500);
constexpr uint32_t receiver_delta_wait_ms =
    200; // an idle source's answer renews "I have everything" so often

copy_limits receiver_limits(const settings& config) {
  copy_limits out;
  out.credits = config.prefetch.credits;
  out.retries_max = config.prefetch.retries_max;
  out.retry = milliseconds(config.prefetch.retry_ms);
  out.delta_wait_ms = receiver_delta_wait_ms;
  return out;
}

local_replica receiver_local(const partition_store& store, partition_id partition) {
  auto head = store.head(partition);
  if (!head) return {};
  return {true,          head->role,           head->state,  head->copy,
          head->version, head->digest.total(), head->chunks, head->cursor};
}

result<void> receiver_void(const result<partition_head>& stored) {
  if (!stored) return tl::unexpected<error>(stored.error());
  return {};
}

// ------------------------------------------------------------------------------------------------
// storing

result<void> receiver_begin(partition_store& store, partition_id partition, copy_id copy,
                            const begin_copy& a) {
  auto head = store.head(partition);
  if (head && head->role == replica_role::copy && head->state != replica_state::copying)
    if (auto dropped = store.drop(partition, a.history); !dropped)
      return tl::unexpected<error>(dropped.error());
  return receiver_void(store.begin_copy(partition, copy, a.cursor));
}

result<void> receiver_apply(partition_store& store, partition_id partition, const apply_deltas& a) {
  auto head = store.head(partition);
  if (!head) return tl::unexpected<error>(head.error());
  store_write item;
  item.partition = partition;
  item.epoch = std::max(head->epoch, a.entries.back().version.epoch);
  item.previous = head->version;
  item.entries = a.entries;
  item.committed = a.entries.back().version.seq;
  return receiver_void(store.write_one(std::move(item)));
}

result<void> receiver_mark(partition_store& store, partition_id partition, const copy_pull& pull,
                           const mark_copy& a) {
  auto head = store.head(partition);
  if (!head || head->role != replica_role::copy || head->copy != pull.copy()) return {};
  if (head->state == replica_state::failed) return {}; // found damaged: it is made anew
  store_write item;
  item.partition = partition;
  item.epoch = head->epoch;
  item.previous = head->version;
  item.change.emplace().state = a.state;
  item.change->failure = pull.progress().failure;
  return receiver_void(store.write_one(std::move(item)));
}

void receiver_send(receiver_self self, const copy_receiver_state::entry& e,
                   const send_to_source& a) {
  auto id = uint64_t{e.slot} << 32 | (a.id & 0xffff'ffffu);
  auto message = std::visit([&](const auto& m) { return wire::make_frame(id, m); }, a.message);
  tell<data_bridge_actor>(self, self->state.ctx, names::data_bridge,
                          peer_request{a.endpoint, std::move(message), names::copy_receiver});
}

// ------------------------------------------------------------------------------------------------
// restoring

void receiver_start_restores(receiver_self self) {
  auto& s = self->state;
  while (s.restores_running < copy_receiver_state::restores_max && !s.restores_waiting.empty()) {
    auto work = s.restores_waiting.front();
    s.restores_waiting.pop_front();
    ++s.restores_running;
    auto answer_to = caf::actor_cast<copy_receiver_actor>(self);
    self->spawn<caf::detached>([work, answer_to, node = s.ctx->node,
                                stop = s.stop](caf::event_based_actor* helper) {
      result<mass_restored> done = fail(errc::unavailable, "no mass_storage.directory");
      try {
        if (node->mass && work.replay_for)
          done = replay_from_mass(*node->mass, *node->store, work.partition, work.copy, *stop);
        else if (node->mass)
          done = restore_from_mass(*node->mass, *node->store, work.partition, work.copy,
                                   work.method, *stop);
      } catch (const std::exception& e) {
        done = fail(errc::internal, e.what());
      }
      copy_restored out{work.partition, work.copy, {}, work.replay_for};
      if (!done)
        out.outcome = tl::unexpected<error>(done.error());
      else
        spdlog::info("copy_restored partition={} method={} version={} checkpoint={} entries={} "
                     "rows={} bytes={}",
                     to_string(work.partition), work.replay_for ? "replay" : name_of(work.method),
                     to_string(done->version), to_string(done->checkpoint), done->entries,
                     done->rows, done->bytes_read);
      helper->send(answer_to, std::move(out));
    });
  }
}

// ------------------------------------------------------------------------------------------------
// carrying

/// What a store action came to; nothing for actions that do not answer when they succeed.
std::optional<result<void>> receiver_store(receiver_self self, partition_id partition,
                                           const copy_pull& pull, const copy_action& action) {
  auto& store = *self->state.ctx->node->store;
  if (const auto* a = std::get_if<finish_copy>(&action)) {
    auto finished =
        store.finish_copy(partition, pull.copy(), a->version, digest::from_sums(a->digest),
                          a->history, replica_state::following);
    reach(crash_point::copy_ready);
    return receiver_void(finished);
  }
  if (const auto* a = std::get_if<apply_deltas>(&action)) {
    auto applied = receiver_apply(store, partition, *a);
    reach(crash_point::deltas_applied);
    if (applied) tell_of_commit(self->state.ctx, partition); // others may follow this copy
    return applied;
  }
  result<void> done;
  if (const auto* a = std::get_if<begin_copy>(&action))
    done = receiver_begin(store, partition, pull.copy(), *a);
  if (const auto* a = std::get_if<ingest_chunk>(&action)) {
    done = receiver_void(store.ingest(partition, pull.copy(), a->index, a->rows.rows()));
    reach(crash_point::chunk_stored);
  }
  if (const auto* a = std::get_if<mark_copy>(&action)) {
    if (auto marked = receiver_mark(store, partition, pull, *a); !marked)
      spdlog::warn("copy_mark partition={} error=\"{}\"", to_string(partition),
                   to_string(marked.error()));
  }
  return done ? std::nullopt : std::optional(done);
}

void receiver_run(receiver_self self, partition_id partition, copy_receiver_state::entry& e,
                  copy_actions actions) {
  auto& s = self->state;
  while (!actions.empty()) {
    copy_actions next;
    bool store_refused = false;
    for (const auto& action : actions) {
      if (const auto* send = std::get_if<send_to_source>(&action)) {
        receiver_send(self, e, *send);
      } else if (const auto* restore = std::get_if<restore_copy>(&action)) {
        s.restores_waiting.push_back({partition, e.pull->copy(), restore->method, std::nullopt});
        receiver_start_restores(self);
      } else if (!store_refused) {
        auto outcome = receiver_store(self, partition, *e.pull, action);
        if (!outcome) continue;
        store_refused = !*outcome;
        auto more =
            e.pull->step(copy_stored{*outcome}, receiver_local(*s.ctx->node->store, partition),
                         self->clock().now());
        next.insert(next.end(), more.begin(), more.end());
      }
    }
    actions = std::move(next);
  }
}

void receiver_count(receiver_self self, copy_receiver_state::entry& e) {
  auto& ctx = self->state.ctx;
  const auto& p = e.pull->progress();
  if (p.copied_bytes > e.counted_bytes) ctx->node->yield.count(p.copied_bytes - e.counted_bytes);
  auto grow = [&](const char* name, const char* help, uint64_t& counted, uint64_t now) {
    if (now > counted) counter(ctx, name, help).Increment(static_cast<double>(now - counted));
    counted = now;
  };
  grow("harbinger_copy_bytes_total", "bytes of chunks and deltas received", e.counted_bytes,
       p.copied_bytes);
  grow("harbinger_copy_checksum_errors_total", "chunks or digests that did not match",
       e.counted_checksums, p.checksum_errors);
  grow("harbinger_copy_backoffs_total", "times copies from and to this node slowed down for writes",
       self->state.counted_backoffs, ctx->node->yield.backoffs());
  grow("harbinger_copy_restarts_total", "snapshots begun anew", e.counted_restarts, p.restarts);
}

/// Writes the report row; logs changes of state. False: the pull has ended.
bool receiver_publish(receiver_self self, partition_id partition, copy_receiver_state::entry& e) {
  auto& table = self->state.ctx->node->copies;
  const auto& p = e.pull->progress();
  auto now = self->clock().now();
  receiver_count(self, e);
  if (p.ended) {
    table.erase(partition);
    spdlog::info("copy_ended partition={} copy={} reason=\"no longer a copy here\"",
                 to_string(partition), e.pull->copy().value);
    return false;
  }
  table.set(partition, {e.pull->copy(), p.copied_bytes, p.source, to_ms(e.pull->lag(now)), now,
                        p.failure, p.state == replica_state::following, e.sources});
  if (p.state != e.told) {
    e.told = p.state;
    spdlog::info(
        "copy_state partition={} copy={} state={} source={} bytes={} restarts={} failure=\"{}\"",
        to_string(partition), e.pull->copy().value, name_of(p.state), p.source.value,
        p.copied_bytes, p.restarts, p.failure);
  }
  return true;
}

void receiver_forget(receiver_self self,
                     std::map<partition_id, copy_receiver_state::entry>::iterator it) {
  self->state.slots.erase(it->second.slot);
  self->state.pulls.erase(it);
}

void receiver_step(receiver_self self, partition_id partition, copy_event event) {
  auto& s = self->state;
  auto it = s.pulls.find(partition);
  if (it == s.pulls.end()) return;
  s.yielding->set_rate(s.ctx->node->copy_rate(self->clock().now()));
  auto local = receiver_local(*s.ctx->node->store, partition);
  receiver_run(self, partition, it->second,
               it->second.pull->step(std::move(event), local, self->clock().now()));
  if (!receiver_publish(self, partition, it->second)) receiver_forget(self, it);
}

void receiver_tick_soon(receiver_self self) {
  auto& s = self->state;
  auto period = s.pulls.empty() ? receiver_idle_period : receiver_following_period;
  for (const auto& [partition, e] : s.pulls)
    if (e.pull->progress().state == replica_state::copying) period = receiver_copying_period;
  self->delayed_send(self, period, tick{++s.round});
}

result<void> receiver_begin_copy(receiver_self self, const start_copy& command) {
  auto& s = self->state;
  auto it = s.pulls.find(command.partition);
  bool is_new = it == s.pulls.end();
  if (is_new && s.pulls.size() >= copy_receiver_state::pulls_max)
    return fail(errc::overloaded, "too many copies");
  if (is_new) {
    copy_receiver_state::entry e;
    e.pull = std::make_unique<copy_pull>(command.partition, receiver_limits(*s.ctx->config),
                                         s.bucket, s.yielding);
    e.slot = s.next_slot++;
    it = s.pulls.emplace(command.partition, std::move(e)).first;
    s.slots[it->second.slot] = command.partition;
  }
  auto local = receiver_local(*s.ctx->node->store, command.partition);
  auto actions = it->second.pull->begin(command, local, self->clock().now());
  if (!actions) {
    if (is_new) receiver_forget(self, it);
    return tl::unexpected<error>(actions.error());
  }
  it->second.sources = command.sources;
  if (!actions->empty())
    spdlog::info("copy_start partition={} copy={} method={} source={}",
                 to_string(command.partition), command.copy.value, name_of(command.method),
                 command.sources.empty() ? "nobody" : command.sources.front().node.value);
  receiver_run(self, command.partition, it->second, std::move(*actions));
  if (!receiver_publish(self, command.partition, it->second)) receiver_forget(self, it);
  receiver_tick_soon(self);
  return {};
}

/// Nothing: the answer comes when the log is in.
std::optional<wire::frame> receiver_replay(receiver_self self, const wire::frame& m) {
  auto& s = self->state;
  auto command = wire::decode<replay_log>(m.body);
  if (!command) return wire::make_error(m.id, command.error());
  if (s.restores_waiting.size() >= copy_receiver_state::replays_max)
    return wire::make_error(m.id, {errc::overloaded, "too many restores wait"});
  s.restores_waiting.push_back(
      {command->partition, command->copy, restore_method::checkpoint_tail, m.id});
  receiver_start_restores(self);
  return std::nullopt;
}

/// The centre gave the replica up (replica_server drops and answers): an attempt that failed before
/// anything was stored has nothing to be dropped, and would be reported for ever.
void receiver_withdrawn(receiver_self self, const wire::frame& m) {
  auto& s = self->state;
  auto command = wire::decode<drop_replica>(m.body);
  auto it = command ? s.pulls.find(command->partition) : s.pulls.end();
  if (it == s.pulls.end() || it->second.pull->progress().state != replica_state::failed) return;
  s.ctx->node->copies.erase(it->first);
  receiver_forget(self, it);
}

std::optional<wire::frame> receiver_command(receiver_self self, const wire::frame& m) {
  if (m.type == drop_replica::wire_name) return receiver_withdrawn(self, m), std::nullopt;
  if (m.type == replay_log::wire_name) return receiver_replay(self, m);
  if (m.type != start_copy::wire_name) return wire::make_error(m.id, {errc::unsupported, m.type});
  auto command = wire::decode<start_copy>(m.body);
  if (!command) return wire::make_error(m.id, command.error());
  auto begun = receiver_begin_copy(self, *command);
  return begun ? wire::make_frame(m.id, done{}) : wire::make_error(m.id, begun.error());
}

void receiver_replayed(receiver_self self, const copy_restored& replayed) {
  auto id = *replayed.command;
  auto answer = replayed.outcome ? wire::make_frame(id, done{})
                                 : wire::make_error(id, replayed.outcome.error());
  tell<node_link_actor>(self, self->state.ctx, names::node_link, send_to_centre{std::move(answer)});
  receiver_step(self, replayed.partition, copy_tick{}); // sees what the store holds now
}

template <class T>
void receiver_take(copy_reply& out, const wire::frame& m) {
  auto message = wire::read_frame<T>(m);
  if (message)
    out.message = std::move(*message);
  else
    out.message = message.error();
}

void receiver_reply(receiver_self self, const wire::frame& m) {
  auto slot = self->state.slots.find(static_cast<uint32_t>(m.id >> 32));
  if (slot == self->state.slots.end()) return; // of a pull that has ended
  copy_reply reply{m.id & 0xffff'ffffu, error{}};
  if (m.type == snapshot_opened::wire_name)
    receiver_take<snapshot_opened>(reply, m);
  else if (m.type == snapshot_chunk::wire_name)
    receiver_take<snapshot_chunk>(reply, m);
  else
    receiver_take<delta_batch>(reply, m); // also errors
  receiver_step(self, slot->second, std::move(reply));
}

std::string receiver_document(receiver_self self) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [partition, e] : self->state.pulls) {
    const auto& p = e.pull->progress();
    rows.push_back({to_string(partition), e.pull->copy().value, name_of(p.state), p.source.value,
                    p.copied_bytes, to_ms(e.pull->lag(self->clock().now())), p.retries,
                    p.checksum_errors, p.restarts, p.failure});
  }
  return nlohmann::json{{"columns",
                         {"partition", "copy", "state", "source", "bytes", "lag_ms", "retries",
                          "checksum_errors", "restarts", "failure"}},
                        {"rows", rows}}
      .dump();
}

} // namespace

copy_receiver_actor::behavior_type copy_receiver(receiver_self self, context_ptr ctx) {
  self->state.ctx = ctx;
  self->state.counted_backoffs = ctx->node->yield.backoffs();
  for (const auto& [partition, row] : ctx->node->copies.all())
    ctx->node->copies.erase(partition); // of a former life
  receiver_tick_soon(self);
  return {
      [=](const centre_command& command) {
        if (auto answer = receiver_command(self, command.message))
          tell<node_link_actor>(self, ctx, names::node_link, send_to_centre{std::move(*answer)});
      },
      [=](const peer_reply& reply) { receiver_reply(self, reply.message); },
      [=](const copy_restored& restored) {
        --self->state.restores_running;
        receiver_start_restores(self);
        if (restored.command) return receiver_replayed(self, restored);
        auto it = self->state.pulls.find(restored.partition);
        if (it != self->state.pulls.end() && it->second.pull->copy() == restored.copy)
          receiver_step(self, restored.partition, copy_stored{restored.outcome});
      },
      [=](const tick& t) {
        if (t.round != self->state.round) return;
        std::vector<partition_id> all;
        for (const auto& [partition, e] : self->state.pulls) all.push_back(partition);
        for (auto partition : all) receiver_step(self, partition, copy_tick{});
        receiver_tick_soon(self);
      },
      [=](const show_request&) { return show_reply{receiver_document(self)}; },
  };
}

} // namespace harbinger
