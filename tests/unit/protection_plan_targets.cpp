#include <boost/test/unit_test.hpp>

#include "tests/support/plan_stage.hpp"

/// Where copies shall go, and stay.

using namespace harbinger;
using test::eight_nodes;
using test::mib;

BOOST_FIXTURE_TEST_CASE(a_target_that_becomes_unsafe_is_replaced_and_the_others_stay, eight_nodes) {
  for (uint32_t i = 0; i < 12; ++i) partition(i, {"n1", "n2"});
  zone_of({"n1"}, {0.75});
  step();
  std::map<uint32_t, std::string> before;
  for (uint32_t i = 0; i < 12; ++i) before[i] = targets(i);
  zone_of({"n5"}, {0.75});
  step();
  size_t moved = 0;
  for (uint32_t i = 0; i < 12; ++i) {
    BOOST_TEST(targets(i) != "n5");
    if (before[i] == "n5")
      ++moved;
    else
      BOOST_TEST(targets(i) == before[i]);
  }
  BOOST_TEST(moved == 2u);
}

BOOST_FIXTURE_TEST_CASE(targets_that_die_fill_up_or_get_exposed_are_replaced_too, eight_nodes) {
  partition(0, {"n1", "n2"}, 10 * mib);
  zone_of({"n1"}, {0.75});
  step();
  BOOST_TEST(targets(0) == "n3");
  set_state("n3", node_state::suspect);
  step();
  BOOST_TEST(targets(0) == "n4");
  cluster.set_usage(number("n4"), 895 * mib, 0.0);
  step();
  BOOST_TEST(targets(0) == "n5");
  zones.zones[0].exposed = {node_id{"n5"}};
  step();
  BOOST_TEST(targets(0) == "n6");
  plan.keep_away(part(0), number("n6"), true);
  step();
  BOOST_TEST(targets(0) == "n7");
  plan.keep_away(part(0), number("n6"), false);
  step();
  BOOST_TEST(targets(0) == "n7"); // and no way back: movement is minimal
}

BOOST_FIXTURE_TEST_CASE(of_targets_on_a_node_that_fills_up_the_most_worth_stay, eight_nodes) {
  for (int i = 4; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  partition(0, {"n1", "n2"}, 30 * mib);
  partition(1, {"n1", "n2"}, 20 * mib);
  partition(2, {"n1", "n2"}, 10 * mib);
  zone_of({"n1"}, {0.75});
  step();
  for (uint32_t i = 0; i < 3; ++i) BOOST_TEST(targets(i) == "n3");
  cluster.set_usage(number("n3"), 865 * mib, 0.0);
  step();
  BOOST_TEST(targets(0) == "");
  BOOST_TEST(targets(1) == "n3");
  BOOST_TEST(targets(2) == "n3");
}

BOOST_FIXTURE_TEST_CASE(without_a_target_it_is_tried_again_until_somebody_is_there, eight_nodes) {
  partition(0, {"n1", "n2"});
  for (int i = 3; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  zone_of({"n1"}, {0.75});
  step();
  BOOST_TEST(targets(0) == "");
  BOOST_TEST(plan.without_target() == std::set{part(0)});
  BOOST_TEST(begun() == "");
  set_state("n7", node_state::up);
  step();
  BOOST_TEST(targets(0) == "n7");
  BOOST_TEST(plan.without_target().empty());
}

BOOST_FIXTURE_TEST_CASE(many_without_a_target_are_tried_in_turn, eight_nodes) {
  constexpr uint32_t count = 3 * protection_plan::retries_each_step;
  for (uint32_t i = 0; i < count; ++i) partition(i, {"n1", "n2"});
  for (int i = 3; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  zone_of({"n1"}, {0.75});
  step();
  BOOST_TEST(plan.without_target().size() == count);
  set_state("n7", node_state::up);
  for (size_t left = count; left > 0;) {
    step();
    BOOST_REQUIRE(left - plan.without_target().size() == protection_plan::retries_each_step);
    left = plan.without_target().size();
  }
}

BOOST_FIXTURE_TEST_CASE(one_that_needs_no_copy_any_more_lacks_no_target, eight_nodes) {
  partition(0, {"n1", "n2"});
  has_copy(0, "n3");
  for (int i = 4; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  zone_of({"n1", "n2"}, {0.75, 0.75});
  rules.prefetch.none_alive_target = 1e-5;
  step();
  BOOST_TEST(plan.without_target().size() == 1u);
  zones.zones.clear();
  BOOST_TEST(step().empty());
  BOOST_TEST(plan.without_target().empty());
}

BOOST_FIXTURE_TEST_CASE(room_that_was_promised_is_free_when_the_need_is_gone, eight_nodes) {
  partition(0, {"n1", "n2"}, 500 * mib);
  partition(1, {"n4", "n5"}, 500 * mib);
  for (int i = 6; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  zone_of({"n1", "n4"}, {0.75, 0.75}, 0.0, {"n2", "n5"});
  rules.prefetch.space_max = 0.9;
  step();
  BOOST_TEST(plan.without_target().size() == 1u); // only n3 is safe
  zones.zones[0].members = {node_id{"n4"}};
  zones.zones[0].exposed.push_back(node_id{"n1"});
  step();
  BOOST_TEST(targets(1) == "n3");
  BOOST_TEST(plan.without_target().empty());
}
