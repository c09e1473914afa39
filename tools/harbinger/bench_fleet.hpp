#pragma once

/// One node among three dies that has a replica of every partition of a large volume: the part of
/// `bench failover` about many partitions.

#include "bench.hpp"

namespace harbinger {

struct fleet_figures {
  size_t partitions = 0;  ///< that had a replica on the dead node
  size_t primaries = 0;   ///< of these, that had their primary there
  double detect_ms = 0;   ///< death to verdict
  double promoted_ms = 0; ///< verdict to the last primary at work, as the centre measured it
  double served_ms = 0;   ///< verdict to the last partition's first answer
  double half_ms = 0;     ///< and to the half of them
};

enum class fleet_probe : uint8_t { read, write };

/// `on_a_node` partitions with a replica on each node; a record each; then n1 is killed and every
/// partition of it asked for a read, or a durable write, until it answers.
result<fleet_figures> measure_fleet(uint32_t on_a_node, fleet_probe how,
                                    const std::function<void(const std::string&)>& say);

} // namespace harbinger
