#pragma once

/// The cluster that is simulated, before anything happens: nodes and what they share, partitions,
/// their sizes and traffic, and who holds them. Pure.

#include <string>
#include <vector>

#include "core/result.hpp"
#include "fleet/fleet.hpp"

namespace harbinger::simulate {

struct site_options {
  uint32_t nodes = 10'000;
  uint32_t partitions = 1'000'000;
  uint32_t replicas = 2;
  uint32_t nodes_per_rack = 40;
  uint32_t racks_per_feed = 10; ///< on one power feed
  uint32_t firmwares = 4;       ///< versions in use; which node has which is chance
  uint64_t capacity_bytes = 64ull << 30;
  double mean_size_bytes = 64 << 20;     ///< of a partition's metadata; log-normal, sigma 1
  double mean_change_bytes_per_s = 1024; ///< of a partition; log-normal, sigma 1.5
  double mean_requests_per_s = 10;       ///< of a partition; grows with its changes
};
inline constexpr double size_sigma = 1.0, traffic_sigma = 1.5;
/// The rate of requests is so much above its mean at 15:00 and below it at 03:00.
inline constexpr double daily_swing = 0.5;
inline constexpr uint32_t nodes_most = 100'000, partitions_most = 10'000'000;

/// Nodes are named n000000 ...; rack and feed follow their number. Attributes "rack", "power" and
/// "firmware".
std::vector<node_row> nodes_of(const site_options& options, uint64_t seed);

/// All nodes up, each partition on `replicas` of them: primaries evenly, then secondaries on the
/// less loaded of two random nodes that share no value of the `spread` attributes with the others
/// (if such can be found). Sizes and rates of change are known to the fleet. Partition p has number
/// p. invalid_argument: what is asked for can not be.
result<> lay_out(fleet& cluster, const site_options& options,
                 const std::vector<std::string>& spread, uint64_t seed);

/// Requests that come in from `from_s` to `to_s` where the mean is 1/s.
double requests_between(double from_s, double to_s);

} // namespace harbinger::simulate
