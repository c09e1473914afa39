#pragma once

/// When nodes fail, together with whom, and for how long. Pure.

#include <array>
#include <string>
#include <vector>

#include "fleet/topology.hpp"
#include "simulate/random_stream.hpp"

namespace harbinger::simulate {

enum class failure_cause : uint8_t {
  node,     ///< by itself
  rack,     ///< with its rack: switch, cooling
  power,    ///< with everybody on its power feed
  firmware, ///< one of those with the same firmware, within some minutes
};
constexpr auto enum_names(failure_cause) { return std::array{"node", "rack", "power", "firmware"}; }
inline constexpr size_t causes = 4;

struct failure {
  double at_s = 0;
  double down_s = 0; ///< then it is back, with what it had on its disk
  node_number node = 0;
  failure_cause cause = failure_cause::node;
  uint32_t event = 0; ///< failures of one event have one cause

  double back_s() const { return at_s + down_s; }
  friend bool operator==(const failure&, const failure&) = default;
};

/// Events of each cause come independently, at a constant rate (Poisson). Sources of the numbers:
/// docs/SIMULATION.md.
struct failure_options {
  double mtbf_days = 365;   ///< of a node, all causes together
  double correlated = 0.37; ///< share of failures that come with others of the same cause
  /// Shares of those
  double by_rack = 0.55, by_power = 0.35, by_firmware = 0.10;
  /// Of the nodes with the version; the others have not met what brings it down
  double firmware_hit = 0.01;
  double firmware_within_s = 600;
};

/// By time, then node; a node that is down already does not fail, but may stay down longer. Takes
/// its domains from the attributes "rack", "power" and "firmware".
std::vector<failure> failures_of(const failure_options& options, const topology& nodes, double days,
                                 uint64_t seed);

/// Puts them in order and merges failures of a node that is down already into the first.
void settle(std::vector<failure>& failures);

/// How long the event keeps a node down, drawn once for all its nodes (rack, power) or for each.
double repair_s(failure_cause cause, random_stream& random);

} // namespace harbinger::simulate
