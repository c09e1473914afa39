#pragma once

/// One partition's primary dies, again and again: the part of `bench failover` about sizes.

#include "bench.hpp"

#include "app/client.hpp"

namespace harbinger {

/// Looks far more often than a client at work would: it is there to see the moment.
client_options sharp_client();

/// All in ms after the verdict, ascending.
struct promotion_figures {
  std::vector<double> reads, writes; ///< to the first served one
  std::vector<double> rebuilds;      ///< the partition made from mass storage instead: full rebuild
};

/// Two nodes, a volume of one partition of `bytes` with a replica on each; the primary is killed
/// `deaths` times, and comes back each time; then it is rebuilt `rebuilds` times (0: no checkpoints
/// are made meanwhile). no_space: the disk has no room for it.
result<promotion_figures> measure_promotion(uint64_t bytes, uint32_t deaths, uint32_t rebuilds,
                                            const std::function<void(const std::string&)>& say);

} // namespace harbinger
