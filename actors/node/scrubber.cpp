#include "actors/node/scrubber.hpp"

#include <bit>
#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "scrub/sources.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

using scrubber_self = scrubber_actor::stateful_pointer<scrubber_state>;
namespace scrubs = scrubbing;

scrubs::limits scrub_limits(const settings& config) {
  scrubs::limits out;
  out.rate_bytes_per_s = config.scrub.rate_bytes_per_s;
  out.pause = seconds(config.scrub.pause_s);
  return out;
}

std::optional<scrubs::replica> scrub_replica(scrubber_self self, partition_id partition) {
  const auto& ctx = self->state.ctx;
  auto head = ctx->node->store->head(partition);
  if (!head) return std::nullopt;
  return scrubs::replica_of(*head, ctx->config->node.id, ctx->node->copies.sources(partition));
}

void scrub_step(scrubber_self self, const scrubs::event& what);

// ------------------------------------------------------------------------------------------------
// actions

void scrub_do(scrubber_self self, const scrubs::list_replicas&) {
  scrubs::listing all;
  for (const auto& head : self->state.ctx->node->store->heads())
    all.replicas.push_back(
        {head.partition, head.role, head.state, head.version, head.size_bytes, {}});
  scrub_step(self, all);
}

void scrub_do(scrubber_self self, const scrubs::check_more& a) {
  auto& s = self->state;
  if (a.begin || !s.check) {
    auto snapshot = s.ctx->node->store->open_snapshot(a.partition);
    if (!snapshot)
      return scrub_step(self, scrubs::page_checked{tl::unexpected<error>(snapshot.error()), {}});
    s.check = std::make_unique<bucket_check>(*snapshot);
  }
  scrubs::page_checked page{s.check->step(a.bytes_max), {}};
  if (page.read && page.read->done) page.findings = s.check->findings();
  if (!page.read || page.read->done) s.check.reset(); // lets go of the snapshot
  scrub_step(self, page);
}

void scrub_do(scrubber_self self, const scrubs::ask& a) {
  auto message = std::visit([&](const auto& m) { return wire::make_frame(a.id, m); }, a.message);
  tell<data_bridge_actor>(self, self->state.ctx, names::data_bridge,
                          peer_request{a.endpoint, std::move(message), names::scrubber});
}

void scrub_do(scrubber_self self, const scrubs::mend& a) {
  auto outcome = self->state.ctx->node->store->repair(a.partition, a.from, a.buckets, a.rows);
  if (outcome)
    spdlog::warn("scrub_mended partition={} from={} buckets=\"{}\" records={} head_wrong={}",
                 to_string(a.partition), to_string(a.from), scrubs::buckets_text(a.buckets),
                 outcome->records, outcome->head_wrong);
  else
    spdlog::warn("scrub_not_mended partition={} from={} error=\"{}\"", to_string(a.partition),
                 to_string(a.from), to_string(outcome.error()));
  scrub_step(self, scrubs::mended{std::move(outcome)});
}

void scrub_do(scrubber_self self, const scrubs::hold& a) {
  self->state.ctx->node->damage.note(a.partition, a.why);
}

void scrub_do(scrubber_self self, const scrubs::release& a) {
  self->state.ctx->node->damage.erase(a.partition);
}

void scrub_do(scrubber_self self, const scrubs::give_up& a) {
  tell<replica_server_actor>(self, self->state.ctx, names::replica_server,
                             replica_unsound{a.partition, a.why});
}

void scrub_do(scrubber_self self, const scrubs::raise& a) {
  auto fields = a.fields;
  fields["node"] = self->state.ctx->config->node.id.value;
  raise_event(self, self->state.ctx, a.level, a.kind, to_string(a.partition), a.text,
              std::move(fields));
}

nlohmann::json scrub_row(scrubber_self self, partition_id partition, const scrubs::row& r) {
  nlohmann::json age = nullptr;
  if (r.checked_at) age = std::floor(to_seconds(self->clock().now() - *r.checked_at));
  return {to_string(partition),
          name_of(r.role),
          to_string(r.version),
          r.records,
          r.size_bytes,
          r.result,
          std::popcount(r.damaged),
          r.mended_records,
          age};
}

