#include <nlohmann/json.hpp>

#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

/// Names of the actors in a tree listing, supervisors left out.
std::vector<std::string> actors_in(const std::string& document) {
  auto json = nlohmann::json::parse(document);
  const auto& columns = json.at("columns");
  auto column = [&](const char* name) {
    return static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin());
  };
  std::vector<std::string> names;
  for (const auto& row : json.at("rows"))
    if (row.at(column("strategy")) == "") names.push_back(row.at(column("name")));
  return names;
}

} // namespace

BOOST_AUTO_TEST_CASE(every_actor_of_the_centre_can_be_killed_under_load) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 50);
  auto tree = live.cluster->console({"tree"});
  live.require(tree);
  auto actors = actors_in(*tree);
  BOOST_TEST(actors.size() >= 10u);
  for (const auto& name : actors) {
    BOOST_TEST_CONTEXT(name) {
      (void)live.cluster->console(
          {"kill", name}); // the console itself can not answer for its own death
      live.require_progress(traffic, 20);
      BOOST_TEST(!live.cluster->central().ended().has_value());
    }
  }
  live.kill(3);
  live.require_full();
  live.require_nothing_lost(traffic);
}

BOOST_AUTO_TEST_CASE(every_actor_of_a_node_can_be_killed_under_load) {
  live_cluster live;
  load traffic(live.traffic());
  traffic.start();
  live.require_progress(traffic, 50);
  auto tree = live.cluster->node_console(0, {"tree"});
  live.require(tree);
  auto actors = actors_in(*tree);
  BOOST_TEST(actors.size() >= 6u);
  for (const auto& name : actors) {
    BOOST_TEST_CONTEXT(name) {
      (void)live.cluster->node_console(0, {"kill", name});
      live.require_progress(traffic, 20);
      BOOST_TEST(!live.cluster->nodes()[0].daemon.ended().has_value());
    }
  }
  live.require_full();
  live.require_nothing_lost(traffic);
}
