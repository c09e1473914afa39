#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "wire/codec.hpp"
#include "zones/zone_tracker.hpp"

using namespace harbinger;

BOOST_AUTO_TEST_CASE(zones_are_disjoint_braked_and_equal_for_any_order_of_input) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random{seed};
    auto uniform = [&] { return std::uniform_real_distribution<double>{}(random); };
    zone_settings rules;
    rules.share_max = 0.1 + 0.5 * uniform();
    rules.capacity_share_max = 0.1 + 0.5 * uniform();
    rules.exposed_share_max = uniform();
    rules.minimum_stay_s = 5;
    std::map<node_id, node_row> nodes;
    std::map<node_id, double> level;
    auto count = 2 + random() % 30;
    for (size_t i = 0; i < count; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.attributes = {{"rack", "r" + std::to_string(i / 4)},
                        {"power", "p" + std::to_string(i % 3)}};
      row.capacity_bytes = 1 + random() % 9;
      nodes[row.id] = row;
      level[row.id] = uniform();
    }
    zone_tracker sorted{term{1}, 1, 1}, shuffled{term{1}, 1, 1};
    time_point now{std::chrono::hours(1)};
    for (int round = 0; round < 60; ++round) {
      now += seconds(1);
      std::vector<node_risk> risks;
      for (auto& [id, p] : level) {
        p = std::clamp(p + 0.3 * (uniform() - 0.5), 0.0, 1.0);
        node_risk r;
        r.node = id;
        r.probability = p;
        r.uncertainty = 0.1;
        for (auto& x : r.deviations) x = static_cast<float>(p);
        risks.push_back(r);
      }
      auto victim = nodes.begin();
      std::advance(victim, static_cast<std::ptrdiff_t>(random() % nodes.size()));
      if (random() % 10 == 0)
        victim->second.state = random() % 2 ? node_state::dead : node_state::up;
      std::vector<planned_event> planned;
      if (random() % 4 == 0) planned.push_back({victim->first, 60.0, "disks"});
      sorted.plan(planned), shuffled.plan(planned);
      auto before = sorted.map();
      sorted.step(risks, nodes, rules, now);
      std::shuffle(risks.begin(), risks.end(), random);
      shuffled.step(risks, nodes, rules, now);
      BOOST_REQUIRE_MESSAGE(wire::encode(sorted.map()) == wire::encode(shuffled.map()),
                            "seed " << seed << " round " << round);

      std::set<node_id> members;
      std::set<zone_id> ids;
      size_t listed = 0;
      for (const auto& z : sorted.map().zones) {
        ids.insert(z.id);
        listed += z.members.size();
        members.insert(z.members.begin(), z.members.end());
        for (const auto& id : z.members) BOOST_REQUIRE(nodes.at(id).state != node_state::dead);
        BOOST_REQUIRE(z.joint_probability <= z.probability + 1e-12);
      }
      BOOST_REQUIRE_MESSAGE(members.size() == listed && ids.size() == sorted.map().zones.size(),
                            "seed " << seed);
      double alive = 0, capacity = 0, taken_capacity = 0;
      for (const auto& [id, row] : nodes) {
        if (row.state == node_state::dead) continue;
        alive += 1;
        capacity += static_cast<double>(row.capacity_bytes);
        if (members.contains(id)) taken_capacity += static_cast<double>(row.capacity_bytes);
      }
      BOOST_REQUIRE_MESSAGE(static_cast<double>(listed)
                                <= std::max(1.0, rules.share_max * alive + 1e-6),
                            "seed " << seed);
      BOOST_REQUIRE_MESSAGE(listed <= 1
                                || taken_capacity <= rules.capacity_share_max * capacity + 1e-6,
                            "seed " << seed);
      std::set<node_id> exposed;
      for (const auto& z : sorted.map().zones) exposed.insert(z.exposed.begin(), z.exposed.end());
      for (const auto& id : exposed)
        BOOST_REQUIRE_MESSAGE(!members.contains(id) && nodes.at(id).state != node_state::dead,
                              "seed " << seed);
      BOOST_REQUIRE_MESSAGE(static_cast<double>(exposed.size())
                                <= rules.exposed_share_max * alive + 1e-6,
                            "seed " << seed);
      for (const auto& z : sorted.map().zones)
        for (const auto& old : before.zones)
          BOOST_REQUIRE_MESSAGE(z.members != old.members || z.id == old.id,
                                "seed " << seed << ": the same members, another id");
      for (const auto& id : sorted.map().left_out) BOOST_REQUIRE(!members.contains(id));
    }
  }
}
