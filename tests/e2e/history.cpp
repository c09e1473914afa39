/// What a centre keeps of its nodes, through deaths, goodbyes and its own restart.

#include <csignal>
#include <set>

#include <nlohmann/json.hpp>

#include "history/history_file.hpp"
#include "history/journal.hpp"
#include "tests/support/live_cluster.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

/// `harbinger dataset ...`; its exit code.
int dataset(const live_cluster& live, std::vector<std::string> arguments) {
  process_options options;
  options.argv = {HARBINGER_BIN_DIR "/harbinger", "dataset"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.output = live.cluster->directory() + "/dataset.log";
  auto started = process::start(options);
  live_cluster::require(started);
  auto end = started->wait(seconds(60));
  BOOST_REQUIRE_MESSAGE(end.has_value(), "it does not end");
  BOOST_TEST_MESSAGE(cluster::tail_of(options.output));
  return end->signal == 0 ? end->code : -end->signal;
}

history exported(const live_cluster& live, const std::string& name) {
  auto out = live.cluster->directory() + "/" + name;
  BOOST_REQUIRE(dataset(live, {"export", "--state", live.cluster->central_state(), "--out", out})
                == 0);
  auto h = read_history(out);
  live_cluster::require(h);
  return std::move(*h);
}

/// "n1 failure"
std::set<std::string> happenings(const history& h) {
  std::set<std::string> out;
  for (const auto& e : h.events)
    out.insert(h.nodes[e.node].id.value + ' ' + std::string(name_of(e.what)));
  return out;
}

/// Until the centre says that much more was kept.
void require_kept(const live_cluster& live, uint64_t rows) {
  auto until = std::chrono::steady_clock::now() + seconds(30);
  auto now = [&]() -> uint64_t {
    auto shown = live.cluster->console({"history"});
    return shown ? nlohmann::json::parse(*shown).at("rows").get<uint64_t>() : 0;
  };
  while (now() < rows && std::chrono::steady_clock::now() < until) pause_for(milliseconds(50));
  BOOST_REQUIRE_MESSAGE(now() >= rows, "the centre does not keep what comes in");
}

} // namespace

BOOST_AUTO_TEST_CASE(deaths_goodbyes_and_restarts_stand_in_the_history_as_what_they_were) {
  live_cluster live(5);
  auto& nodes = live.cluster->nodes();
  require_kept(live, 100);
  nodes[0].daemon.signal(SIGKILL);
  nodes[1].daemon.signal(SIGTERM);
  for (size_t i : {0u, 1u}) BOOST_REQUIRE(nodes[i].daemon.wait(seconds(10)).has_value());
  for (size_t i : {0u, 1u}) live.require_state(nodes[i].name, node_state::dead);
  // A node that is back at once was dead all the same.
  nodes[2].daemon.signal(SIGKILL);
  BOOST_REQUIRE(nodes[2].daemon.wait(seconds(5)).has_value());
  for (size_t i : {2u, 0u}) live.require(live.cluster->start_node(i));
  for (size_t i : {2u, 0u}) live.require_state(nodes[i].name, node_state::up);
  live.require(live.cluster->console({"kill", "history_keeper"}));
  require_kept(live, 100); // since then
  auto h = exported(live, "running");
  BOOST_TEST(happenings(h) == (std::set<std::string>{"n1 failure", "n2 shutdown", "n3 failure"}),
             boost::test_tools::per_element());

  live.cluster->central().signal(SIGKILL);
  BOOST_REQUIRE(live.cluster->central().wait(seconds(5)).has_value());
  live.require(live.cluster->start_central());
  require_kept(live, 60);
  BOOST_TEST(live.cluster->stop(seconds(10)));
  auto after = exported(live, "stopped");
  std::set<std::string> ids;
  for (const auto& n : after.nodes) ids.insert(n.id.value);
  BOOST_TEST(ids == (std::set<std::string>{"n1", "n1#2", "n2", "n3", "n3#2", "n4", "n5"}),
             boost::test_tools::per_element());
  auto ends = happenings(after);
  for (const auto* first : {"n1 failure", "n2 shutdown", "n3 failure"})
    BOOST_TEST(ends.contains(first), first);
  for (const auto& e : ends) // nodes and centre stop together: a goodbye may come too late
    BOOST_TEST((e.ends_with("shutdown") || e == "n1 failure" || e == "n3 failure"), e);
  BOOST_TEST(after.samples.size() >= h.samples.size() + 60);
  auto prefix = std::equal(
      h.samples.begin(), h.samples.end(), after.samples.begin(), [](const auto& a, const auto& b) {
        return a.node == b.node && a.time_ms == b.time_ms && a.arrived_ms == b.arrived_ms;
      });
  BOOST_TEST(prefix);

  // One history of both; what is in both gets a prefix.
  auto merged = live.cluster->directory() + "/merged";
  BOOST_TEST(dataset(live, {"merge", "--out", merged, "a=" + live.cluster->directory() + "/running",
                            "b=" + live.cluster->directory() + "/stopped"})
             == 0);
  auto both = read_history(merged);
  live.require(both);
  BOOST_TEST(both->nodes.size() == h.nodes.size() + after.nodes.size());
  BOOST_TEST(both->nodes[0].id.value == "a/" + h.nodes[0].id.value);
  BOOST_TEST(both->nodes[0].fleet == "a");
  // What can not be is refused with its exit code.
  BOOST_TEST(dataset(live, {"merge", "--out", merged, merged}) == 4);
  BOOST_TEST(dataset(live, {"export", "--state", live.cluster->directory() + "/nowhere", "--out",
                            merged + "2"})
             == 4);
}
