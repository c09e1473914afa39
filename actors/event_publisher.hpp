#pragma once

#include <memory>
#include <optional>

#include "actors/context.hpp"
#include "app/event_log.hpp"
#include "net/reactor.hpp"

namespace harbinger {

/// Numbers and keeps events (both roles); publishes events, zone maps and map changes on topics
/// "event", "zones" and "map" (central). Restarted, it goes on numbering from its file; subscribers
/// stay connected.
struct event_publisher_state {
  static constexpr const char* name = "event_publisher";
  std::optional<event_log> log;
  std::unique_ptr<net::reactor> out; ///< null on a node
};

event_publisher_actor::behavior_type
event_publisher(event_publisher_actor::stateful_pointer<event_publisher_state> self,
                context_ptr ctx);

} // namespace harbinger
