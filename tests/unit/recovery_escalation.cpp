#include <boost/test/unit_test.hpp>

#include <random>

#include "tests/support/random_seed.hpp"
#include "tests/support/escalating_world.hpp"

/// Escalation through the desk: joining, leaving, the death of whole zones, restarts of the centre.

using namespace harbinger;
using namespace harbinger::recovery;
using harbinger::recovery_test::escalating_world;

namespace {

constexpr uint32_t calm = calm_ms + 2000;

} // namespace

BOOST_FIXTURE_TEST_CASE(a_ready_copy_joins_by_the_ordinary_way_and_is_a_member_like_any_other,
                        escalating_world) {
  auto copy = escalate_first();
  BOOST_TEST(row().sync_set.size() == 3u);
  BOOST_TEST(catalog_view::mentions(row(), node_id{copy}));
  BOOST_TEST(row().copies.empty());
  BOOST_TEST(row().joiners.empty());
  BOOST_TEST((nodes[copy].replicas[id()].role == replica_role::secondary));
  BOOST_TEST((row().epoch == epoch{2})); // without a change of primary
  BOOST_TEST(events("partition_escalated") == 1u);
  BOOST_TEST(desk->escalated_now() == 1u);
  BOOST_TEST(desk->rows(now).empty());
  auto before = sent;
  run(5000);
  BOOST_TEST((sent == before)); // at rest nothing is sent
}

BOOST_FIXTURE_TEST_CASE(it_enters_the_sync_set_only_when_it_has_caught_up, escalating_world) {
  caught_up_at_once = false;
  auto copy = escalate_first();
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_TEST(row().joiners == std::vector<node_id>{node_id{copy}},
             boost::test_tools::per_element());
  BOOST_REQUIRE(!desk->rows(now).empty());
  BOOST_TEST(desk->rows(now).front().phase == "escalating");
  caught_up_at_once = true;
  run(500);
  BOOST_TEST(row().sync_set.size() == 3u);
}

BOOST_FIXTURE_TEST_CASE(the_loss_of_primary_and_secondary_at_one_instant_loses_nothing,
                        escalating_world) {
  auto threatened = row().sync_set;
  auto copy = escalate_first();
  write(id(), 7);
  lose_all(threatened);
  run(500);
  BOOST_TEST(row().primary.value == copy);
  BOOST_TEST((nodes[copy].replicas[id()].version.seq == seq_no{17}));
  BOOST_TEST((nodes[copy].replicas[id()].role == replica_role::primary));
  BOOST_TEST(events("partition_unavailable") == 0u);
  BOOST_TEST(events("partition_deescalated") == 1u);
  BOOST_TEST(std::count(wanted.begin(), wanted.end(), id()) > 0); // its other replica comes next
}

