#include "actors/event_publisher.hpp"

#include <charconv>
#include <stdexcept>

#include <spdlog/spdlog.h>

#include "app/event_files.hpp"
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

show_reply show_events(const event_log& log, const show_request& wanted) {
  if (wanted.topic != "events")
    return {fail(errc::not_found, "event_publisher shows events, not " + wanted.topic)};
  auto since = number_word(wanted.words, 0, 0);
  if (!since) return {tl::unexpected<error>(since.error())};
  auto limit = number_word(wanted.words, 1, events_listed_by_default);
  if (!limit) return {tl::unexpected<error>(limit.error())};
  return {log.list(*since, *limit)};
}

/// Segments are compressed beside, so that no event waits for it.
void pack_closed_segments(event_publisher_actor::stateful_pointer<event_publisher_state> self,
                          const context_ptr& ctx) {
  self->spawn<caf::detached>([directory = ctx->config->state_dir](caf::event_based_actor*) {
    if (auto packed = event_files::pack_closed(directory); !packed)
      spdlog::warn("events_not_packed error=\"{}\"", to_string(packed.error()));
  });
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
      [=](const show_request& wanted) { return show_events(*self->state.log, wanted); },
  };
}

} // namespace harbinger
