#include <boost/test/unit_test.hpp>

#include "tests/support/plan_stage.hpp"

/// What each partition needs, and in which order copies are made.

using namespace harbinger;
using test::eight_nodes;
using test::mib;

BOOST_FIXTURE_TEST_CASE(nothing_is_planned_while_no_replica_is_in_a_zone, eight_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n3"}, {0.875});
  BOOST_TEST(step().empty());
  BOOST_TEST(plan.missing() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_replica_in_a_zone_gets_a_copy_on_a_safe_node, eight_nodes) {
  partition(0, {"n1", "n2"}, 5 * mib);
  zone_of({"n1"}, {0.875}, 0.0, {"n3"});
  auto planned = step();
  BOOST_REQUIRE(planned.size() == 1u);
  BOOST_TEST(name(planned[0].target) == "n4");
  BOOST_TEST(name(planned[0].source) == "n1"); // the primary, while it is up
  BOOST_TEST(planned[0].bytes == 5.0 * mib);
  BOOST_TEST(planned[0].deadline_s == rules.horizon_s);
  BOOST_TEST(!planned[0].restore);
  BOOST_TEST(!planned[0].late());
}

BOOST_FIXTURE_TEST_CASE(two_copies_of_one_partition_go_to_different_nodes, eight_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n1", "n2"}, {0.875, 0.875}, 0.4375);
  rules.prefetch.none_alive_target = 1e-5;
  auto planned = step();
  BOOST_REQUIRE(planned.size() == 2u);
  BOOST_TEST(planned[0].number == 0u);
  BOOST_TEST(planned[1].number == 1u);
  BOOST_TEST(planned[0].target != planned[1].target);
  BOOST_TEST(planned[0].worth > planned[1].worth);
}

BOOST_FIXTURE_TEST_CASE(the_source_is_the_primary_unless_it_is_gone_or_silent, eight_nodes) {
  partition(0, {"n2", "n1"});
  zone_of({"n1"}, {0.875});
  BOOST_TEST(name(step().at(0).source) == "n2");
  set_state("n2", node_state::suspect);
  BOOST_TEST(name(step().at(0).source) == "n1");
  set_state("n1", node_state::suspect);
  BOOST_TEST(name(step().at(0).source) == "n2");
  set_state("n2", node_state::up);
  BOOST_TEST(name(step().at(0).source) == "n2");
}

BOOST_FIXTURE_TEST_CASE(a_partition_that_nobody_holds_alive_has_no_source, eight_nodes) {
  partition(0, {"n1", "n2"});
  set_state("n1", node_state::dead);
  set_state("n2", node_state::dead);
  step();
  restore(0);
  auto planned = step();
  BOOST_REQUIRE(planned.size() == 2u);
  BOOST_TEST(name(planned[0].source) == "nobody");
  BOOST_TEST(plan.begin({}).size() == 1u); // one at a time of one partition
}

BOOST_FIXTURE_TEST_CASE(what_is_begun_or_there_is_planned_no_more, eight_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n1"}, {0.875});
  BOOST_TEST(step().size() == 1u);
  has_copy(0, "n4", false);
  BOOST_TEST(step().empty());
  has_no_copy(0);
  BOOST_TEST(step().size() == 1u);
  cluster.remove(make_partition_id(1, 0));
  BOOST_TEST(step().empty());
}

BOOST_FIXTURE_TEST_CASE(a_holder_that_dies_or_returns_is_planned_for, eight_nodes) {
  partition(0, {"n1", "n2"});
  has_copy(0, "n4");
  zone_of({"n1"}, {0.875});
  BOOST_TEST(step().empty());
  set_state("n4", node_state::dead);
  BOOST_TEST(step().size() == 1u);
  set_state("n4", node_state::up);
  BOOST_TEST(step().empty());
}

BOOST_FIXTURE_TEST_CASE(a_risk_that_changes_changes_what_its_partitions_are_worth, eight_nodes) {
  partition(0, {"n1", "n3"});
  partition(1, {"n2", "n3"});
  zone_of({"n1"}, {0.75});
  zone_of({"n2"}, {0.5});
  BOOST_TEST(order() == "1.0 1.1");
  zones.zones[1].risks = {0.875};
  BOOST_TEST(order() == "1.1 1.0");
}

BOOST_FIXTURE_TEST_CASE(rules_count_from_the_next_step_on, eight_nodes) {
  partition(0, {"n1", "n2"});
  partition(1, {"n3", "n4"});
  zone_of({"n1", "n2"}, {0.875, 0.875}, 0.4375);
  BOOST_TEST(step().size() == 1u);
  rules.prefetch.none_alive_target = 1e-5;
  BOOST_TEST(step().size() == 2u);
  rules.prefetch.copies_max = 0;
  BOOST_TEST(step().empty());
  rules.prefetch.copies_max = 1;
  BOOST_TEST(step().size() == 1u);
  rules.placement.quota = 0.0;
  BOOST_TEST(name(step().at(0).target) == "nobody");
  rules.placement.quota = 0.9;
  BOOST_TEST(name(step().at(0).target) != "nobody");
}

BOOST_FIXTURE_TEST_CASE(what_would_be_gone_with_the_zones_is_copied_before_the_rest, eight_nodes) {
  partition(0, {"n1", "n3"}, 100);
  partition(1, {"n2", "n1"}, 1000);
  zone_of({"n1"}, {0.875});
  BOOST_TEST(order() == "1.0 1.1");
  zone_of({"n2"}, {0.625});
  BOOST_TEST(order() == "1.1 1.0");
}

BOOST_FIXTURE_TEST_CASE(restores_come_first_then_what_saves_most_a_byte_then_the_smaller_id,
                        eight_nodes) {
  partition(0, {"n2", "n1"}, mib);     // only a secondary is at risk
  partition(1, {"n1", "n2"}, 5 * mib); // more to move for the same
  partition(2, {"n1", "n2"}, mib);
  partition(3, {"n3", "n2"}, mib); // the likelier failure
  partition(4, {"n5", "n6"}, 99 * mib).sync_set = {node_id{"n5"}};
  partition(5, {"n1", "n2"}, mib); // as good as 1.2
  zone_of({"n1"}, {0.75});
  zone_of({"n3"}, {0.875});
  step();
  restore(4);
  BOOST_TEST(order() == "1.4 1.3 1.2 1.5 1.0 1.1");
}

BOOST_FIXTURE_TEST_CASE(restores_with_the_fewest_living_holders_come_first, eight_nodes) {
  partition(0, {"n1", "n3"}, mib);
  partition(1, {"n1", "n3"}, 50 * mib).replicas_wanted = 3;
  partition(2, {"n2", "n3"}, mib).replicas_wanted = 3;
  set_state("n1", node_state::dead);
  step();
  for (uint32_t i : {0u, 1u, 2u}) restore(i);
  BOOST_TEST(order() == "1.0 1.1 1.1 1.2");
  restore(0, false);
  BOOST_TEST(order() == "1.1 1.1 1.2");
}

BOOST_FIXTURE_TEST_CASE(changes_come_in_their_place_in_the_order, eight_nodes) {
  for (uint32_t i = 0; i < 6; ++i) partition(i, {"n1", "n2"}, (i + 1) * mib);
  zone_of({"n1"}, {0.75});
  BOOST_TEST(order() == "1.0 1.1 1.2 1.3 1.4 1.5");
  cluster.set_size(part(4), mib / 2);
  BOOST_TEST(order() == "1.4 1.0 1.1 1.2 1.3 1.5");
  has_copy(1, "n5");
  BOOST_TEST(order() == "1.4 1.0 1.2 1.3 1.5");
  has_no_copy(1);
  BOOST_TEST(order() == "1.4 1.0 1.1 1.2 1.3 1.5");
}

BOOST_FIXTURE_TEST_CASE(finish_is_counted_up_through_what_all_copies_share, eight_nodes) {
  for (uint32_t i = 0; i < 3; ++i) partition(i, {"n1", "n2"}, 10 * mib);
  zone_of({"n1"}, {0.75});
  rules.prefetch.total_bytes_per_s = mib;
  auto planned = step();
  BOOST_REQUIRE(planned.size() == 3u);
  for (size_t i = 0; i < 3; ++i)
    BOOST_TEST(planned[i].finish_s == 10.0 * static_cast<double>(i + 1),
               boost::test_tools::tolerance(1e-6));
  plan.set_in_flight({flying(0, "n1", "n5", 0, 5 * mib)});
  BOOST_TEST(step().at(0).finish_s == 15.0, boost::test_tools::tolerance(1e-6));
  plan.set_in_flight({flying(0, "n1", "n5", 0, 2 * mib)}); // it goes on
  BOOST_TEST(step().at(0).finish_s == 12.0, boost::test_tools::tolerance(1e-6));
}

BOOST_FIXTURE_TEST_CASE(each_node_and_each_link_has_its_own_time, eight_nodes) {
  rules.prefetch.link_attribute = "site";
  for (int i = 1; i <= 8; ++i)
    nodes[node_id{"n" + std::to_string(i)}].attributes["site"] = i < 5 ? "east" : "west";
  write(cluster);
  partition(0, {"n1", "n2"}, 10 * mib);
  partition(1, {"n2", "n1"}, 10 * mib);
  zone_of({"n1", "n2"}, {0.75, 0.75});
  rules.prefetch.node_bytes_per_s = mib;
  auto planned = step();
  BOOST_TEST(planned.at(0).finish_s == 10.0, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(planned.at(1).finish_s == 10.0, boost::test_tools::tolerance(1e-6));
  rules.prefetch.node_bytes_per_s = 0;
  rules.prefetch.link_bytes_per_s = mib;
  for (auto n : {"n3", "n4"}) set_state(n, node_state::dead); // both go to the west
  planned = step();
  BOOST_TEST(planned.at(1).finish_s == 20.0, boost::test_tools::tolerance(1e-6));
}

BOOST_FIXTURE_TEST_CASE(what_can_not_be_in_time_goes_behind_all_that_can, eight_nodes) {
  partition(0, {"n1", "n2"}, 90 * mib);
  partition(1, {"n3", "n2"}, 90 * mib);
  partition(2, {"n3", "n4"}, 5 * mib);
  zone_of({"n1"}, {1.0});
  zone_of({"n3"}, {0.5});
  rules.prefetch.total_bytes_per_s = mib;
  rules.horizon_s = 100.0;
  auto planned = step();
  BOOST_REQUIRE(planned.size() == 3u);
  BOOST_TEST(planned.back().late());
  BOOST_TEST(id(planned.back().partition) == "1.1");
  BOOST_TEST(!planned[0].late());
  BOOST_TEST(!planned[1].late());
  rules.horizon_s = 1000.0;
  for (const auto& c : step()) BOOST_TEST(!c.late());
}

BOOST_FIXTURE_TEST_CASE(a_restore_is_never_too_late, eight_nodes) {
  partition(0, {"n1", "n2"}, 90 * mib);
  set_state("n2", node_state::dead);
  rules.prefetch.total_bytes_per_s = mib;
  rules.horizon_s = 1.0;
  step();
  restore(0);
  BOOST_TEST(!step().at(0).late());
}

BOOST_FIXTURE_TEST_CASE(a_planned_event_sets_a_deadline_that_draws_near_and_can_be_moved,
                        eight_nodes) {
  partition(0, {"n1", "n2"});
  partition(1, {"n3", "n4"});
  zone_of({"n1"}, {1.0}).within_s = 100;
  zone_of({"n3"}, {0.5});
  auto deadline = [&](seconds later) {
    for (const auto& c : step(later))
      if (c.partition == part(0)) return c.deadline_s;
    return -1.0;
  };
  BOOST_TEST(deadline(seconds(1)) == 100.0);
  zones.zones[0].within_s = 70;
  BOOST_TEST(deadline(seconds(30)) == 70.0);
  BOOST_TEST(deadline(seconds(50)) == 20.0); // no news meanwhile
  zones.zones[0].within_s = 600;             // put off
  BOOST_TEST(deadline(seconds(1)) == 600.0);
  zones.zones[0].within_s = 40; // brought forward
  BOOST_TEST(deadline(seconds(1)) == 40.0);
  zones.zones[0].within_s = 1; // it has begun, and is told as about to begin from now on
  BOOST_TEST(deadline(seconds(60)) <= 1.0);
  zones.zones[0].within_s = 1.5;
  BOOST_TEST(deadline(seconds(1)) <= 1.0);
  for (const auto& c : plan.copies())
    if (c.partition == part(1)) BOOST_TEST(c.deadline_s == rules.horizon_s);
  zones.zones[0].within_s = 0; // no longer planned, still at risk
  BOOST_TEST(deadline(seconds(1)) == rules.horizon_s);
}
