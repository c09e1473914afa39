#include "actors/node/replica_server.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "core/crash_points.hpp"
#include "replica/copy_reads.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using replica_self = replica_server_actor::stateful_pointer<replica_server_state>;
namespace rep = replication;

constexpr size_t replica_scan_bytes_max = 4 << 20;
constexpr size_t replica_askers_max = 100'000; // requests being worked on; beyond it overloaded

replication::limits replica_limits(const replica_settings& s) {
  rep::limits out;
  out.lease = milliseconds(s.lease_ms);
  out.append_timeout = milliseconds(s.append_timeout_ms);
  out.in_flight_max = s.in_flight_max;
  out.queued_max = s.queued_max;
  return out;
}

// ------------------------------------------------------------------------------------------------
// answers

void replica_reply(replica_self self, const replica_server_state::data_asker& to,
                   wire::frame message) {
  message.id = to.id;
  tell<data_bridge_actor>(self, self->state.ctx, names::data_bridge,
                          data_reply{to.socket, to.peer, std::move(message)});
}

template <class T>
wire::frame replica_frame(uint64_t id, const result<T>& answer) {
  return answer ? wire::make_frame(id, *answer) : wire::make_error(id, answer.error());
}

template <class T>
void replica_answer_data(replica_self self, rep::token to, const result<T>& answer) {
  auto asker = self->state.askers.extract(to);
  if (asker.empty()) return;
  replica_reply(self, asker.mapped(), replica_frame(asker.mapped().id, answer));
}

void replica_answer_centre(replica_self self, rep::token to,
                           const std::function<wire::frame(uint64_t)>& make) {
  auto asker = self->state.commands.extract(to);
  if (asker.empty()) return;
  tell<node_link_actor>(self, self->state.ctx, names::node_link,
                        send_to_centre{make(asker.mapped())});
}

// ------------------------------------------------------------------------------------------------
// reports

std::vector<replica_report> replica_all_reports(replica_self self, time_point now) {
  auto& node = *self->state.ctx->node;
  auto known = self->state.host->reports(now);
  auto rows = node.copies.all();
  std::vector<replica_report> out;
  for (const auto& h : node.store->heads()) {
    auto damaged = node.damage.find(h.partition).value_or("");
    if (auto it = known.find(h.partition); it != known.end()) {
      auto& r = it->second;
      if (r.version == h.version) { // the scrubber may have set them right
        r.digest = h.digest.total();
        r.records = h.records;
        r.size_bytes = h.size_bytes;
      }
      if (r.failure.empty()) r.failure = damaged;
      out.push_back(std::move(r));
      continue;
    }
    replica_report r{
        h.partition, h.role,       h.state,  h.epoch, h.revision, h.version, h.digest.total(),
        h.records,   h.size_bytes, h.copy,   0,       {},         0.0,       0.0,
        0.0,         {},           h.failure};
    if (auto it = rows.find(h.partition); it != rows.end() && it->second.copy == h.copy) {
      const auto& row = it->second;
      r.copied_bytes = row.copied_bytes;
      r.source = row.source;
      r.lag_ms = row.lag_ms + std::max(0.0, to_ms(now - row.as_of));
      if (!row.failure.empty()) r.failure = row.failure;
      if (!row.following && r.state == replica_state::following) r.state = replica_state::detached;
      rows.erase(it);
    } else if (r.state == replica_state::following) {
      r.state = replica_state::detached; // nobody pulls for it in this life
    }
    if (r.failure.empty()) r.failure = damaged;
    out.push_back(std::move(r));
  }
  for (const auto& [partition, row] : rows) { // begun, or failed, before anything of it was stored
    if (known.contains(partition) || node.store->head(partition)) continue;
    replica_report r;
    r.partition = partition;
    r.copy = row.copy;
    r.copied_bytes = row.copied_bytes;
    r.source = row.source;
    r.failure = row.failure;
    if (!row.failure.empty()) r.state = replica_state::failed;
    out.push_back(std::move(r));
  }
  return out;
}

void replica_report_now(replica_self self, time_point now) {
  auto& s = self->state;
  auto& node = *s.ctx->node;
  s.report_wanted = false;
  s.copies_seen = node.copies.changes();
  s.report_due = now + milliseconds(node.report_ms.load());
  tell<node_link_actor>(self, s.ctx, names::node_link,
                        replicas_now{replica_all_reports(self, now), node.store->used_bytes(),
                                     node.store->conflict_count()});
}

// ------------------------------------------------------------------------------------------------
// actions

void replica_carry(replica_self self, rep::actions actions);

void replica_do(replica_self self, rep::write_store& a) {
  self->state.writer->submit(a.id, std::move(a.write));
}