show_reply scrub_table(scrubber_self self, const std::set<partition_id>* only) {
  auto rows = nlohmann::json::array();
  for (const auto& [partition, r] : self->state.logic->rows())
    if (!only || only->contains(partition)) rows.push_back(scrub_row(self, partition, r));
  nlohmann::json out{{"columns",
                      {"partition", "role", "version", "records", "bytes", "result",
                       "damaged_buckets", "mended_records", "checked_s_ago"}},
                     {"rows", rows}};
  return {out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

void scrub_do(scrubber_self self, const scrubs::finished& a) {
  auto& askers = self->state.askers;
  for (auto& asker : askers) {
    asker.open.erase(a.partition);
    if (asker.open.empty()) asker.promise.deliver(scrub_table(self, &asker.wanted));
  }
  std::erase_if(askers, [](const auto& asker) { return asker.open.empty(); });
}

void scrub_step(scrubber_self self, const scrubs::event& what) {
  auto& s = self->state;
  auto busy = s.logic->busy_with();
  auto held = busy ? scrub_replica(self, *busy) : std::nullopt;
  for (const auto& action : s.logic->step(what, held, self->clock().now()))
    std::visit([&](const auto& a) { scrub_do(self, a); }, action);
}

// ------------------------------------------------------------------------------------------------
// messages

void scrub_count(scrubber_self self) {
  auto& s = self->state;
  const auto& now = s.logic->sums();
  auto grow = [&](const char* name, const char* help, uint64_t scrubs::totals::*field) {
    counter(s.ctx, name, help).Increment(static_cast<double>(now.*field - s.counted.*field));
  };
  grow("harbinger_scrub_checks_total", "checks of a replica's records", &scrubs::totals::checks);
  grow("harbinger_scrub_bytes_total", "keys and values checked", &scrubs::totals::bytes);
  grow("harbinger_scrub_damaged_buckets_total", "buckets found damaged",
       &scrubs::totals::damaged_buckets);
  grow("harbinger_scrub_mended_buckets_total", "buckets found sound after a repair",
       &scrubs::totals::mended_buckets);
  grow("harbinger_scrub_mended_records_total", "records put, replaced or removed by repairs",
       &scrubs::totals::mended_records);
  grow("harbinger_scrub_given_up_total", "damaged replicas that could not be mended",
       &scrubs::totals::given_up);
  gauge(s.ctx, "harbinger_scrub_damaged_replicas", "replicas known to be damaged now")
      .Set(static_cast<double>(s.logic->held_count()));
  s.counted = now;
}

void scrub_answered(scrubber_self self, const wire::frame& m) {
  scrubs::answered answer{m.id, error{}};
  auto take = [&](auto message) {
    if (message)
      answer.message = std::move(*message);
    else
      answer.message = message.error();
  };
  if (m.type == snapshot_chunk::wire_name)
    take(wire::read_frame<snapshot_chunk>(m));
  else
    take(wire::read_frame<snapshot_opened>(m)); // also errors
  scrub_step(self, answer);
}

show_reply scrub_totals(scrubber_self self) {
  const auto& t = self->state.logic->sums();
  return {nlohmann::json{{"checks", t.checks},
                         {"bytes", t.bytes},
                         {"damaged_buckets", t.damaged_buckets},
                         {"mended_buckets", t.mended_buckets},
                         {"mended_records", t.mended_records},
                         {"given_up", t.given_up},
                         {"damaged_now", self->state.logic->held_count()}}
              .dump()};
}

caf::result<show_reply> scrub_verify(scrubber_self self, const std::vector<std::string>& words) {
  auto& s = self->state;
  scrubber_state::asker asker;
  for (const auto& head : s.ctx->node->store->heads()) asker.wanted.insert(head.partition);
  if (!words.empty()) {
    auto partition = parse_partition_id(words[0]);
    if (!partition || words.size() > 1)
      return show_reply{fail(errc::invalid_argument, "usage: verify [PARTITION]")};
    if (!asker.wanted.contains(*partition))
      return show_reply{fail(errc::not_found, "no replica of " + words[0] + " is here")};
    asker.wanted = {*partition};
  }
  if (asker.wanted.empty()) return scrub_table(self, &asker.wanted);
  if (s.askers.size() >= scrubber_state::askers_max)
    return show_reply{fail(errc::overloaded, "too many wait for a check")};
  asker.open = asker.wanted;
  s.logic->demand({asker.wanted.begin(), asker.wanted.end()});
  asker.promise = self->make_response_promise<show_reply>();
  s.askers.push_back(asker);
  self->send(self, tick{++s.round});
  return asker.promise;
}

void scrub_tick(scrubber_self self) {
  auto& s = self->state;
  scrub_step(self, scrubs::clock_tick{});
  scrub_count(self);
  auto rest = s.logic->rest(self->clock().now());
  if (rest <= duration::zero())
    self->send(self, tick{++s.round});
  else
    self->delayed_send(self, rest, tick{++s.round});
}

} // namespace

scrubber_actor::behavior_type scrubber(scrubber_self self, context_ptr ctx) {
  auto& s = self->state;
  s.ctx = ctx;
  s.logic = std::make_unique<scrubs::scrubber>(scrub_limits(*ctx->config));
  s.logic->resume(ctx->node->damage.all());
  self->send(self, tick{s.round});
  return {
      [=](const peer_reply& reply) { scrub_answered(self, reply.message); },
      [=](const tick& t) {
        if (t.round == self->state.round) scrub_tick(self);
      },
      [=](const show_request& m) -> caf::result<show_reply> {
        if (m.topic == "verify") return scrub_verify(self, m.words);
        if (m.words.empty()) return scrub_table(self, nullptr);
        if (m.words[0] == "totals") return scrub_totals(self);
        return show_reply{fail(errc::invalid_argument, "usage: scrub [totals]")};
      },
  };
}

} // namespace harbinger
