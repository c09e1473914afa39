#include <boost/test/unit_test.hpp>

#include "tests/support/plan_stage.hpp"

/// Which copies begin, and which give way.

using namespace harbinger;
using test::eight_nodes;
using test::mib;

namespace {

/// Ten of equal worth, primaries on n1 and n2 in turn, all at risk.
struct ten_at_risk : eight_nodes {
  ten_at_risk() {
    for (uint32_t i = 0; i < 10; ++i) partition(i, {i % 2 ? "n2" : "n1", "n3"}, 10 * mib);
    zone_of({"n1", "n2"}, {1.0, 1.0}, 0.5);
    rules.prefetch.concurrent_per_node_max = 100;
    rules.prefetch.concurrent_max = 100;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(without_limits_all_begin_without_a_rate, ten_at_risk) {
  step();
  auto list = plan.begin({});
  BOOST_TEST(list.size() == 10u);
  for (const auto& b : list) BOOST_TEST(b.rate_bytes_per_s == 0u);
}

BOOST_FIXTURE_TEST_CASE(counts_hold_in_all_and_by_node, ten_at_risk) {
  rules.prefetch.concurrent_max = 7;
  step();
  BOOST_TEST(begun() == "1.0 1.1 1.2 1.3 1.4 1.5 1.6");
  rules.prefetch.concurrent_per_node_max = 2; // n1 and n2 as sources
  step();
  BOOST_TEST(begun() == "1.0 1.1 1.2 1.3");
  plan.set_in_flight({flying(8, "n1", "n5")});
  BOOST_TEST(begun() == "1.0 1.1 1.3");
  plan.set_in_flight({flying(8, "n1", "n5"), flying(6, "n1", "n6")});
  BOOST_TEST(begun() == "1.1 1.3");
  rules.prefetch.concurrent_max = 3;
  step();
  BOOST_TEST(begun() == "1.1");
  rules.prefetch.concurrent_max = 2;
  step();
  BOOST_TEST(begun() == "");
}

BOOST_FIXTURE_TEST_CASE(a_target_takes_no_more_than_its_count, ten_at_risk) {
  for (int i = 6; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].state = node_state::dead;
  write(cluster);
  for (uint32_t i = 0; i < 10; ++i) partition(i, {"n" + std::to_string(i % 2 + 1), "n3"}, mib);
  zone_of({"n3"}, {0.5}); // n4 and n5 are safe
  rules.prefetch.concurrent_per_node_max = 3;
  step();
  BOOST_TEST(plan.begin({}).size() == 6u);
}

BOOST_FIXTURE_TEST_CASE(one_beginning_a_partition_and_none_of_those_that_wait, ten_at_risk) {
  rules.prefetch.none_alive_target = 1e-9;
  step();
  BOOST_TEST(plan.missing() == 20u);
  BOOST_TEST(plan.begin({}).size() == 10u);
  not_now = {part(0), part(3)};
  BOOST_TEST(begun() == "1.1 1.2 1.4 1.5 1.6 1.7 1.8 1.9");
}

BOOST_FIXTURE_TEST_CASE(the_rate_of_one_copy_is_what_the_rules_say, ten_at_risk) {
  rules.prefetch.rate_bytes_per_s = 3 * mib;
  step();
  for (const auto& b : plan.begin({})) BOOST_TEST(b.rate_bytes_per_s == 3 * mib);
  rules.prefetch.rate_bytes_per_s = mib / 2; // less than the least that is worth a beginning
  step();
  BOOST_TEST(plan.begin({}).size() == 10u);
}

BOOST_FIXTURE_TEST_CASE(all_together_take_no_more_than_the_total, ten_at_risk) {
  rules.prefetch.rate_bytes_per_s = 4 * mib;
  rules.prefetch.total_bytes_per_s = 10 * mib;
  step();
  auto rates = [&] {
    std::vector<uint64_t> list;
    for (const auto& b : plan.begin({})) list.push_back(b.rate_bytes_per_s / mib);
    return list;
  };
  BOOST_TEST(rates() == (std::vector<uint64_t>{4, 4, 2}));
  plan.set_in_flight({flying(9, "n2", "n5", 3 * mib)});
  BOOST_TEST(rates() == (std::vector<uint64_t>{4, 3}));
  plan.set_in_flight({flying(9, "n2", "n5", 9 * mib + mib / 2)}); // less than 1 MiB/s is left
  BOOST_TEST(rates().empty());
  plan.set_in_flight({flying(9, "n2", "n5", 99 * mib)}); // of rules that were
  BOOST_TEST(rates().empty());
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_was_given_no_limit_takes_all_of_what_has_one_now, ten_at_risk) {
  step();
  plan.set_in_flight({flying(9, "n2", "n5", 0)});
  BOOST_TEST(plan.begin({}).size() == 10u);
  rules.prefetch.node_bytes_per_s = 4 * mib;
  rules.prefetch.rate_bytes_per_s = 4 * mib;
  step();
  for (const auto& b : plan.begin({})) {
    BOOST_TEST(name(b.copy.source) == "n1");
    BOOST_TEST(name(b.copy.target) != "n5");
  }
  BOOST_TEST(!plan.begin({}).empty());
  rules.prefetch.total_bytes_per_s = 40 * mib;
  step();
  BOOST_TEST(begun() == "");
}

BOOST_FIXTURE_TEST_CASE(a_node_gives_and_takes_no_more_than_its_bytes, ten_at_risk) {
  rules.prefetch.rate_bytes_per_s = 4 * mib;
  rules.prefetch.node_bytes_per_s = 6 * mib;
  step();
  std::map<std::string, uint64_t> from, to;
  for (const auto& b : plan.begin({})) {
    from[name(b.copy.source)] += b.rate_bytes_per_s;
    to[name(b.copy.target)] += b.rate_bytes_per_s;
  }
  BOOST_TEST(from["n1"] == 6 * mib);
  BOOST_TEST(from["n2"] == 6 * mib);
  for (const auto& [node, rate] : to) BOOST_TEST(rate <= 6 * mib);
}

BOOST_FIXTURE_TEST_CASE(a_link_between_two_values_of_an_attribute_has_its_bytes, ten_at_risk) {
  for (int i = 1; i <= 8; ++i)
    nodes[node_id{"n" + std::to_string(i)}].attributes["site"] = i < 4 ? "east" : "west";
  write(cluster);
  rules.prefetch.rate_bytes_per_s = 4 * mib;
  rules.prefetch.link_bytes_per_s = 10 * mib;
  rules.prefetch.link_attribute = "site";
  step();
  uint64_t all = 0;
  for (const auto& b : plan.begin({})) all += b.rate_bytes_per_s;
  BOOST_TEST(all == 10 * mib);
  for (int i = 4; i <= 8; ++i) nodes[node_id{"n" + std::to_string(i)}].attributes["site"] = "east";
  write(cluster);
  step();
  BOOST_TEST(plan.begin({}).size() == 10u); // within one value there is no link
  rules.prefetch.link_attribute = "stated by nobody";
  step();
  BOOST_TEST(plan.begin({}).size() == 10u);
}

namespace {

/// One copy at a time; 1.0 is being copied and hardly worth it, 1.1 waits.
struct one_at_a_time : eight_nodes {
  one_at_a_time() {
    rules.prefetch.concurrent_max = 1;
    partition(0, {"n2", "n1"}, 100 * mib);
    partition(1, {"n3", "n2"}, mib);
    zone_of({"n1"}, {4.0 / 256});
    start();
    has_copy(0, "n5", false);
    plan.set_in_flight({flying(0, "n2", "n5", 0, 100 * mib)});
    step();
  }
  void risk_rises() {
    zone_of({"n3"}, {1.0});
    step();
  }
  std::string preempted() {
    std::string text;
    for (const auto& gone : plan.preempted(not_now))
      text += (text.empty() ? "" : ", ") + id(gone.partition) + " on " + name(gone.node);
    return text;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_gives_way_to_one_that_is_worth_far_more, one_at_a_time) {
  BOOST_TEST(preempted() == "");
  risk_rises();
  BOOST_TEST(preempted() == "1.0 on n5");
  BOOST_TEST(plan.preempted({}).at(0).reason == "gives way to 1.1, which is worth more");
}

BOOST_FIXTURE_TEST_CASE(nobody_gives_way_where_there_is_room_for_both, one_at_a_time) {
  rules.prefetch.concurrent_max = 2;
  risk_rises();
  BOOST_TEST(preempted() == "");
}

BOOST_FIXTURE_TEST_CASE(nobody_gives_way_to_what_may_not_begin_or_is_hardly_worth_more,
                        one_at_a_time) {
  risk_rises();
  not_now = {part(1)};
  BOOST_TEST(preempted() == "");
  not_now = {part(0)}; // something is being done about it already
  BOOST_TEST(preempted() == "");
  not_now = {};
  rules.prefetch.preempt_factor = 1e9;
  step();
  BOOST_TEST(preempted() == "");
  rules.prefetch.preempt_factor = 0; // never
  step();
  BOOST_TEST(preempted() == "");
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_is_nearly_done_does_not_give_way, one_at_a_time) {
  risk_rises();
  plan.set_in_flight({flying(0, "n2", "n5", 0, 100)});
  BOOST_TEST(preempted() == "");
}

BOOST_FIXTURE_TEST_CASE(a_restore_does_not_give_way_and_takes_the_place_of_the_least_worth,
                        one_at_a_time) {
  partition(2, {"n6", "n7"}, 500 * mib);
  set_state("n7", node_state::dead);
  put(2);
  restore(2);
  step();
  BOOST_TEST(preempted() == "1.0 on n5");
  has_copy(2, "n8", false);
  plan.set_in_flight({flying(2, "n6", "n8", 0, 500 * mib)});
  risk_rises();
  BOOST_TEST(preempted() == "");
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_nobody_needs_any_more_gives_way_to_anything, one_at_a_time) {
  risk_rises();
  zones.zones.erase(zones.zones.begin());
  step();
  plan.set_in_flight({flying(0, "n2", "n5", 0, 100)});
  BOOST_TEST(preempted() == "1.0 on n5");
}

BOOST_FIXTURE_TEST_CASE(what_gave_way_does_not_push_the_other_out_again, one_at_a_time) {
  risk_rises();
  BOOST_TEST(preempted() == "1.0 on n5");
  has_no_copy(0);
  has_copy(1, "n4", false);
  for (uint64_t left : {mib, mib / 2, mib / 100}) {
    plan.set_in_flight({flying(1, "n3", "n4", 0, left)});
    step();
    BOOST_TEST(order() == "1.0"); // it waits again
    BOOST_TEST(preempted() == "");
  }
}

BOOST_FIXTURE_TEST_CASE(a_node_that_both_need_is_what_they_share, one_at_a_time) {
  rules.prefetch.concurrent_max = 100;
  rules.prefetch.concurrent_per_node_max = 1;
  risk_rises();
  BOOST_TEST(preempted() == ""); // 1.1 comes from another node
  partitions[make_partition_id(1, 1)].primary = node_id{"n2"};
  put(1);
  step();
  BOOST_TEST(preempted() == "1.0 on n5");
}

BOOST_FIXTURE_TEST_CASE(bytes_that_both_need_are_what_they_share, one_at_a_time) {
  rules.prefetch.concurrent_max = 100;
  rules.prefetch.total_bytes_per_s = 8 * mib;
  risk_rises();
  plan.set_in_flight({flying(0, "n2", "n5", 8 * mib, 100 * mib)});
  BOOST_TEST(begun() == "");
  BOOST_TEST(preempted() == "1.0 on n5");
  rules.prefetch.total_bytes_per_s = 0;
  rules.prefetch.node_bytes_per_s = 8 * mib;
  step();
  BOOST_TEST(preempted() == "");
  partitions[make_partition_id(1, 1)].primary = node_id{"n2"};
  put(1);
  step();
  BOOST_TEST(preempted() == "1.0 on n5");
}
