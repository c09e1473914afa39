#include <boost/test/unit_test.hpp>

#include <random>
#include <set>

#include "placement/placement.hpp"

using namespace harbinger;

/// P6 by a second, plain reading of the rules; P9: everybody has a verdict.
BOOST_AUTO_TEST_CASE(chosen_nodes_are_up_outside_zones_unexposed_and_under_quota) {
  size_t chosen = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    std::mt19937_64 random{seed};
    auto chance = [&](uint64_t one_in) { return random() % one_in == 0; };
    placement_world world;
    zone z;
    z.id = zone_id{1};
    partition_row row;
    row.id = make_partition_id(1, 0);
    auto count = 2 + random() % 10;
    for (size_t i = 0; i < count; ++i) {
      node_id id{"n" + std::to_string(i)};
      auto& n = world.nodes[id];
      n.row.id = id;
      n.row.state = chance(5) ? node_state::dead : chance(6) ? node_state::suspect : node_state::up;
      n.row.capacity_bytes = chance(8) ? 0 : 100;
      n.row.attributes["rack"] = "r" + std::to_string(random() % 4);
      n.used_bytes = random() % 110;
      n.copies_under_way = static_cast<uint32_t>(random() % 6);
      if (chance(5))
        z.members.push_back(id);
      else if (chance(5))
        z.exposed.push_back(id);
      if (chance(4))
        row.sync_set.push_back(id);
      else if (chance(6))
        row.copies.push_back({id, copy_id{i}, true});
    }
    world.zones.zones = {z};
    if (!row.sync_set.empty()) row.primary = row.sync_set.front();
    placement_settings rules;
    placement_query query{row.id, random() % 40, {}, "prefetch"};
    auto answer = place(query, row, world, rules);
    BOOST_REQUIRE_MESSAGE(answer.ranked.size() + answer.rejected.size() == count, "seed " << seed);
    for (const auto& s : answer.ranked) {
      const auto& n = world.nodes.at(s.node);
      bool safe = n.row.state == node_state::up;
      for (const auto& id : z.members) safe = safe && id != s.node;
      for (const auto& id : z.exposed) safe = safe && id != s.node;
      for (const auto& id : row.sync_set) safe = safe && id != s.node;
      for (const auto& c : row.copies) safe = safe && c.node != s.node;
      safe = safe
             && static_cast<double>(n.used_bytes + query.size_bytes)
                    <= 0.9 * static_cast<double>(n.row.capacity_bytes);
      BOOST_REQUIRE_MESSAGE(safe, "seed " << seed << " chose " << s.node);
    }
    ++(answer.target ? chosen : refused);
  }
  BOOST_TEST(chosen > 500u); // the generator reaches both ends
  BOOST_TEST(refused > 500u);
}
