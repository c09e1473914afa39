#include <csignal>

#include "app/observers.hpp"
#include "app/trouble_driver.hpp"
#include "tests/support/live_cluster.hpp"

using namespace harbinger;

namespace {

struct troubled_cluster {
  std::unique_ptr<harbinger::cluster> cluster;
  troubled_cluster() {
    cluster_options options;
    options.programs = HARBINGER_BIN_DIR;
    options.nodes = 3;
    options.with_trouble = true;
    options.central = quick_central_settings();
    options.node = quick_node_settings();
    auto prepared = harbinger::cluster::prepare(options);
    BOOST_REQUIRE(prepared.has_value());
    cluster = std::move(*prepared);
    auto started = cluster->start(seconds(30));
    testing::live_cluster::require(started);
  }
  process_end suffer(trouble_kind kind) {
    auto& node = cluster->nodes()[0];
    auto used = address_space_of(node.daemon.pid());
    BOOST_TEST(used < node_memory_default_bytes);
    trouble_driver driver(trouble_plan(kind, 5, node_memory_default_bytes - used), node);
    auto end = node.daemon.wait(seconds(75));
    BOOST_REQUIRE_MESSAGE(end.has_value(), "it survived");
    return *end;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(a_memory_leak_really_kills_a_node) {
  troubled_cluster live;
  auto end = live.suffer(trouble_kind::memory_leak);
  BOOST_TEST(to_string(end) != "exit code 0");
}

BOOST_AUTO_TEST_CASE(a_starved_node_is_given_up_by_its_watchdog) {
  troubled_cluster live;
  BOOST_TEST(live.suffer(trouble_kind::cpu_starvation).signal == SIGKILL);
}
