#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "simulate/report.hpp"
#include "tests/support/simulated_site.hpp"

using namespace harbinger;
using namespace harbinger::simulate;
using test::one_partition;

namespace {

const auto about = boost::test_tools::tolerance(1e-6);

} // namespace

BOOST_FIXTURE_TEST_CASE(a_primary_is_handed_over_before_its_node_fails, one_partition) {
  alarm(9000, first);
  auto a = play({{10'000, 3600, first}});
  BOOST_TEST(a.all().seconds == 0.03, about);
  BOOST_TEST(a.of(outage_kind::failover).count == 0u);
  BOOST_TEST(a.handed_over().count == 1u);
  BOOST_TEST(a.handed_over_in_time == 1u);
  BOOST_TEST(a.left_in_time == 1u);
  BOOST_TEST(a.waited().count == 0u);
  BOOST_TEST(a.restores().exposed_partition_s == 0);
}

BOOST_FIXTURE_TEST_CASE(a_false_alarm_costs_the_hand_over_and_nobody_moves_back, one_partition) {
  alarm(9000, first);
  alarm(12'000, first, 0);
  auto a = play({{50'000, 600, first}}); // long after that, and nothing is there any more
  BOOST_TEST(a.all().seconds == 0.03, about);
  BOOST_TEST(a.handed_over().count == 1u);
  BOOST_TEST(a.handed_over_in_time == 0u);
  BOOST_TEST(a.left == 1u);
  BOOST_TEST(a.left_in_time == 0u);
  BOOST_TEST(a.copies_used == 1u);
  BOOST_TEST(a.copies_unused == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_secondary_that_left_in_time_stalls_no_writes, one_partition) {
  auto late = play({{10'000, 3600, second}});
  BOOST_TEST(late.waited().seconds == 0.912, about);
  BOOST_TEST(late.all().count == 0u);
  alarm(9000, second);
  auto a = play({{10'000, 3600, second}});
  BOOST_TEST(a.waited().count == 0u);
  BOOST_TEST(a.left_in_time == 1u);
  BOOST_TEST(a.all().count == 0u); // it led nothing
}

BOOST_FIXTURE_TEST_CASE(writes_wait_until_the_verdict_the_return_or_their_primarys_end,
                        one_partition) {
  BOOST_TEST(play({{1000, 0.5, second}}).waited().seconds == 0.5, about);
  auto both = play({{1000, 3600, second}, {1000.25, 3600, first}});
  BOOST_TEST(both.waited().seconds == 0.25, about);
  BOOST_TEST(both.waited().count == 1u);
}

BOOST_FIXTURE_TEST_CASE(writes_wait_from_when_there_is_somebody_to_take_them, one_partition) {
  o.site.replicas = 3;
  look();
  auto last = first == 2 ? node_number{1} : node_number{2}; // the other one leads, by its name
  auto a = play({{1000, 3600, first}, {1000.95, 3600, last}});
  BOOST_TEST(a.all().seconds == 1.012, about);
  BOOST_TEST(a.waited().seconds == 1000.95 + 0.912 - 1001.012, about);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_got_into_a_zone_joins_nothing, one_partition) {
  o.rules.zones.share_max = o.rules.zones.capacity_share_max = 1;
  o.rules.prefetch.rate_bytes_per_s = 1 << 20;
  alarm(9000, first); // enters at 9001, and is copied at once
  alarm(9001.2, 3 - first - second, 0.85);
  auto a = play({});
  BOOST_TEST(a.protective.done == 1u);
  BOOST_TEST(a.joined_to_leave == 0u);
  BOOST_TEST(a.left == 0u);
  BOOST_TEST(a.budgets.unsafe_targets == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_from_a_member_that_left_is_given_up, one_partition) {
  o.site.nodes = 12;
  o.rules.prefetch.none_alive_target = 1e-6; // two copies
  o.rules.prefetch.rate_bytes_per_s = 1 << 20;
  look();
  alarm(9000, first);
  alarm(9000, second);
  alarm(9003, o.site.nodes - 1, 0.6); // the plan is looked at again, and begins the second
  auto a = play({});
  BOOST_TEST(a.protective.aborted == 1u);
  BOOST_TEST(a.left == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_member_leaves_only_where_enough_others_are, one_partition) {
  o.site.nodes = 2; // nowhere to copy to
  o.site.nodes_per_rack = 2;
  look();
  alarm(9000, first);
  auto a = play({{10'000, 3600, first}});
  BOOST_TEST(a.left == 0u);
  BOOST_TEST(a.handed_over().count == 1u);
  BOOST_TEST(a.all().seconds == 0.03, about);
  BOOST_TEST(a.waited().seconds == 0.912, about); // as a secondary it is missed all the same
}

BOOST_FIXTURE_TEST_CASE(nobody_is_handed_over_to_a_node_in_a_zone, one_partition) {
  o.site.nodes = 2;
  o.site.nodes_per_rack = 2;
  o.rules.zones.share_max = o.rules.zones.capacity_share_max = 1;
  look();
  alarm(9000, first);
  alarm(9000, second);
  BOOST_TEST(play({}).handed_over().count == 0u);
}

BOOST_FIXTURE_TEST_CASE(below_the_threshold_nothing_moves, one_partition) {
  alarm(9000, first, 0.85);
  auto a = play({{10'000, 3600, first}});
  BOOST_TEST(a.covered[0].predicted == 1u);
  BOOST_TEST(a.all().seconds == 1.012, about);
  BOOST_TEST(a.left == 0u);
  o.rules.zones.evacuate_at = 0.8;
  BOOST_TEST(play({{10'000, 3600, first}}).all().seconds == 0.03, about);
  o.rules.zones.evacuate_at = 1;
  scores.changes[0].probability = 1;
  BOOST_TEST(play({{10'000, 3600, first}}).all().seconds == 1.012, about);
}

BOOST_FIXTURE_TEST_CASE(a_risk_that_rises_inside_a_zone_moves_what_is_there, one_partition) {
  alarm(9000, first, 0.6);
  alarm(9500, first, 0.95);
  BOOST_TEST(play({{10'000, 3600, first}}).all().seconds == 0.03, about);
}

BOOST_FIXTURE_TEST_CASE(a_partition_is_handed_over_once_a_minute_at_most, one_partition) {
  o.rules.zones.share_max = o.rules.zones.capacity_share_max = 1;
  alarm(9000, first); // enters at 9001
  alarm(9020, second);
  auto early = play({{9050, 3600, second}});
  BOOST_TEST(early.handed_over().count == 1u);
  BOOST_TEST(early.all().seconds == 1.012 + 0.03, about);
  auto late = play({{9070, 3600, second}});
  BOOST_TEST(late.handed_over().count == 2u);
  BOOST_TEST(late.all().seconds == 2 * 0.03, about);
}

BOOST_FIXTURE_TEST_CASE(while_braked_nobody_is_evacuated, one_partition) {
  o.site.nodes = 12;
  look();
  scores = stuck_at(1, o.site.nodes);
  auto a = play({});
  BOOST_TEST(a.brakes == 1u);
  BOOST_TEST(a.handed_over().count == 0u);
  BOOST_TEST(a.left == 0u);
}

BOOST_FIXTURE_TEST_CASE(the_largest_outages_are_told_with_what_was_known_of_them, one_partition) {
  report r;
  alarm(9000, first);
  std::vector<failure> failures{{10'000, 600, first, failure_cause::power, 7},
                                {10'010, 600, second, failure_cause::power, 7},
                                {50'000, 600, 2, failure_cause::node, 3}};
  r.with = play(failures);
  scores = {};
  r.without = play(failures);
  auto rows = largest_outages(r);
  BOOST_REQUIRE(rows.size() >= 1u);
  BOOST_TEST(rows[0].event == 7u);
  BOOST_TEST((rows[0].cause == failure_cause::power));
  BOOST_TEST(rows[0].nodes == 2u);
  BOOST_TEST(rows[0].in_zones == 1u);
  BOOST_TEST(rows[0].lead_s == 999, about);
  BOOST_TEST(*rows[0].without > *rows[0].with);
  BOOST_TEST(report_text(r).find("power: 2 nodes, 1 in a zone for 16.6 min") != std::string::npos);
  auto json = nlohmann::json::parse(report_json(r));
  BOOST_TEST(json["largest_outages"][0]["with_s"].get<double>() == *rows[0].with);
  BOOST_TEST(json["figures"]["handed_over"]["with"] == 1);
}
