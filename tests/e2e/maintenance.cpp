/// A node is taken down on purpose: its partitions are copied before, whatever becomes of the
/// centre meanwhile.

#include <csignal>

#include <nlohmann/json.hpp>

#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

/// Every partition with a replica on the node has a copy that caught up, or a third member.
bool prepared(const partition_map& map, const node_id& node) {
  return std::all_of(map.partitions.begin(), map.partitions.end(), [&](const partition_row& row) {
    bool there = std::count(row.sync_set.begin(), row.sync_set.end(), node) > 0;
    bool copied = std::any_of(row.copies.begin(), row.copies.end(),
                              [](const copy_row& c) { return c.ready; });
    return !there || copied || row.sync_set.size() > 2;
  });
}

/// Domains of the zones that stand.
std::string domains(const live_cluster& live) {
  auto shown = live.cluster->console({"zones"});
  if (!shown) return to_string(shown.error());
  std::string text;
  auto document = nlohmann::json::parse(*shown);
  for (const auto& row : document.at("rows"))
    text += (text.empty() ? "" : " ") + row.at(1).get<std::string>();
  return text;
}

void require_domains(const live_cluster& live, const std::string& wanted) {
  auto until = std::chrono::steady_clock::now() + seconds(20);
  while (domains(live) != wanted && std::chrono::steady_clock::now() < until)
    pause_for(milliseconds(50));
  BOOST_REQUIRE_MESSAGE(domains(live) == wanted, domains(live) << ", wanted: " << wanted);
}

} // namespace

BOOST_AUTO_TEST_CASE(a_node_that_will_be_taken_down_is_copied_and_stays_planned_over_a_crash) {
  live_cluster live(4);
  const auto& name = live.cluster->nodes()[0].name;
  live.require(live.cluster->console(
      {"maintenance", "start", name, "--in", "30m", "--reason", "new disks"}));
  bool copied = live.cluster->wait_for_map(
      [&](const partition_map& map) { return prepared(map, node_id{name}); }, seconds(30));
  BOOST_TEST(copied);
  auto second =
      live.cluster->console({"maintenance", "start", live.cluster->nodes()[1].name, "--in", "5m"});
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == errc::condition_failed));

  live.cluster->central().signal(SIGKILL);
  BOOST_REQUIRE(live.cluster->central().wait(seconds(5)).has_value());
  live.require(live.cluster->start_central());
  require_domains(live, "node=" + name);
  auto listed = live.cluster->console({"maintenance", "list"});
  live.require(listed);
  BOOST_TEST(listed->find("new disks") != std::string::npos);

  live.require(live.cluster->console({"maintenance", "end", name}));
  require_domains(live, "");
}
