#pragma once

/// A made-up cluster for bench_plan: ten thousand nodes, a million partitions with two replicas
/// each in different racks, log-normal sizes, and risks of some nodes.

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "core/settings.hpp"
#include "fleet/fleet.hpp"
#include "messages/risk.hpp"

namespace harbinger {

struct large_fleet_options {
  size_t nodes = 10'000;
  size_t partitions = 1'000'000;
  size_t rack_nodes = 40;   ///< a rack
  size_t power_nodes = 400; ///< a power feed
  double at_risk = 0.01;    ///< share of nodes; a whole rack first, the others anywhere
  bool mixed = false;       ///< capacities of 1, 2 and 4 TiB instead of 2
  uint64_t seed = 1;
};

struct large_fleet {
  std::map<node_id, node_row> rows;
  std::unique_ptr<fleet> cluster;
  std::vector<node_risk> risks; ///< of every node, by id
  double fill_ms = 0.0;         ///< what taking it all into the fleet took
};
large_fleet make_large_fleet(const large_fleet_options& options);

/// Resident memory of this process now, bytes.
size_t resident_bytes();

} // namespace harbinger