void replica_do(replica_self self, rep::drop_store& a) {
  self->state.writer->submit_drop(a.id, a.partition, std::move(a.truth));
}

void replica_do(replica_self self, rep::rewind_store& a) {
  self->state.writer->submit_rewind(a.id, a.partition, std::move(a.truth));
}

void replica_do(replica_self self, rep::read_log& a) {
  auto entries =
      self->state.ctx->node->store->log_after(a.partition, a.after, a.up_to, a.bytes_max);
  replica_carry(self, self->state.host->log_read(a.partition, a.member, a.after, std::move(entries),
                                                 self->clock().now()));
}

void replica_do(replica_self self, rep::send_append& a) {
  tell<data_bridge_actor>(
      self, self->state.ctx, names::data_bridge,
      peer_request{a.to.endpoint, wire::make_frame(a.request, a.message), names::replica_server});
}

void replica_do(replica_self self, rep::answer_append& a) {
  if (a.answer) reach(crash_point::append_answer);
  replica_answer_data(self, a.to, a.answer);
}

void replica_do(replica_self self, rep::answer_put& a) {
  if (a.answer) reach(crash_point::put_answer);
  counter(self->state.ctx, "harbinger_client_writes_total", "write batches answered",
          {{"outcome", !a.answer            ? std::string(to_string(a.answer.error().code))
                       : a.answer->repeated ? "repeated"
                                            : "ok"}})
      .Increment();
  replica_answer_data(self, a.to, a.answer);
}

void replica_do(replica_self self, rep::answer_report& a) {
  if (a.answer) reach(crash_point::command_answer);
  replica_answer_centre(self, a.to, [&](uint64_t id) { return replica_frame(id, a.answer); });
}

void replica_do(replica_self self, rep::answer_drop& a) {
  replica_answer_centre(self, a.to, [&](uint64_t id) {
    return a.journalled ? wire::make_frame(id, done{}) : wire::make_error(id, a.journalled.error());
  });
}

void replica_do(replica_self self, rep::report_now&) { self->state.report_wanted = true; }

void replica_do(replica_self self, rep::notice& a) {
  spdlog::warn("event={} partition={} text=\"{}\"", a.kind, to_string(a.partition), a.text);
  raise_event(self, self->state.ctx, severity::warning, a.kind, to_string(a.partition), a.text,
              {{"node", self->state.ctx->config->node.id.value}});
}

void replica_carry(replica_self self, rep::actions actions) {
  for (auto& a : actions) std::visit([&](auto& x) { replica_do(self, x); }, a);
}

// ------------------------------------------------------------------------------------------------
// requests

rep::replica_host::stored replica_stored(replica_self self, partition_id partition) {
  auto head = self->state.ctx->node->store->head(partition);
  return head ? std::optional(std::move(*head)) : std::nullopt;
}

rep::token replica_note_asker(replica_self self, const data_request& request) {
  auto token = ++self->state.last_token;
  self->state.askers.emplace(
      token, replica_server_state::data_asker{request.socket, request.peer, request.message.id});
  return token;
}

/// The lease is checked after reading: it held while the value was read.
wire::frame replica_read(replica_self self, const wire::frame& message) {
  auto& s = self->state;
  auto& store = *s.ctx->node->store;
  if (message.type == get_request::wire_name) {
    auto ask = wire::decode<get_request>(message.body);
    if (!ask) return wire::make_error(message.id, ask.error());
    if (!ask->key.data.empty() && ask->key.data.front() == reserved_key_byte)
      return wire::make_error(message.id, {errc::invalid_argument, "reserved key"});
    auto found = store.get(ask->partition, ask->key.data);
    if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
      return wire::make_error(message.id, ok.error());
    if (!found) return wire::make_error(message.id, found.error());
    return wire::make_frame(message.id,
                            value_reply{found->found, {std::move(found->bytes)}, found->version});
  }
  auto ask = wire::decode<scan_request>(message.body);
  if (!ask) return wire::make_error(message.id, ask.error());
  if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
    return wire::make_error(message.id, ok.error());
  auto rows = store.scan(ask->partition, ask->from.data, ask->limit, replica_scan_bytes_max);
  if (auto ok = s.host->readable(ask->partition, self->clock().now()); !ok)
    return wire::make_error(message.id, ok.error());
  return replica_frame(message.id, rows);
}

/// Whether this node's copy may answer, as it is now.
result<void> replica_copy_readable(replica_self self, partition_id partition, version at_least,
                                   uint32_t max_lag_ms) {
  auto& node = *self->state.ctx->node;
  if (auto known = node.damage.find(partition)) return fail(errc::checksum, *known);
  auto head = node.store->head(partition);
  if (!head) return tl::unexpected<error>(head.error());
  std::optional<copy_currency> currency;
  auto rows = node.copies.all();
  if (auto it = rows.find(partition); it != rows.end() && it->second.copy == head->copy) {
    auto since = to_ms(self->clock().now() - it->second.as_of);
    currency = {it->second.following, it->second.lag_ms + std::max(0.0, since)};
  }
  return readable_copy(*head, currency, at_least, max_lag_ms);
}

