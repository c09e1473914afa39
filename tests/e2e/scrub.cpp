#include <csignal>

#include <nlohmann/json.hpp>

#include "store/partition_store.hpp"
#include "tests/support/damaged_store.hpp"
#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

std::string store_of(const cluster_node& node) { return node.directory + "/state/store"; }

/// A cluster with some data, and one partition of it with its primary and its secondary.
struct damaged_cluster : live_cluster {
  load traffic;
  partition_id partition;
  size_t primary = 0, secondary = 0;

  damaged_cluster() : live_cluster(3), traffic(live_cluster::traffic()) {
    traffic.start();
    require_progress(traffic, 300);
    traffic.stop();
    auto map = cluster->map();
    require(map);
    const auto& row = map->partitions.front();
    partition = row.id;
    for (size_t i = 0; i < cluster->nodes().size(); ++i) {
      node_id id{cluster->nodes()[i].name};
      if (id == row.primary)
        primary = i;
      else if (std::find(row.sync_set.begin(), row.sync_set.end(), id) != row.sync_set.end())
        secondary = i;
    }
    BOOST_REQUIRE(primary != secondary);
  }
  void stop_centre() {
    cluster->central().signal(SIGKILL);
    BOOST_REQUIRE(cluster->central().wait(seconds(5)).has_value());
  }
  void stop_node(size_t index) {
    cluster->nodes()[index].daemon.signal(SIGTERM);
    BOOST_REQUIRE(cluster->nodes()[index].daemon.wait(seconds(10)).has_value());
  }
  /// One record of the stopped node gets another value.
  void damage(size_t index) {
    auto path = store_of(cluster->nodes()[index]);
    std::string key, value;
    {
      auto store = partition_store::open({path, true, 0});
      require(store);
      auto rows = (*store)->scan(partition, "", 1, 1 << 20);
      require(rows);
      BOOST_REQUIRE(!rows->rows.empty());
      key = rows->rows.front().key.data;
      value = rows->rows.front().value.data;
    }
    value.back() = static_cast<char>(value.back() ^ 1);
    testing::damage_record(path, partition, key, value);
  }
  /// What the node says of the partition; empty: nothing yet.
  std::string scrub_result(size_t index) {
    auto told = cluster->node_console(index, {"scrub"});
    if (!told) return {};
    auto table = nlohmann::json::parse(*told);
    for (const auto& row : table["rows"])
      if (row[0] == to_string(partition)) return row[5];
    return {};
  }
  bool wait_for_result(size_t index, const std::string& wanted, duration patience) {
    auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
      if (scrub_result(index).starts_with(wanted)) return true;
      pause_for(milliseconds(50));
    }
    BOOST_TEST_MESSAGE("the scrubber says: " << scrub_result(index));
    return false;
  }
  bool node_raised(size_t index, const std::string& kind) {
    auto told = cluster->node_console(index, {"events"});
    return told && told->find('"' + kind + '"') != std::string::npos;
  }
  partition_head head_of(size_t index) {
    auto store = partition_store::open({store_of(cluster->nodes()[index]), true, 0});
    require(store);
    BOOST_TEST((*store)->verify(partition).has_value());
    auto head = (*store)->head(partition);
    require(head);
    return *head;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_flipped_bit_on_a_secondary_is_found_and_mended_from_its_primary,
                        damaged_cluster) {
  stop_centre(); // nobody declares the node dead meanwhile
  stop_node(secondary);
  damage(secondary);
  require(cluster->start_node(secondary));
  BOOST_REQUIRE(wait_for_result(secondary, "mended", seconds(60)));
  BOOST_TEST(node_raised(secondary, "replica_damaged"));
  BOOST_TEST(node_raised(secondary, "replica_repaired"));
  auto verified = cluster->node_console(secondary, {"verify", to_string(partition)}, seconds(30));
  require(verified);
  BOOST_TEST(nlohmann::json::parse(*verified)["rows"][0][5] == "sound");
  require(cluster->start_central());
  require_full();
  require_nothing_lost(traffic);
  BOOST_TEST(cluster->stop(seconds(20)));
  auto mine = head_of(secondary), theirs = head_of(primary);
  BOOST_TEST((mine.version == theirs.version));
  BOOST_TEST((mine.digest == theirs.digest));
}

BOOST_FIXTURE_TEST_CASE(a_damaged_secondary_is_not_promoted, damaged_cluster) {
  stop_centre();
  stop_node(primary);
  stop_node(secondary);
  damage(secondary);
  require(cluster->start_node(secondary));
  BOOST_REQUIRE(wait_for_result(secondary, "damaged", seconds(60)));
  require(cluster->start_central());
  require_state(cluster->nodes()[primary].name, node_state::dead, seconds(60));
  auto alarm = [&] {
    auto told = cluster->console({"events", "0", "1000"});
    if (!told) return false;
    auto table = nlohmann::json::parse(*told);
    for (const auto& row : table["rows"])
      if (row.dump().find("partition_unavailable") != std::string::npos
          && row.dump().find('"' + to_string(partition) + '"') != std::string::npos)
        return true;
    return false;
  };
  auto until = std::chrono::steady_clock::now() + seconds(60);
  while (!alarm() && std::chrono::steady_clock::now() < until) pause_for(milliseconds(50));
  BOOST_REQUIRE(alarm());
  auto map = cluster->map();
  require(map);
  BOOST_TEST(map->partitions.front().primary.value != cluster->nodes()[secondary].name);
  // The primary comes back: it serves, and the damaged one is mended or made anew.
  require(cluster->start_node(primary));
  require_full(seconds(90));
  require_nothing_lost(traffic);
}
