#pragma once

/// The smallest simulated clusters, and one partition that is followed through what happens to it.

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "simulate/simulation.hpp"

namespace harbinger::test {

using namespace harbinger::simulate;

inline simulation_options three_nodes() {
  simulation_options o;
  o.site.nodes = 3;
  o.site.partitions = 2;
  o.site.nodes_per_rack = o.site.racks_per_feed = 1;
  o.days = 1;
  o.rules.zones.domains = {};
  return o;
}
/// Where the only replicas of a laid out partition are.
inline std::vector<holder> holders(const simulation_options& o, partition_number p) {
  fleet cluster;
  BOOST_REQUIRE(lay_out(cluster, o.site, o.rules.placement.spread, o.seed));
  auto list = cluster.partition(p).holders.get();
  return {list.begin(), list.end()};
}
inline node_number primary(const std::vector<holder>& list) {
  return std::find_if(list.begin(), list.end(),
                      [](const holder& h) { return h.kind == holding_kind::primary; })
      ->node;
}

/// On two of three nodes; what is said of them is added by alarm().
struct one_partition {
  simulation_options o = three_nodes();
  prediction scores;
  node_number first = no_number, second = no_number;

  one_partition() {
    o.site.partitions = 1;
    look();
  }
  void look() {
    auto list = holders(o, 0);
    first = primary(list);
    second = list[0].node == first ? list[1].node : list[0].node;
  }
  void alarm(double at_s, node_number n, double probability = 0.95) {
    scores.changes.push_back({at_s, n, probability});
  }
  accounts play(const std::vector<failure>& failures) const {
    auto a = simulate::simulate(o, failures, scores);
    BOOST_REQUIRE(a);
    return *a;
  }
};

} // namespace harbinger::test
