#pragma once

#include <memory>
#include <optional>

#include "actors/context.hpp"
#include "app/event_log.hpp"
#include "net/reactor.hpp"

namespace harbinger {

/// Numbers and keeps events (both roles); publishes events, zone maps and map changes on topics
/// "event", "zones" and "map" (central). Restarted, it goes on numbering from its file; subscribers
/// stay connected. The first of a life of the centre says that it began. Questions to the whole
/// journal (app/event_past.hpp) are answered by helpers that read the files beside.
struct event_publisher_state {
  static constexpr const char* name = "event_publisher";
  static constexpr long readers_max = 4; ///< such helpers at once; more questions are refused
  std::optional<event_log> log;
  std::unique_ptr<net::reactor> out;                      ///< null on a node
  std::shared_ptr<int> readers = std::make_shared<int>(); ///< held by each helper
};

event_publisher_actor::behavior_type
event_publisher(event_publisher_actor::stateful_pointer<event_publisher_state> self,
                context_ptr ctx);

} // namespace harbinger
