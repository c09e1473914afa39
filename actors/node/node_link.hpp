#pragma once

/// Owns the DEALER to the centre: hello, heartbeats, reports; commands in. Spawn detached:
/// heartbeats must not wait for a worker.
///
/// Probes of other nodes are made and answered here, without the help of another actor: their
/// answer decides about a verdict. Round-trip times for the reports come as gauge_reading with the
/// metric "rtt/<node>".

#include <map>
#include <memory>
#include <mutex>

#include "actors/context.hpp"
#include "net/reactor.hpp"
#include "replica/centre_link.hpp"

namespace harbinger {

struct node_link_state {
  static constexpr const char* name = "node_link";
  static constexpr auto tick_period = milliseconds(20);
  static constexpr size_t probes_max = 256; ///< under way; beyond it overloaded

  struct probe {
    uint64_t command = 0;
    node_address target;
    time_point begun, until;
  };
  std::mutex mutex; ///< guards link and probes: used by this actor and by the reactor's thread
  std::unique_ptr<centre_link> link;
  std::map<uint64_t, probe> probes;
  uint64_t last_probe = 0;
  uint64_t round = 0;
  size_t socket = 0;
  std::unique_ptr<net::reactor> reactor; ///< last: its thread ends before what it uses
};

/// `ctx->node` must be there.
node_link_actor::behavior_type node_link(node_link_actor::stateful_pointer<node_link_state> self,
                                         context_ptr ctx);

} // namespace harbinger
