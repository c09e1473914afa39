#include "actors/node/replica_server.hpp"

#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/replica_reads.hpp"
#include "actors/node/replica_reports.hpp"
#include "actors/node/replica_watch.hpp"
#include "actors/node/resources.hpp"
#include "actors/node/snapshot_server.hpp"
#include "core/crash_points.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

namespace rep = replication;

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
  if (auto port = self->state.ctx->node->port())
    port->reply({to.socket, to.peer, std::move(message)});
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

void replica_tell_changes(replica_self self, const rep::watch_desk::answers& answers) {
  for (const auto& a : answers) {
    counter(self->state.ctx, "harbinger_client_watches_total", "questions for changes answered",
            {{"outcome", a.reply ? "ok" : std::string(to_string(a.reply.error().code))}})
        .Increment();
    replica_answer_data(self, a.to, a.reply);
  }
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
  if (auto port = self->state.ctx->node->port())
    port->request({a.to.endpoint, wire::make_frame(a.request, a.message), names::replica_server});
}

void replica_do(replica_self self, rep::send_lease& a) {
  if (auto port = self->state.ctx->node->port())
    port->request({a.to.endpoint, wire::make_frame(a.request, a.message), names::replica_server});
}

void replica_do(replica_self self, rep::answer_append& a) {
  if (a.answer) reach(crash_point::append_answer);
  replica_answer_data(self, a.to, a.answer);
}

void replica_do(replica_self self, rep::answer_put& a) {
  if (a.answer) reach(crash_point::put_answer);
  auto outcome = !a.answer            ? to_string(a.answer.error().code)
                 : a.answer->repeated ? std::string_view("repeated")
                                      : std::string_view("ok");
  auto& counted = self->state.answered[outcome]; // its registry takes long to search
  if (!counted)
    counted = &counter(self->state.ctx, "harbinger_client_writes_total", "write batches answered",
                       {{"outcome", std::string(outcome)}});
  counted->Increment();
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

void replica_request(replica_self self, const data_request& request,
                     rep::replica_host::put_requests& puts) {
  auto& s = self->state;
  const auto& m = request.message;
  replica_server_state::data_asker asker{request.socket, request.peer, m.id};
  auto refuse = [&](const error& e) { replica_reply(self, asker, wire::make_error(m.id, e)); };
  if (auto answer = replica_read(self, m)) return replica_reply(self, asker, std::move(*answer));
  if (m.type == lease_request::wire_name) {
    auto ask = wire::decode<lease_request>(m.body);
    if (!ask) return refuse(ask.error());
    return replica_reply(self, asker,
                         replica_frame(m.id, s.host->lease(*ask, self->clock().now())));
  }
  if (s.askers.size() >= replica_askers_max)
    return refuse({errc::overloaded, "too many requests under way"});
  if (m.type == put_request::wire_name) {
    auto ask = wire::decode<put_request>(m.body);
    if (!ask) return refuse(ask.error());
    puts.emplace_back(replica_note_asker(self, request), std::move(*ask));
  } else if (m.type == append_request::wire_name) {
    auto ask = wire::decode<append_request>(m.body);
    if (!ask) return refuse(ask.error());
    auto head = replica_stored(self, ask->partition);
    replica_carry(
        self, s.host->append(replica_note_asker(self, request), *ask, head, self->clock().now()));
  } else if (m.type == watch_request::wire_name) {
    auto ask = wire::decode<watch_request>(m.body);
    if (!ask) return refuse(ask.error());
    replica_tell_changes(self,
                         replica_watch(self, replica_note_asker(self, request), std::move(*ask)));
  } else {
    refuse({errc::unsupported, m.type});
  }
}

/// Puts that came in together are proposed together.
void replica_requests(replica_self self, const std::vector<data_request>& requests) {
  rep::replica_host::put_requests puts;
  for (const auto& request : requests) replica_request(self, request, puts);
  if (!puts.empty())
    replica_carry(self, self->state.host->put(std::move(puts), self->clock().now()));
}

/// To an append or to leases: their ids differ, so that an error finds whom it is for.
void replica_answered(replica_self self, const wire::frame& m) {
  auto& host = *self->state.host;
  auto now = self->clock().now();
  if (m.type != append_ok::wire_name)
    replica_carry(self, host.lease_answered(m.id, wire::read_frame<lease_ok>(m), now));
  if (m.type != lease_ok::wire_name)
    replica_carry(self, host.append_answered(m.id, wire::read_frame<append_ok>(m), now));
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
    case store_task::write:
      if (o.written) tell_of_commit(self->state.ctx, o.written->head.partition);
      replica_carry(self, host.written(o.id, o.written, now));
      if (o.written)
        replica_tell_changes(self, replica_watch_committed(self, o.written->head.partition));
      break;
    case store_task::drop: replica_carry(self, host.dropped(o.id, o.journalled, now)); break;
    case store_task::rewind: replica_carry(self, host.rewound(o.id, o.rewound, now)); break;
    }
}

void replica_tick(replica_self self) {
  auto& s = self->state;
  auto now = self->clock().now();
  replica_outcomes(self); // a poke may have been lost while this actor was not in the directory
  replica_requests(self, s.ctx->node->inbox.take());
  replica_carry(self, s.host->tick(now));
  replica_tell_changes(self, replica_watch_tick(self));
  bool due = now >= s.report_due;
  bool news =
      now >= s.news_due && (s.report_wanted || s.copies_seen != s.ctx->node->copies.changes());
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
      [=](const peer_reply& reply) { replica_answered(self, reply.message); },
      [=](const centre_command& command) { replica_command(self, command.message); },
      [=](const replica_unsound& m) {
        replica_carry(self, self->state.host->give_up(m.partition, m.why,
                                                      replica_stored(self, m.partition),
                                                      self->clock().now()));
      },
      [=](const tick& t) {
        if (t.round == 0) {
          replica_outcomes(self);
          replica_requests(self, self->state.ctx->node->inbox.take());
        } else if (t.round == self->state.round) {
          replica_tick(self);
        }
      },
      [=](const show_request& m) {
        return m.topic == "conflicts" ? replica_show_conflicts(self) : replica_show(self);
      },
  };
}

} // namespace harbinger