BOOST_FIXTURE_TEST_CASE(what_joined_is_the_secondary_when_the_zone_kills_only_one,
                        escalating_world) {
  auto copy = escalate_first();
  lose(secondary() == copy ? row().sync_set.front().value : secondary());
  run(500);
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_TEST(catalog_view::mentions(row(), node_id{copy}));
  dissolve();
  run(calm);
  BOOST_TEST(row().sync_set.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(one_leaves_when_the_zones_are_gone_and_not_before, escalating_world) {
  escalate_first();
  zones.zones.front().probability = 0.3; // it calms down, but it stands
  tell_zones();
  run(calm);
  BOOST_TEST(row().sync_set.size() == 3u);
  dissolve();
  run(calm_ms / 2);
  BOOST_TEST(row().sync_set.size() == 3u);
  run(calm);
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_TEST(events("partition_deescalated") == 1u);
  BOOST_TEST(desk->escalated_now() == 0u);
  run(recovery_desk::stray_patience_ms + 2000);
  size_t holders = 0;
  for (auto& [name, node] : nodes) holders += node.replicas.count(id());
  BOOST_TEST(holders == 2u); // what left is dropped
}

BOOST_FIXTURE_TEST_CASE(a_zone_that_comes_back_soon_changes_nothing, escalating_world) {
  escalate_first();
  for (int i = 0; i < 5; ++i) {
    auto kept = zones.zones;
    dissolve();
    run(calm_ms * 3 / 4);
    zones.zones = kept;
    tell_zones();
    run(1000);
  }
  BOOST_TEST(row().sync_set.size() == 3u);
  BOOST_TEST(events("partition_escalated") == 1u);
  BOOST_TEST(events("partition_deescalated") == 0u);
}

BOOST_FIXTURE_TEST_CASE(nobody_leaves_while_a_death_is_on_its_way_through_the_house,
                        escalating_world) {
  auto threatened = row().sync_set;
  auto copy = escalate_first();
  // The zone is gone because its members are dead; that is told before the deaths are.
  for (auto& id : threatened) nodes[id.value].up = false;
  dissolve();
  run(1000);
  BOOST_TEST(catalog_view::mentions(row(), node_id{copy}));
  lose_all(threatened);
  run(500);
  BOOST_TEST(row().primary.value == copy);
}

BOOST_FIXTURE_TEST_CASE(a_dead_joined_copy_holds_nothing_up, escalating_world) {
  auto copy = escalate_first();
  lose(copy);
  run(200);
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_TEST((nodes[row().primary.value].replicas[id()].revision == row().revision));
  auto next = copy_of(0);
  run(1500);
  BOOST_TEST(catalog_view::mentions(row(), node_id{next}));
  BOOST_TEST(row().sync_set.size() == 3u); // another takes its place
}

BOOST_FIXTURE_TEST_CASE(a_joiner_that_never_catches_up_is_not_tried_again_at_once,
                        escalating_world) {
  caught_up_at_once = false;
  escalate_first();
  run(join_patience_ms + 1000);
  BOOST_TEST(row().joiners.empty());
  BOOST_TEST(row().copies.empty());
  auto next = copy_of(0);
  run(5000);
  BOOST_TEST(row().joiners.empty());
  caught_up_at_once = true;
  run(escalation_rest_ms);
  BOOST_TEST(row().sync_set.size() == 3u);
  BOOST_TEST(catalog_view::mentions(row(), node_id{next}));
}

BOOST_FIXTURE_TEST_CASE(a_new_centre_keeps_what_is_escalated_until_it_knows_the_zones,
                        escalating_world) {
  escalate_first();
  restart_centre();
  run(2 * calm);
  BOOST_TEST(row().sync_set.size() == 3u);
  tell_zones();
  run(2 * calm);
  BOOST_TEST(row().sync_set.size() == 3u);
  dissolve();
  run(calm + 1000);
  BOOST_TEST(row().sync_set.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(the_budget_holds_and_raises_one_alert, escalating_world) {
  escalation.partitions_max = 2;
  desk->configure(escalation);
  zone_of(1.0, {node_id{"n1"}, node_id{"n2"}, node_id{"n3"}, node_id{"n4"}, node_id{"n5"}});
  // A predictor stuck at one; n6 alone is safe, and holds a copy of whatever it has no replica of.
  uint32_t could = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    if (catalog_view::mentions(row(i), node_id{"n6"})) continue;
    for (auto& [name, node] : nodes) node.up = name == "n6";
    copy_of(i);
    for (auto& [name, node] : nodes) node.up = true;
    ++could;
  }
  BOOST_REQUIRE(could > 2u);
  run(5000);
  uint32_t escalated_rows = 0;
  for (uint32_t i = 0; i < 4; ++i) escalated_rows += escalated(row(i));
  BOOST_TEST(escalated_rows == 2u);
  BOOST_TEST(events("escalation_limit") == 1u);
  dissolve();
  run(calm + 1000);
  BOOST_TEST(events("escalation_limit") == 2u); // over
}

BOOST_FIXTURE_TEST_CASE(it_can_be_turned_off, escalating_world) {
  escalation.partitions_max = 0;
  desk->configure(escalation);
  escalate_first(1.0);
  run(3000);
  BOOST_TEST(row().sync_set.size() == 2u);
  BOOST_TEST(row().copies.size() == 1u);
  BOOST_TEST(events("escalation_limit") == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_drill_is_left_alone, escalating_world) {
  write(id(), 10);
  zone_of(0.95, row().sync_set);
  copy_of(0);
  take(desk->step(begin_drill{1, {{id()}, restore_method::full_rebuild}}, now));
  carry_out();
  run(2000);
  BOOST_REQUIRE(drilled);
  BOOST_TEST(drilled->each.front().failure == "");
  run(1500);
  BOOST_TEST(row().sync_set.size() == 3u); // afterwards
}

namespace {

/// A history of zones over random pairs of nodes, copies, joiners fast and slow, deaths of whole
/// zones at one instant, restarts of nodes and centre, and writes.
struct random_history : escalating_world {
  std::mt19937& random;
  uint32_t seed;
  std::map<partition_id, uint64_t> acknowledged;
  uint64_t saved = 0; ///< escalated partitions that outlived the loss of their zone

  random_history(std::mt19937& engine, uint32_t seed_)
      : escalating_world(6, 6), random(engine), seed(seed_) {
    before_swap = [this] { // clients write all the time
      if (random() % 2) write_somewhere();
    };
  }

  node_id any_node() { return node_id{"n" + std::to_string(1 + random() % 6)}; }

  void copies_for_the_threatened() {
    for (uint32_t i = 0; i < 6; ++i)
      for (auto& z : zones.zones)
        if (!row(i).primary.value.empty() && row(i).sync_set.size() <= 2 && random() % 2)
          for (auto& m : z.members)
            if (catalog_view::mentions(row(i), m) && row(i).copies.empty()) copy_of(i);
  }
  /// A batch is acknowledged when the configured primary, every member and the joiners that the
  /// primary knows as caught up have it.
  void write_somewhere() {
    for (auto& [id, row] : catalog.partitions()) {
      if (row.primary.value.empty()) continue;
      auto& p = nodes[row.primary.value];
      auto found = p.replicas.find(id);
      if (found == p.replicas.end()) continue;
      auto& leader = found->second;
      bool serves = p.up && leader.role == replica_role::primary && leader.epoch == row.epoch
                    && leader.revision == row.revision && row.primary_life == p.life;
      bool all = std::all_of(row.sync_set.begin(), row.sync_set.end(), [&](auto& m) {
        return nodes[m.value].up && nodes[m.value].replicas[id].epoch == row.epoch;
      });
      for (auto& j : leader.caught_up) all = all && nodes[j.value].up;
      if (!serves) continue;
      BOOST_REQUIRE_MESSAGE(leader.version.seq.value >= acknowledged[id], "P2, seed " << seed);
      if (!all) continue;
      write(id, 1 + random() % 3);
      for (auto& j : leader.caught_up) nodes[j.value].replicas[id].version = leader.version;
      acknowledged[id] = leader.version.seq.value;
    }
  }
  void lose_a_zone() {
    if (zones.zones.empty()) return;
    auto members = zones.zones.front().members;
    std::map<partition_id, node_id> survivors;
    for (auto& [id, row] : catalog.partitions())
      if (escalated(row))
        for (auto& m : row.sync_set)
          if (nodes[m.value].up && std::find(members.begin(), members.end(), m) == members.end())
            survivors[id] = m;
    lose_all(members);
    run(3000);
    for (auto& [id, survivor] : survivors) {
      auto& row = *catalog.partition(id);
      BOOST_REQUIRE_MESSAGE(!row.primary.value.empty(),
                            "served by " << survivor.value << ", seed " << seed);
      BOOST_REQUIRE_MESSAGE(nodes[row.primary.value].replicas[id].version.seq.value
                                >= acknowledged[id],
                            "acknowledged and lost with the zone, seed " << seed);
      ++saved;
    }
  }
  void something() {
    auto node = any_node();
    switch (random() % 9) {
    case 0:
    case 1:
      if (zones.zones.size() < 2) {
        auto& some = row(static_cast<uint32_t>(random() % 6));
        zone_of(0.8 + 0.02 * static_cast<double>(random() % 10), some.sync_set);
      }
      break;
    case 2:
      if (random() % 3 == 0) dissolve();
      break;
    case 3: lose_a_zone(); break;
    case 4:
    case 5:
      if (!nodes[node.value].up) join(node.value, incarnation{nodes[node.value].life.value + 1});
      break;
    case 6:
      if (random() % 3 == 0) restart_centre(), tell_zones();
      break;
    case 7: caught_up_at_once = random() % 3 > 0; break;
    default: copies_for_the_threatened(); break;
    }
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(no_acknowledged_write_is_lost_with_a_whole_zone_in_random_histories) {
  auto seed = random_seed();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  uint64_t saved = 0;
  for (int round = 0; round < 40; ++round) {
    random_history h{random, seed};
    for (int i = 0; i < 60; ++i) {
      h.something();
      h.write_somewhere();
      h.copies_for_the_threatened();
      h.run(50 * (1 + static_cast<uint32_t>(random() % 40)));
      h.write_somewhere();
    }
    h.caught_up_at_once = true;
    for (auto& [name, node] : h.nodes)
      if (!node.up) h.join(name, incarnation{node.life.value + 1});
    h.dissolve();
    h.run(2 * calm);
    for (auto& [id, row] : h.catalog.partitions()) {
      BOOST_REQUIRE_MESSAGE(!row.primary.value.empty(), "seed " << seed);
      BOOST_REQUIRE_MESSAGE(row.sync_set.size() <= row.replicas_wanted, "seed " << seed);
      BOOST_REQUIRE_MESSAGE(h.nodes[row.primary.value].replicas[id].version.seq.value
                                >= h.acknowledged[id],
                            "P2 at the end, seed " << seed);
    }
    saved += h.saved;
  }
  BOOST_TEST(saved > 0u); // the history did what it is for
  BOOST_TEST_MESSAGE(saved << " escalated partitions outlived the loss of their zone");
}
