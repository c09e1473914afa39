#include <csignal>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/support/live_cluster.hpp"

/// A node that is likely to fail is emptied before it does, and then its death concerns nobody.
/// There is no model: errors in its log make the stated heuristic give it a risk of 0.4.

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

struct evacuating_cluster : live_cluster {
  std::string name;

  explicit evacuating_cluster(const char* evacuate_at)
      : live_cluster(5, false,
                     {{"zones.enter_at", "0.3"},
                      {"zones.leave_at", "0.1"},
                      {"zones.evacuate_at", evacuate_at}}),
        name(cluster->nodes()[0].name) {}

  bool empty(const partition_map& map) const {
    return std::none_of(map.partitions.begin(), map.partitions.end(), [this](auto& row) {
      return std::count(row.sync_set.begin(), row.sync_set.end(), node_id{name}) > 0;
    });
  }
  void require_emptied(duration timeout = seconds(90)) {
    auto until = std::chrono::steady_clock::now() + timeout;
    for (;;) {
      std::ofstream log(cluster->find(name)->log_file(), std::ios::app);
      for (int i = 0; i < 10; ++i) log << "ERROR storage: write failed: Input/output error (EIO)\n";
      log.close();
      auto map = cluster->map();
      if (map && empty(*map) && fully_replicated(*map)) return;
      BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                            name << " still holds partitions");
      pause_for(milliseconds(200));
    }
  }
  /// Primaries and epochs, by partition.
  std::map<partition_id, std::pair<std::string, uint64_t>> leaders() {
    std::map<partition_id, std::pair<std::string, uint64_t>> out;
    auto map = cluster->map();
    require(map);
    for (auto& row : map->partitions) out[row.id] = {row.primary.value, row.epoch.value};
    return out;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(a_node_at_risk_is_emptied_under_load_and_its_death_changes_nothing) {
  evacuating_cluster live("0.3");
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 200);
  live.require_emptied();
  auto before = live.leaders();
  live.kill(0);
  live.require_progress(traffic, 200);
  BOOST_TEST((live.leaders() == before)); // nobody had to take over
  auto outages = live.cluster->console({"outages"});
  live.require(outages);
  auto row = nlohmann::json::parse(*outages).at("rows").at(0);
  BOOST_TEST(row.at(0) == live.name);
  BOOST_TEST(row.at(2) == 0); // partitions
  live.require_nothing_lost(traffic);
}

BOOST_AUTO_TEST_CASE(a_node_that_will_be_taken_down_is_emptied_whatever_the_rules_say) {
  evacuating_cluster live("1.0");
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 100);
  live.require(live.cluster->console({"maintenance", "start", live.name, "--in", "30m"}));
  live.require_emptied();
  auto listed = live.cluster->console({"maintenance", "list"});
  live.require(listed);
  auto document = nlohmann::json::parse(*listed);
  BOOST_TEST(document.at("columns").at(5) == "leads");
  BOOST_TEST(document.at("rows").at(0).at(5) == 0);
  BOOST_TEST(document.at("columns").at(6) == "member_of");
  BOOST_TEST(document.at("rows").at(0).at(6) == 0);
  live.require_progress(traffic, 100);
  live.require_nothing_lost(traffic);
}
