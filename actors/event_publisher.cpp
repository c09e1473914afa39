#include "actors/event_publisher.hpp"

#include <charconv>
#include <stdexcept>

#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/resources.hpp"
#include "app/event_files.hpp"
#include "app/event_past.hpp"
#include "catalog/row_fields.hpp"
#include "explain/when.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

constexpr size_t events_listed_by_default = 100;

std::unique_ptr<net::reactor> bind_publisher(const std::string& endpoint) {
  auto out = std::make_unique<net::reactor>();
  auto added = out->add({.kind = net::socket_kind::publisher, .endpoint = endpoint, .bind = true});
  if (!added)
    throw std::runtime_error("endpoints.events " + endpoint + ": " + to_string(added.error()));
  out->start([](net::incoming&&) {});
  return out;
}

void log_event(const event& e) {
  auto level = e.level == severity::info      ? spdlog::level::info
               : e.level == severity::warning ? spdlog::level::warn
                                              : spdlog::level::err;
  spdlog::log(level, "event id={} kind={} subject={} text=\"{}\"", e.id, e.kind, e.subject, e.text);
}

result<uint64_t> number_word(const std::vector<std::string>& words, size_t index,
                             uint64_t otherwise) {
  if (index >= words.size()) return otherwise;
  uint64_t value = 0;
  const auto& word = words[index];
  auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc{} || end != word.data() + word.size())
    return fail(errc::invalid_argument,
                "\"" + word + "\" is not a number; wanted: events [SINCE-ID [LIMIT]]");
  return value;
}

using publisher_self = event_publisher_actor::stateful_pointer<event_publisher_state>;

show_reply show_events(const event_log& log, const show_request& wanted) {
  if (wanted.topic != "events")
    return {fail(errc::not_found, "event_publisher shows events, not " + wanted.topic)};
  auto since = number_word(wanted.words, 0, 0);
  if (!since) return {tl::unexpected<error>(since.error())};
  auto limit = number_word(wanted.words, 1, events_listed_by_default);
  if (!limit) return {tl::unexpected<error>(limit.error())};
  return {log.list(*since, *limit)};
}

// --- questions to the files ---

/// What the catalog's journal holds of the topic; zones are in none.
result<event_past::catalog_part> catalog_part_of(const context_ptr& ctx,
                                                 const explain::topic& about) {
  event_past::catalog_part out;
  if (!ctx->central || std::holds_alternative<zone_id>(about)) return out;
  const auto* partition = std::get_if<partition_id>(&about);
  auto journal = ctx->central->catalog->journal_of(partition ? to_string(*partition)
                                                             : std::get<node_id>(about).value);
  if (!journal) return tl::unexpected<error>(journal.error());
  out.changes = std::move(journal->changes);
  out.since_ms = journal->since.value;
  out.whole = journal->whole;
  if (!partition) return out;
  auto row = ctx->central->catalog->stored_partition(*partition);
  if (!row) return tl::unexpected<error>(row.error());
  if (*row) out.row_now = catalog::row_fields(**row);
  return out;
}

result<std::string> explain_past(const context_ptr& ctx, const show_request& wanted) {
  auto now_ms = ctx->wall_clock().value;
  auto asked = event_past::parse_question(wanted.words, now_ms);
  if (!asked) return tl::unexpected<error>(asked.error());
  auto catalog = catalog_part_of(ctx, asked->about);
  if (!catalog) return tl::unexpected<error>(catalog.error());
  return event_past::explain_at(ctx->config->state_dir, *asked, *catalog, now_ms);
}

/// {SINCE-ID, LIMIT, FROM, TO}; FROM and TO may be empty.
result<std::string> events_between(const context_ptr& ctx, const std::vector<std::string>& words) {
  auto since = number_word(words, 0, 0), limit = number_word(words, 1, events_listed_by_default);
  if (!since) return tl::unexpected<error>(since.error());
  if (!limit) return tl::unexpected<error>(limit.error());
  auto now_ms = ctx->wall_clock().value;
  auto from = explain::parse_when(words[2].empty() ? "0" : words[2], now_ms);
  auto to = explain::parse_when(words[3].empty() ? "now" : words[3], now_ms);
  if (!from) return tl::unexpected<error>(from.error());
  if (!to) return tl::unexpected<error>(to.error());
  return event_past::list_between(ctx->config->state_dir, *since, *limit, *from, *to);
}

