#pragma once

/// A real cluster for end-to-end tests: quick settings, no model to train, one volume. Ends, with
/// everything it started, with the test case.

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include <boost/test/results_collector.hpp>
#include <boost/test/unit_test.hpp>

#include "app/cluster.hpp"
#include "app/load.hpp"
#include "app/quick_settings.hpp"

namespace harbinger::testing {

struct live_cluster {
  static constexpr const char* volume = "files";
  static constexpr uint32_t partitions = 6;
  std::unique_ptr<harbinger::cluster> cluster;

  /// `central`, `node`: their configuration beyond the quick settings.
  explicit live_cluster(uint32_t nodes = 4, bool with_trouble = false,
                        const std::map<std::string, std::string>& central = {},
                        const std::map<std::string, std::string>& node = {}) {
    cluster_options options;
    options.with_trouble = with_trouble;
    options.programs = HARBINGER_BIN_DIR;
    options.keep = std::getenv("HARBINGER_KEEP_CLUSTER") != nullptr; // to look into
    options.nodes = nodes;
    options.central = quick_central_settings();
    for (const auto& [key, value] : central) options.central[key] = value;
    options.node = quick_node_settings();
    for (const auto& [key, value] : node) options.node[key] = value;
    auto prepared = harbinger::cluster::prepare(options);
    require(prepared);
    cluster = std::move(*prepared);
    require(cluster->start(seconds(30)));
    require(cluster->create_volume(volume, partitions, 2, seconds(10)));
    require_full();
  }
  ~live_cluster() {
    if (boost::unit_test::results_collector
            .results(boost::unit_test::framework::current_test_case().p_id)
            .passed())
      return;
    BOOST_TEST_MESSAGE("central said last:\n"
                       << harbinger::cluster::tail_of(cluster->central_directory() + "/output.log",
                                                      30));
    for (auto& node : cluster->nodes())
      if (node.daemon.ended())
        BOOST_TEST_MESSAGE(node.name
                           << " ended; it said last:\n"
                           << harbinger::cluster::tail_of(node.directory + "/output.log"));
  }

  template <class T>
  static void require(const result<T>& outcome) {
    std::string why = outcome ? "" : to_string(outcome.error());
    BOOST_REQUIRE_MESSAGE(outcome.has_value(), why);
  }
  /// Every partition has all its replicas on nodes that are up.
  void require_full(duration timeout = seconds(30)) {
    bool full = cluster->wait_for_map(fully_replicated, timeout);
    BOOST_REQUIRE_MESSAGE(full, "not every partition got its replicas back");
  }
  void require_state(const std::string& node, node_state state, duration timeout = seconds(20)) {
    bool seen = cluster->wait_for_map(
        [&](const partition_map& map) {
          return std::any_of(map.nodes.begin(), map.nodes.end(), [&](const node_row& row) {
            return row.id.value == node && row.state == state;
          });
        },
        timeout);
    BOOST_REQUIRE_MESSAGE(seen, node << " did not become " << name_of(state));
  }

  /// The node's process is gone and the centre knows. Its name.
  std::string kill(size_t node) {
    auto& victim = cluster->nodes()[node];
    victim.daemon.signal(SIGKILL);
    BOOST_REQUIRE(victim.daemon.wait(seconds(5)).has_value());
    require_state(victim.name, node_state::dead);
    return victim.name;
  }

  load_options traffic() const {
    load_options options;
    options.control_endpoint = cluster->control_endpoint();
    options.volumes = {volume};
    options.writers = 2;
    options.readers = 1;
    return options;
  }
  /// Waits until that many more writes were acknowledged: the service is serving.
  static void require_progress(const load& traffic, uint64_t writes,
                               duration timeout = seconds(20)) {
    auto wanted = traffic.counts().acknowledged + writes;
    auto until = std::chrono::steady_clock::now() + timeout;
    while (traffic.counts().acknowledged < wanted && std::chrono::steady_clock::now() < until)
      pause_for(milliseconds(10));
    BOOST_REQUIRE_MESSAGE(traffic.counts().acknowledged >= wanted, "writes do not go on");
  }
  /// Stops the traffic; every acknowledged write must be there, and no read may have missed one.
  static void require_nothing_lost(load& traffic) {
    traffic.stop();
    auto checked = traffic.verify();
    for (const auto& example : checked.examples) BOOST_TEST_MESSAGE(example);
    BOOST_TEST(checked.lost == 0u);
    BOOST_TEST(checked.unreadable == 0u);
    BOOST_TEST(traffic.counts().stale_reads == 0u);
    BOOST_TEST(traffic.counts().acknowledged > 0u);
  }
};

} // namespace harbinger::testing
