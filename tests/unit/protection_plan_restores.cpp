#include <boost/test/unit_test.hpp>

#include "tests/support/plan_stage.hpp"

/// Restores come first, and go where a place is free.

using namespace harbinger;
using test::eight_nodes;
using test::mib;

BOOST_FIXTURE_TEST_CASE(each_restore_that_waits_gets_the_place_of_a_copy_for_risk, eight_nodes) {
  rules.prefetch.concurrent_max = 3;
  for (uint32_t i = 0; i < 3; ++i) partition(i, {"n1", "n2"});
  for (uint32_t i = 3; i < 5; ++i) partition(i, {"n3", "n4"});
  zone_of({"n1"}, {0.9});
  start();
  std::vector<copy_in_flight> flying;
  for (uint32_t i = 0; i < 3; ++i) {
    has_copy(i, "n5", false);
    flying.push_back({part(i), number("n2"), number("n5"), 0, mib});
  }
  plan.set_in_flight(flying);
  step();
  BOOST_TEST(plan.preempted({}).empty());
  BOOST_TEST(!plan.restores_wait({}));
  set_state("n4", node_state::dead);
  restore(3), restore(4);
  step();
  BOOST_TEST(plan.restores_wait({}));
  BOOST_TEST(!plan.restores_wait({part(3), part(4)}));
  auto gone = plan.preempted({});
  BOOST_REQUIRE(gone.size() == 2u);
  BOOST_TEST(gone[0].partition != gone[1].partition);
  BOOST_TEST(gone[0].reason == "gives way to 1.3, which lacks a replica");
  BOOST_TEST(plan.preempted({part(3)}).size() == 1u);
  rules.prefetch.preempt_factor = 0; // nobody gives way to anybody
  step();
  BOOST_TEST(plan.preempted({}).empty());
}

