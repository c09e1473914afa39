#include <boost/test/unit_test.hpp>

#include "tests/support/plan_stage.hpp"

/// Copies that go.

using namespace harbinger;
using test::eight_nodes;
using test::mib;

BOOST_FIXTURE_TEST_CASE(copies_outlive_their_zone_for_a_while, eight_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  has_copy(0, "n5");
  zone_of({"n1"}, {0.875});
  step();
  step(seconds(5000));
  BOOST_TEST(surplus() == "");
  zones.zones.clear();
  step();
  now += seconds(599);
  BOOST_TEST(surplus() == "");
  now += seconds(2);
  BOOST_TEST(surplus() == "1.0 on n5");
  BOOST_TEST(!plan.surplus(now).at(0).node_dead);
  BOOST_TEST(plan.surplus(now).at(0).reason == "no replica was at risk or missing for 601 s");
  row.joiners = {node_id{"n5"}};
  put(0);
  step();
  BOOST_TEST(surplus() == "");
}

BOOST_FIXTURE_TEST_CASE(a_zone_that_comes_back_in_time_finds_its_copies, eight_nodes) {
  partition(0, {"n1", "n2"});
  has_copy(0, "n5");
  auto z = zone_of({"n1"}, {0.875});
  step();
  zones.zones.clear();
  step(seconds(1));
  step(seconds(500));
  zones.zones = {z};
  BOOST_TEST(step(seconds(50)).empty());
  zones.zones.clear();
  step(seconds(500));
  now += seconds(500); // the time counts anew
  BOOST_TEST(surplus() == "");
  rules.prefetch.keep_after_zone_s = 100;
  step();
  BOOST_TEST(surplus() == "1.0 on n5");
}

BOOST_FIXTURE_TEST_CASE(copies_on_dead_nodes_and_useless_ones_go_at_once_and_are_replaced,
                        eight_nodes) {
  partition(0, {"n1", "n2"});
  has_copy(0, "n4");
  has_copy(0, "n5");
  zone_of({"n1"}, {0.875});
  step();
  BOOST_TEST(surplus() == "");
  set_state("n4", node_state::dead);
  cluster.mark_useless(part(0), number("n5"));
  BOOST_TEST(step().size() == 1u);
  BOOST_TEST(surplus() == "1.0 on n4, 1.0 on n5");
  BOOST_TEST(plan.surplus(now).at(0).node_dead);
  BOOST_TEST(!plan.surplus(now).at(1).node_dead);
  put(0); // the mark goes with the next row
  set_state("n4", node_state::up);
  step();
  BOOST_TEST(surplus() == "");
}

namespace {

/// n3 alone is safe and has room for one copy of 400 MiB; it has copies that nobody needs.
struct full_node : eight_nodes {
  full_node() {
    for (int i = 4; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
    write(cluster);
    rules.prefetch.space_max = 0.5;
    for (uint32_t i = 1; i <= 3; ++i) {
      partition(i, {"n1", "n2"}, 100 * mib);
      has_copy(i, "n3");
    }
    partition(9, {"n1", "n2"}, 400 * mib);
    put(1);
    step();
    for (uint32_t i = 2; i <= 3; ++i) {
      put(i);
      step();
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(the_least_useful_copies_make_room_for_one_that_is_needed, full_node) {
  BOOST_TEST(surplus() == "");
  partition(8, {"n4", "n2"}, 350 * mib);
  nodes[node_id{"n4"}].state = node_state::up;
  write(cluster);
  zone_of({"n4"}, {0.875}, 0.0, {"n1", "n2"});
  BOOST_TEST(step().size() == 1u);
  BOOST_TEST(targets(8) == "");
  BOOST_TEST(surplus() == "1.1 on n3, 1.2 on n3"); // not needed for longest; 300 + 350 - 200 fit
  BOOST_TEST(plan.surplus(now).at(0).reason.substr(0, 12) == "makes room: ");
  step();
  BOOST_TEST(surplus() == "1.1 on n3, 1.2 on n3"); // and no more of them
  has_no_copy(1);
  has_no_copy(2);
  step();
  BOOST_TEST(targets(8) == "n3");
  BOOST_TEST(surplus() == "");
}

BOOST_FIXTURE_TEST_CASE(nobody_makes_room_for_one_that_found_a_place_or_is_needed_no_more,
                        full_node) {
  partition(8, {"n4", "n2"}, 350 * mib);
  nodes[node_id{"n4"}].state = node_state::up;
  write(cluster);
  zone_of({"n4"}, {0.875}, 0.0, {"n1", "n2"});
  step();
  BOOST_TEST(surplus() != "");
  zones.zones.clear();
  step();
  BOOST_TEST(surplus() == "");
}

BOOST_FIXTURE_TEST_CASE(copies_that_are_needed_make_room_for_nobody, full_node) {
  partition(8, {"n4", "n2"}, 350 * mib);
  nodes[node_id{"n4"}].state = node_state::up;
  write(cluster);
  zone_of({"n4", "n1"}, {0.875, 0.875}, 0.0, {"n2"});
  step();
  BOOST_TEST(targets(8) == "");
  BOOST_TEST(surplus() == "");
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_is_needed_again_before_it_went_stays, full_node) {
  partition(8, {"n4", "n2"}, 350 * mib);
  nodes[node_id{"n4"}].state = node_state::up;
  write(cluster);
  zone_of({"n4"}, {0.875}, 0.0, {"n1", "n2"});
  step();
  BOOST_TEST(surplus() == "1.1 on n3, 1.2 on n3");
  zone_of({"n1"}, {0.875});
  step();
  BOOST_TEST(plan.without_target().contains(part(8)));
  BOOST_TEST(surplus() == "");
}

BOOST_FIXTURE_TEST_CASE(where_no_eviction_helps_nobody_is_evicted, full_node) {
  partition(8, {"n4", "n2"}, 950 * mib); // more than the node may hold at all
  nodes[node_id{"n4"}].state = node_state::up;
  write(cluster);
  zone_of({"n4"}, {0.875}, 0.0, {"n1", "n2"});
  step();
  BOOST_TEST(targets(8) == "");
  BOOST_TEST(surplus() == "");
}