wire::frame replica_read_copy(replica_self self, const wire::frame& m) {
  auto& store = *self->state.ctx->node->store;
  if (m.type == get_from_copy::wire_name) {
    auto ask = wire::decode<get_from_copy>(m.body);
    if (!ask) return wire::make_error(m.id, ask.error());
    if (!ask->key.data.empty() && ask->key.data.front() == reserved_key_byte)
      return wire::make_error(m.id, {errc::invalid_argument, "reserved key"});
    auto ok = replica_copy_readable(self, ask->partition, ask->at_least, ask->max_lag_ms);
    if (!ok) return wire::make_error(m.id, ok.error());
    auto found = store.get(ask->partition, ask->key.data);
    if (!found) return wire::make_error(m.id, found.error());
    return wire::make_frame(m.id,
                            value_reply{found->found, {std::move(found->bytes)}, found->version});
  }
  auto ask = wire::decode<scan_from_copy>(m.body);
  if (!ask) return wire::make_error(m.id, ask.error());
  auto ok = replica_copy_readable(self, ask->partition, ask->at_least, ask->max_lag_ms);
  if (!ok) return wire::make_error(m.id, ok.error());
  return replica_frame(
      m.id, store.scan(ask->partition, ask->from.data, ask->limit, replica_scan_bytes_max));
}

void replica_request(replica_self self, const data_request& request) {
  auto& s = self->state;
  const auto& m = request.message;
  replica_server_state::data_asker asker{request.socket, request.peer, m.id};
  auto refuse = [&](const error& e) { replica_reply(self, asker, wire::make_error(m.id, e)); };
  if (m.type == get_request::wire_name || m.type == scan_request::wire_name)
    return replica_reply(self, asker, replica_read(self, m));
  if (m.type == get_from_copy::wire_name || m.type == scan_from_copy::wire_name)
    return replica_reply(self, asker, replica_read_copy(self, m));
  if (s.askers.size() >= replica_askers_max)
    return refuse({errc::overloaded, "too many requests under way"});
  if (m.type == put_request::wire_name) {
    auto ask = wire::decode<put_request>(m.body);
    if (!ask) return refuse(ask.error());
    replica_carry(
        self, s.host->put(replica_note_asker(self, request), std::move(*ask), self->clock().now()));
  } else if (m.type == append_request::wire_name) {
    auto ask = wire::decode<append_request>(m.body);
    if (!ask) return refuse(ask.error());
    auto head = replica_stored(self, ask->partition);
    replica_carry(
        self, s.host->append(replica_note_asker(self, request), *ask, head, self->clock().now()));
  } else {
    refuse({errc::unsupported, m.type});
  }
}

template <class Command>
void replica_command_as(replica_self self, const wire::frame& message, crash_point arrived,
                        auto carry_out) {
  reach(arrived);
  auto command = wire::decode<Command>(message.body);
  if (!command) {
    tell<node_link_actor>(self, self->state.ctx, names::node_link,
                          send_to_centre{wire::make_error(message.id, command.error())});
    return;
  }
  auto token = ++self->state.last_token;
  self->state.commands.emplace(token, message.id);
  spdlog::info("event=command type={} partition={} id={}", message.type,
               to_string(command->partition), message.id);
  replica_carry(self, carry_out(token, *command));
}

void replica_command(replica_self self, const wire::frame& m) {
  auto& host = *self->state.host;
  auto now = self->clock().now();
  auto stored = [&](const auto& c) { return replica_stored(self, c.partition); };
  auto damage = [&](const auto& c) { return self->state.ctx->node->damage.find(c.partition); };
  if (m.type == configure_replica::wire_name)
    replica_command_as<configure_replica>(self, m, crash_point::configure_command,
                                          [&](rep::token to, const auto& c) {
                                            return host.configure(to, c, stored(c), now, damage(c));
                                          });
  else if (m.type == seal_replica::wire_name)
    replica_command_as<seal_replica>(
        self, m, crash_point::seal_command,
        [&](rep::token to, const auto& c) { return host.seal(to, c, stored(c), now, damage(c)); });
  else if (m.type == drop_replica::wire_name)
    replica_command_as<drop_replica>(
        self, m, crash_point::drop_command,
        [&](rep::token to, const auto& c) { return host.drop(to, c, stored(c), now); });
  else if (m.type == rewind_replica::wire_name)
    replica_command_as<rewind_replica>(
        self, m, crash_point::rewind_command,
        [&](rep::token to, const auto& c) { return host.rewind(to, c, stored(c), now); });
  else
    tell<node_link_actor>(self, self->state.ctx, names::node_link,
                          send_to_centre{wire::make_error(m.id, {errc::unsupported, m.type})});
}

