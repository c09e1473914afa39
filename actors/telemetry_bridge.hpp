#pragma once

/// Owns the SUB socket for telemetry. Decodes on the reactor's thread, collects while the ingestor
/// is busy, hands on. Holds no state worth keeping: what is on its way when it dies is counted as
/// lost by the gate.

#include <memory>

#include "actors/context.hpp"
#include "net/reactor.hpp"

namespace harbinger {

/// Between the reactor's thread and the actor.
class telemetry_inbox;

struct telemetry_bridge_state {
  static constexpr const char* name = "telemetry_bridge";
  std::shared_ptr<telemetry_inbox> inbox;
  std::unique_ptr<net::reactor> reactor;
  ~telemetry_bridge_state() {
    if (reactor) reactor->stop();
  }
};

/// Ends with an exception when the endpoint can not be bound. Show: "telemetry" (an object of
/// counters).
telemetry_bridge_actor::behavior_type
telemetry_bridge(telemetry_bridge_actor::stateful_pointer<telemetry_bridge_state> self,
                 context_ptr ctx);

} // namespace harbinger
