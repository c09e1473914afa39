#include <csignal>

#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

std::vector<partition_row> without_primary(const partition_map& map) {
  std::vector<partition_row> out;
  for (const auto& row : map.partitions)
    if (row.primary.value.empty()) out.push_back(row);
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(what_both_nodes_of_a_partition_took_with_them_is_rebuilt_from_mass_storage) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 300);
  traffic.stop();
  pause_for(milliseconds(3000)); // mass storage has everything by then: flush_ms is 500
  auto row = live.cluster->map()->partitions.front();
  BOOST_REQUIRE(row.sync_set.size() == 2u);
  for (auto& node : live.cluster->nodes())
    if (node.name == row.sync_set[0].value || node.name == row.sync_set[1].value)
      node.daemon.signal(SIGKILL);
  BOOST_REQUIRE(live.cluster->wait_for_map(
      [&](const partition_map& map) {
        auto gone = without_primary(map);
        return std::any_of(gone.begin(), gone.end(), [&](auto& r) { return r.id == row.id; });
      },
      seconds(20)));

  auto asked = live.cluster->console({"rebuild", to_string(row.id)}, seconds(10));
  BOOST_REQUIRE(!asked);
  BOOST_TEST(to_string(asked.error()).find("accept-loss") != std::string::npos);
  for (const auto& lost : without_primary(*live.cluster->map())) {
    auto rebuilt =
        live.cluster->console({"rebuild", to_string(lost.id), "accept-loss"}, seconds(60));
    live.require(rebuilt);
    BOOST_TEST(rebuilt->find("\"rebuilt\":true") != std::string::npos);
  }
  live.require_full();
  live.require_nothing_lost(traffic);

  for (size_t i = 0; i < live.cluster->nodes().size(); ++i)
    if (live.cluster->nodes()[i].daemon.ended()) live.require(live.cluster->start_node(i));
  live.require_full();
  live.require_nothing_lost(traffic);
}