void replica_outcomes(replica_self self) {
  auto now = self->clock().now();
  auto& host = *self->state.host;
  for (auto& o : self->state.writer->take_outcomes()) switch (o.what) {
    case store_task::write: replica_carry(self, host.written(o.id, o.written, now)); break;
    case store_task::drop: replica_carry(self, host.dropped(o.id, o.journalled, now)); break;
    case store_task::rewind: replica_carry(self, host.rewound(o.id, o.rewound, now)); break;
    }
}

void replica_tick(replica_self self) {
  auto& s = self->state;
  auto now = self->clock().now();
  replica_outcomes(self); // a poke may have been lost while this actor was not in the directory
  replica_carry(self, s.host->tick(now));
  bool due = now >= s.report_due;
  bool news = s.report_wanted || s.copies_seen != s.ctx->node->copies.changes();
  if (due || news) replica_report_now(self, now); // many changes at once are one report
  if (due) {
    auto& node = *s.ctx->node;
    tell<telemetry_publisher_actor>(self, s.ctx, names::telemetry_publisher,
                                    gauge_reading{"store.write_ms", node.store_write_ms});
    tell<telemetry_publisher_actor>(
        self, s.ctx, names::telemetry_publisher,
        gauge_reading{"store.queue", static_cast<double>(node.store_queue)});
  }
  self->delayed_send(self, replica_server_state::tick_period, tick{s.round});
}

show_reply replica_show(replica_self self) {
  auto rows = nlohmann::json::array();
  for (const auto& r : replica_all_reports(self, self->clock().now()))
    rows.push_back({to_string(r.partition), name_of(r.role), name_of(r.state), r.epoch.value,
                    to_string(r.version), r.records, r.size_bytes, r.lag_ms, r.writes_per_s,
                    r.failure});
  nlohmann::json out{{"columns",
                      {"partition", "role", "state", "epoch", "version", "records", "bytes",
                       "lag_ms", "writes_per_s", "failure"}},
                     {"rows", rows}};
  return {out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

constexpr size_t conflicts_shown_max = 1000;

/// The conflict journal (P4): what replicas that lost a failover held beyond the true history.
show_reply replica_show_conflicts(replica_self self) {
  auto entries = self->state.ctx->node->store->conflicts(conflicts_shown_max);
  if (!entries) return {tl::unexpected<error>(entries.error())};
  auto rows = nlohmann::json::array();
  for (const auto& e : *entries)
    rows.push_back({to_string(e.partition), to_string(e.entry.version), e.entry.batch.ops.size()});
  nlohmann::json out{{"columns", {"partition", "version", "operations"}}, {"rows", rows}};
  return {out.dump()};
}

} // namespace

replica_server_actor::behavior_type replica_server(replica_self self, context_ptr ctx) {
  auto& s = self->state;
  auto now = self->clock().now();
  auto& node = *ctx->node;
  s.ctx = ctx;
  // Larger than any id of an earlier incarnation: late replies to those find nobody.
  auto first_id =
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  s.host = std::make_unique<rep::replica_host>(
      ctx->config->node.id, replica_limits(ctx->config->replica), node.proposals, first_id);
  s.host->load(node.store->heads(), now);
  s.writer = std::make_unique<store_writer>(
      node.store,
      [ctx] { tell_from_outside<replica_server_actor>(ctx, names::replica_server, tick{0}); },
      node.store_write_ms, node.store_queue, node.commits);
  s.round = 1;
  s.report_due = now;
  self->send(self, tick{s.round});
  return {
      [=](const data_request& request) { replica_request(self, request); },
      [=](const peer_reply& reply) {
        auto answer = wire::read_frame<append_ok>(reply.message);
        replica_carry(
            self, self->state.host->append_answered(reply.message.id, answer, self->clock().now()));
      },
      [=](const centre_command& command) { replica_command(self, command.message); },
      [=](const replica_unsound& m) {
        replica_carry(self, self->state.host->give_up(m.partition, m.why,
                                                      replica_stored(self, m.partition),
                                                      self->clock().now()));
      },
      [=](const tick& t) {
        if (t.round == 0)
          replica_outcomes(self);
        else if (t.round == self->state.round)
          replica_tick(self);
      },
      [=](const show_request& m) {
        return m.topic == "conflicts" ? replica_show_conflicts(self) : replica_show(self);
      },
  };
}

} // namespace harbinger
