#pragma once

/// A node is emptied before it is taken down, beside one that dies: the part of `bench failover`
/// about hand-overs.

#include "bench.hpp"

namespace harbinger {

/// The longest time between two durable writes of one client, of each partition that the node led,
/// in ms, ascending.
struct hand_over_figures {
  std::vector<double> planned; ///< maintenance begins: handed over, copied, and the node leaves
  std::vector<double> deaths;  ///< killed instead
  std::vector<double> before;  ///< in 2 s in which nothing happens
};

/// Four nodes, a volume of two replicas, a writer without pause on each partition of one node; that
/// is once emptied and once killed in each round.
result<hand_over_figures> measure_hand_over(uint32_t rounds,
                                            const std::function<void(const std::string&)>& say);

} // namespace harbinger
