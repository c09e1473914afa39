#include <csignal>

#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

BOOST_AUTO_TEST_CASE(
    a_cluster_serves_writes_and_reads_and_ends_at_sigterm_without_leaving_anything) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 200);
  live.require_nothing_lost(traffic);
  BOOST_TEST(traffic.counts().reads > 0u);

  std::vector<pid_t> pids{live.cluster->central().pid()};
  for (auto& node : live.cluster->nodes()) pids.push_back(node.daemon.pid());
  BOOST_TEST(live.cluster->stop(seconds(10)));
  for (auto pid : pids) BOOST_TEST(::kill(pid, 0) != 0);
}

BOOST_AUTO_TEST_CASE(
    a_node_killed_under_load_loses_nothing_and_its_partitions_get_their_replicas_back) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 200);
  live.kill(1);
  live.require_full();
  live.require_progress(traffic, 200);
  live.require_nothing_lost(traffic);
}

BOOST_AUTO_TEST_CASE(a_killed_node_that_comes_back_takes_part_again) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 100);
  auto victim = live.kill(0);
  live.require(live.cluster->start_node(0));
  live.require_state(victim, node_state::up);
  live.require_full();
  live.require_progress(traffic, 100);
  live.require_nothing_lost(traffic);
}

BOOST_AUTO_TEST_CASE(writes_go_on_without_the_centre_and_it_goes_on_from_its_catalog) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 100);
  live.cluster->central().signal(SIGKILL);
  BOOST_REQUIRE(live.cluster->central().wait(seconds(5)).has_value());
  live.require_progress(traffic, 100);
  live.require(live.cluster->start_central());
  live.require_full();
  // it is really back: it notices a death and acts
  live.kill(2);
  live.require_full();
  live.require_nothing_lost(traffic);
}