/// Reads files beside, so that no event waits for it: the answer comes from a helper of its own.
caf::result<show_reply> ask_files(publisher_self self, const context_ptr& ctx,
                                  const show_request& wanted) {
  auto& readers = self->state.readers;
  if (readers.use_count() > event_publisher_state::readers_max)
    return show_reply{fail(errc::overloaded, "the journal is being read for others")};
  using reader = caf::typed_actor<caf::replies_to<show_request>::with<show_reply>>;
  auto place = std::make_shared<std::shared_ptr<int>>(readers); // one, however often it is copied
  auto read = [ctx, place](reader::pointer helper) -> reader::behavior_type {
    return {[=](const show_request& r) {
      helper->quit();
      (void)place;
      return show_reply{r.topic == "explain" ? explain_past(ctx, r) : events_between(ctx, r.words)};
    }};
  };
  return self->delegate(self->spawn<caf::detached>(read), wanted);
}

/// Segments are compressed beside, so that no event waits for it.
void pack_closed_segments(publisher_self self, const context_ptr& ctx) {
  self->spawn<caf::detached>([directory = ctx->config->state_dir](caf::event_based_actor*) {
    if (auto packed = event_files::pack_closed(directory); !packed)
      spdlog::warn("events_not_packed error=\"{}\"", to_string(packed.error()));
  });
}

/// For the journal: what follows was decided in another term, by a service that knew of no zones.
void tell_of_start(publisher_self self, const context_ptr& ctx) {
  if (ctx->role != daemon_role::central || ctx->version.empty()) return;
  if (ctx->start_told.exchange(true)) return;
  auto term = std::to_string(ctx->term.value);
  self->send(self, event{0,
                         {},
                         severity::info,
                         "centre_started",
                         "central",
                         "the centre begins term " + term + ", version " + ctx->version,
                         {{"term", term}, {"version", ctx->version}}});
}

} // namespace

event_publisher_actor::behavior_type
event_publisher(event_publisher_actor::stateful_pointer<event_publisher_state> self,
                context_ptr ctx) {
  auto& s = self->state;
  auto limit_bytes = uint64_t{ctx->config->events.limit_mib} << 20;
  auto log = event_log::open(ctx->config->state_dir, limit_bytes);
  if (!log) throw std::runtime_error(to_string(log.error()));
  if (log->unreadable() > 0) spdlog::warn("events_unreadable lines={}", log->unreadable());
  s.log.emplace(std::move(*log));
  tell_of_start(self, ctx);
  if (ctx->role == daemon_role::central) s.out = bind_publisher(ctx->config->endpoints.events);
  auto publish = [=](const char* topic, const auto& message) {
    if (self->state.out) self->state.out->send(0, topic, wire::make_frame(0, message));
  };
  return {
      [=](const event& raised) {
        auto added = self->state.log->add(raised, ctx->wall_clock());
        if (added.closed) pack_closed_segments(self, ctx);
        if (!added.written)
          counter(ctx, "harbinger_events_unwritten_total", "events kept in memory only")
              .Increment();
        counter(ctx, "harbinger_events_total", "events",
                {{"level", std::string{name_of(raised.level)}}})
            .Increment();
        log_event(added.stored);
        publish("event", added.stored);
      },
      [=](const zone_map& zones) { publish("zones", zones); },
      [=](const catalog_changed& changed) { publish("map", *changed.map); },
      [=](const show_request& wanted) -> caf::result<show_reply> {
        bool of_files =
            wanted.topic == "explain" || (wanted.topic == "events" && wanted.words.size() == 4);
        if (of_files) return ask_files(self, ctx, wanted);
        return show_events(*self->state.log, wanted);
      },
  };
}

} // namespace harbinger
