#pragma once

/// Round-trip times to peers by pings: whom to ping when, and what the answers say. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "messages/common.hpp"
#include "telemetry/host_sampler.hpp"

namespace harbinger::telemetry {

class peer_pings {
public:
  static constexpr size_t at_once_max = 16; ///< pings begun a step
  static constexpr size_t peers_max = 4096; ///< beyond it peers are not measured

  struct ping {
    std::string endpoint;
    uint64_t id = 0;
  };
  struct answer {
    node_id node;
    double rtt_ms = 0;
  };

  explicit peer_pings(duration timeout = seconds(1)) : timeout_(timeout) {}
  void set_timeout(duration timeout) { timeout_ = timeout; }

  /// Who there is to be pinged now. A peer with another endpoint than before starts over.
  void set_peers(const std::vector<node_address>& peers);
  /// Pings to send now: one a peer at a time, those waiting longest first. A ping without an answer
  /// within the timeout counts as unanswered.
  std::vector<ping> step(time_point now);
  /// A pong came. Nothing when nobody waits for it (late, or repeated).
  std::optional<answer> answered(uint64_t id, time_point now);
  /// Puts the newest answer of each peer into the readings; NaN when there is none.
  void read(outside_readings& out) const;

private:
  struct peer {
    std::string endpoint;
    uint64_t id = 0; ///< of the ping under way; 0: none
    time_point sent{};
    std::optional<double> rtt_ms; ///< newest answer
    bool unanswered = false;      ///< the newest completed ping
    bool completed = false;       ///< any ping at all
  };
  duration timeout_;
  std::map<node_id, peer> peers_;
  std::map<uint64_t, node_id> waiting_;
  uint64_t next_id_ = 1;
};

} // namespace harbinger::telemetry
