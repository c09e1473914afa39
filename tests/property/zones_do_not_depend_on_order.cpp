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
    rules.minimum_stay_s = 5;
    std::map<node_id, node_row> nodes;
    std::map<node_id, double> level;
    auto count = 2 + random() % 30;
    for (size_t i = 0; i < count; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.attributes = {{"rack", "r" + std::to_string(i / 4)},
                        {"power", "p" + std::to_string(i % 3)}};
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
        risks.push_back(r);
      }
      auto victim = nodes.begin();
      std::advance(victim, static_cast<std::ptrdiff_t>(random() % nodes.size()));
      if (random() % 10 == 0)
        victim->second.state = random() % 2 ? node_state::dead : node_state::up;
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
      auto alive = static_cast<double>(std::count_if(nodes.begin(), nodes.end(), [](const auto& n) {
        return n.second.state != node_state::dead;
      }));
      BOOST_REQUIRE_MESSAGE(members.size() == listed && ids.size() == sorted.map().zones.size(),
                            "seed " << seed);
      BOOST_REQUIRE_MESSAGE(static_cast<double>(listed)
                                <= std::max(1.0, rules.share_max * alive + 1e-6),
                            "seed " << seed);
      for (const auto& z : sorted.map().zones)
        for (const auto& id : z.exposed)
          BOOST_REQUIRE_MESSAGE(!members.contains(id), "seed " << seed);
    }
  }
}