namespace {

/// n2 ... n7 have 20 copies each, n8 none: by their fair share all that is new would go to n8. n1
/// held a replica of twelve partitions and died.
struct one_empty_node : eight_nodes {
  one_empty_node() {
    rules.prefetch.concurrent_max = 100;
    for (uint32_t i = 0; i < 12; ++i) partition(i, {"n" + std::to_string(2 + i % 6), "n1"}, mib);
    for (uint32_t i = 0; i < 120; ++i) {
      auto holder = std::to_string(2 + i % 6);
      auto& row = partition(100 + i, {"n" + std::to_string(2 + (i + 1) % 6)}, mib);
      row.replicas_wanted = 1;
      row.copies = {{node_id{"n" + holder}, copy_id{1}, true}};
    }
  }
  void n1_dies(uint32_t restores = 12) {
    start();
    set_state("n1", node_state::dead);
    for (uint32_t i = 0; i < restores; ++i) restore(i);
    step();
  }
  std::map<std::string, size_t> copies_by_target() {
    std::map<std::string, size_t> count;
    for (const auto& c : plan.copies()) ++count[name(c.target)];
    return count;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(restores_of_a_dead_node_go_to_as_many_targets_as_it_takes_to_begin_at_once,
                        one_empty_node) {
  n1_dies();
  BOOST_TEST(plan.copies().size() == 12u);
  BOOST_TEST(plan.begin({}).size() == 12u);   // of which n8 could take four
  BOOST_TEST(copies_by_target()["n8"] == 4u); // and takes them, being the emptiest
  for (auto [name, copies] : copies_by_target()) BOOST_TEST(copies <= 4u, name);
}

BOOST_FIXTURE_TEST_CASE(restores_keep_clear_of_nodes_that_others_are_copied_from_or_to,
                        one_empty_node) {
  start();
  std::vector<copy_in_flight> busy;
  for (uint32_t i = 0; i < 4; ++i) busy.push_back(flying(100 + i, "n8", "n2"));
  plan.set_in_flight(busy);
  n1_dies(10);
  auto count = copies_by_target();
  BOOST_TEST(count["n8"] == 0u);
  BOOST_TEST(count["n2"] == 0u);
  // Up to two come from each of the others, and two go there.
  for (auto name : {"n3", "n4", "n5", "n6", "n7"}) BOOST_TEST(count[name] >= 1u);
}

BOOST_FIXTURE_TEST_CASE(restores_keep_clear_of_nodes_that_other_restores_come_from,
                        one_empty_node) {
  for (uint32_t i = 50; i < 54; ++i) partition(i, {"n8", "n1"}, mib);
  n1_dies(1);
  BOOST_TEST(targets(0) == "n8");
  restore(0, false);
  step();
  for (uint32_t i = 50; i < 54; ++i) restore(i);
  restore(0);
  step();
  BOOST_TEST(targets(0) != "n8");
  BOOST_TEST(plan.begin({}).size() == 5u);
  for (uint32_t i = 50; i < 54; ++i) restore(i, false);
  restore(0, false);
  step();
  restore(0);
  step();
  BOOST_TEST(targets(0) == "n8");
}

BOOST_FIXTURE_TEST_CASE(restores_share_out_the_bytes_that_a_node_may_take, one_empty_node) {
  rules.prefetch.rate_bytes_per_s = 10 * mib;
  rules.prefetch.node_bytes_per_s = 39 * mib; // three at a time
  n1_dies(9);
  BOOST_TEST(copies_by_target()["n8"] == 3u);
}

BOOST_FIXTURE_TEST_CASE(copies_for_risk_still_go_to_the_emptiest_node, one_empty_node) {
  zone_of({"n1"}, {0.9});
  rules.prefetch.copies_max = 1;
  start();
  BOOST_TEST(plan.copies().size() == 12u);
  BOOST_TEST(copies_by_target()["n8"] == 12u);
}

BOOST_FIXTURE_TEST_CASE(restores_that_are_done_or_no_longer_wanted_leave_their_places,
                        one_empty_node) {
  n1_dies();
  auto text = [&](uint32_t index) {
    return plan.places().explain(plan.query_of(part(index)).query).front().text;
  };
  for (uint32_t i = 1; i < 12; ++i) restore(i, false);
  step();
  for (int again = 0; again < 5; ++again) {
    restore(0, false);
    step();
    restore(0);
    step();
    BOOST_TEST(targets(0) == "n8");
    BOOST_TEST(text(0).find("no place") == std::string::npos);
  }
}

BOOST_FIXTURE_TEST_CASE(nobody_gives_way_when_that_would_not_be_enough, eight_nodes) {
  rules.prefetch.total_bytes_per_s = 100 * mib;
  rules.prefetch.node_bytes_per_s = 50 * mib;
  partition(0, {"n1", "n2"});
  partition(1, {"n3", "n4"});
  zone_of({"n1"}, {0.9});
  start();
  set_state("n4", node_state::dead);
  restore(1);
  step();
  BOOST_REQUIRE(targets(1).size() == 2u);
  has_copy(0, "n8", false);
  // All bytes are taken, those into the restore's target by another restore.
  auto to = number(targets(1));
  auto& other = partition(2, {"n5", "n6"});
  other.replicas_wanted = 3;
  put(2);
  plan.set_restore(part(2), true);
  auto busy = flying(2, "n5", targets(1), 50 * mib);
  auto risky = flying(0, "n2", "n8", 50 * mib);
  plan.set_in_flight({busy, risky});
  step();
  BOOST_REQUIRE(plan.targets(part(1)).at(0) == to);
  BOOST_TEST(plan.preempted({part(2)}).empty());
  busy.rate_bytes_per_s = 40 * mib; // now there is room at the target, and only the sum is used up
  risky.rate_bytes_per_s = 60 * mib;
  plan.set_in_flight({busy, risky});
  step();
  BOOST_TEST(plan.preempted({part(2)}).size() == 1u);
}
