/// Real nodes die at the named places of their actors (core/crash_points.hpp): between what is
/// durable and what is said of it, at both ends of a copy, at each command of the centre.

#include <map>
#include <random>
#include <set>

#include "tests/support/random_seed.hpp"
#include "tests/support/torture_stage.hpp"

using namespace harbinger;
using harbinger::testing::torture_stage;

namespace {

struct dying_nodes : torture_stage {
  std::mt19937_64 random{random_seed()};
  std::set<std::string> open; ///< points that nobody died at yet

  dying_nodes() : torture_stage(4, {}) {
    for (size_t i = static_cast<size_t>(first_node_crash_point); i < crash_points; ++i)
      open.insert(crash_point_names[i]);
    open.erase(name_of(crash_point::rewind_command)); // e2e.rewind
  }
  size_t nodes() { return cluster->nodes().size(); }

  /// One node is killed, the others are to die wherever they come to first of what is open; the
  /// killed one, too, when it is back.
  void round() {
    std::vector<std::string> places(open.begin(), open.end());
    std::shuffle(places.begin(), places.end(), random);
    std::map<size_t, std::string> armed;
    for (size_t i = 0; i < nodes(); ++i) armed[i] = places[i % places.size()];
    auto victim = random() % nodes();
    for (const auto& [node, place] : armed)
      if (node != victim) arm(node, place.c_str());
    pause_for(milliseconds(100)); // until they have read it
    if (!down(victim)) {
      cluster->nodes()[victim].daemon.signal(SIGKILL);
      (void)cluster->nodes()[victim].daemon.wait(seconds(5));
    }
    auto half = nodes() - 1;
    collect(armed, victim, half, seconds(2));
    require(cluster->start_node(victim));
    arm(victim, armed[victim].c_str());
    collect(armed, nodes(), nodes(), seconds(3));
    for (size_t i = 0; i < nodes(); ++i) arm(i, "nowhere");
    pause_for(milliseconds(100));
    collect(armed, nodes(), 0, seconds(0));
    revive_all();
    BOOST_REQUIRE_MESSAGE(healed(seconds(90)), "the cluster does not heal");
  }
  /// Until that many have died, at most so long. `not_this`: it was killed from outside.
  void collect(const std::map<size_t, std::string>& armed, size_t not_this, size_t enough,
               duration patience) {
    auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
      size_t dead = 0;
      for (const auto& [node, place] : armed) {
        auto end = node == not_this ? std::nullopt : cluster->nodes()[node].daemon.ended();
        if (!end) continue;
        ++dead;
        BOOST_TEST(end->signal == SIGKILL, cluster->nodes()[node].name << " ended by itself");
        if (open.erase(place)) BOOST_TEST_MESSAGE("died at " << place);
      }
      if (dead >= enough || std::chrono::steady_clock::now() >= until) return;
      pause_for(milliseconds(20));
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(nodes_that_die_at_any_named_place_lose_nothing, dying_nodes) {
  auto options = traffic();
  options.volumes = {volume, triple};
  load traffic(options);
  traffic.start();
  require_progress(traffic, 200);
  auto until = std::chrono::steady_clock::now() + seconds(140);
  while (!open.empty() && std::chrono::steady_clock::now() < until) round();
  for (const auto& place : open) BOOST_ERROR("nobody died at " << place);
  require_progress(traffic, 200, seconds(30));
  require_nothing_lost(traffic);
  BOOST_TEST(healed(seconds(60)));
  for (const auto& row : verify_nodes()) BOOST_ERROR(row);
}
