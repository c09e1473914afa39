/// Seeded small clusters: HARBINGER_SEED, HARBINGER_SEEDS.

#include <boost/test/unit_test.hpp>

#include "../support/seeds.hpp"
#include "simulate/report.hpp"

using namespace harbinger;
using namespace harbinger::simulate;

namespace {

constexpr uint64_t seeds_count = 4;

simulation_options small(uint64_t seed) {
  simulation_options o;
  o.site.nodes = 120;
  o.site.partitions = 1200;
  o.site.nodes_per_rack = 10;
  o.site.racks_per_feed = 2;
  o.days = 4;
  o.seed = seed;
  o.rules.prefetch.node_bytes_per_s = 100 << 20;
  o.rules.prefetch.total_bytes_per_s = 800 << 20;
  return o;
}
std::vector<failure> failures_for(const simulation_options& o) {
  topology nodes;
  for (const auto& row : nodes_of(o.site, o.seed)) nodes.put(row);
  failure_options failing;
  failing.mtbf_days = 15;
  return failures_of(failing, nodes, o.days, o.seed);
}
prediction prediction_for(const simulation_options& o, const std::vector<failure>& failures) {
  topology nodes;
  for (const auto& row : nodes_of(o.site, o.seed)) nodes.put(row);
  return predict({}, failures, nodes, o.days, o.seed);
}
void act_on_alarms(simulation_options& o) {
  set_zone_thresholds(o.rules.zones, 0.3);
  o.rules.zones.evacuate_at = o.rules.zones.enter_at;
}
accounts play(const simulation_options& o, const std::vector<failure>& f, const prediction& p) {
  auto a = simulate::simulate(o, f, p);
  BOOST_REQUIRE(a);
  return *a;
}

} // namespace

BOOST_AUTO_TEST_CASE(budgets_hold_at_every_copy_and_no_target_is_unsafe) {
  for (auto seed : test::seeds(seeds_count)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      auto o = small(seed);
      act_on_alarms(o);
      auto failures = failures_for(o);
      auto a = play(o, failures, prediction_for(o, failures));
      BOOST_TEST(a.budgets_held());
      BOOST_TEST(a.budgets.unsafe_targets == 0u);
      BOOST_TEST(a.protective.begun > 0u);
      BOOST_TEST(a.budgets.concurrent.seen <= 16);
      BOOST_TEST(a.budgets.node_rate.seen <= 100 << 20);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_bytes_and_another_gives_others) {
  auto bytes = [](uint64_t seed) {
    report r;
    r.options = small(seed);
    act_on_alarms(r.options);
    auto failures = failures_for(r.options);
    r.with = play(r.options, failures, prediction_for(r.options, failures));
    return report_json(r) + report_html(r);
  };
  BOOST_TEST((bytes(5) == bytes(5)));
  BOOST_TEST((bytes(5) != bytes(6)));
}

BOOST_AUTO_TEST_CASE(the_same_failures_come_with_and_without) {
  for (auto seed : test::seeds(seeds_count)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      auto o = small(seed);
      auto failures = failures_for(o);
      auto off = play(o, failures, {});
      auto on = play(o, failures, prediction_for(o, failures));
      for (size_t c = 0; c < causes; ++c)
        BOOST_TEST(off.covered[c].failures == on.covered[c].failures);
    }
  }
}

/// Each run ends with a count of everything that it counted along the way.
BOOST_AUTO_TEST_CASE(what_moves_off_nodes_in_time_is_missed_by_nobody) {
  for (auto seed : test::seeds(seeds_count)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      auto o = small(seed);
      o.days = 0.5 + static_cast<double>(seed % 7) / 2;
      act_on_alarms(o);
      auto failures = failures_for(o);
      auto scores = prediction_for(o, failures);
      auto on = play(o, failures, scores);
      o.rules.zones.evacuate_at = 1;
      auto never = play(o, failures, scores);
      BOOST_TEST(on.left_in_time <= on.left);
      BOOST_TEST(on.handed_over_in_time <= on.handed_over().count);
      BOOST_TEST(on.handed_over().seconds
                 <= 0.03 * static_cast<double>(on.handed_over().count) * 1.001);
      BOOST_TEST(on.budgets.unsafe_targets == 0u);
      BOOST_TEST(never.left + never.handed_over().count == 0u);
      BOOST_TEST(on.of(outage_kind::failover).count <= never.of(outage_kind::failover).count);
      BOOST_TEST(on.waited().count <= never.waited().count);
      if (scores.alarms_true > 0) BOOST_TEST(on.left_in_time > 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_predictor_stuck_at_zero_changes_nothing) {
  for (auto seed : test::seeds(seeds_count)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      auto o = small(seed);
      auto failures = failures_for(o);
      auto off = play(o, failures, {});
      auto on = play(o, failures, stuck_at(0, o.site.nodes));
      BOOST_TEST(on.all().seconds == off.all().seconds);
      BOOST_TEST(on.restores().exposed_partition_s == off.restores().exposed_partition_s);
      BOOST_TEST(on.protective.begun == 0u);
    }
  }
}

/// A hundred partitions a node, so that a dead one leaves many restores, and single failures: how
/// long all of a rack or feed is away outweighs everything else.
BOOST_AUTO_TEST_CASE(beside_a_predictor_stuck_at_one_restores_are_not_slower) {
  for (auto seed : test::seeds(2)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      simulation_options o;
      o.site.nodes = 200;
      o.site.partitions = 20'000;
      o.days = 1.5;
      o.seed = seed;
      o.rules.prefetch.concurrent_max = 20;
      topology nodes;
      for (const auto& row : nodes_of(o.site, o.seed)) nodes.put(row);
      failure_options failing;
      failing.mtbf_days = 60;
      failing.correlated = 0;
      auto failures = failures_of(failing, nodes, o.days, o.seed);
      auto off = play(o, failures, {}).restores();
      auto on = play(o, failures, stuck_at(1, o.site.nodes)).restores();
      BOOST_TEST(on.count > 0u);
      BOOST_TEST(on.mean_s <= off.mean_s * 1.05);
      BOOST_TEST(on.p99_s <= off.p99_s * 1.05);
    }
  }
}

/// Which nodes an event takes is as it is, but who holds what is not: a pair may come to lie on one
/// power feed, or not to. So what nobody survives is judged by the sum of all seeds, the rest by
/// each, with one in a hundred of room: another node becomes primary, and it leads others.
BOOST_AUTO_TEST_CASE(a_predictor_stuck_at_one_is_braked_and_nothing_gets_worse) {
  double sum_off = 0, sum_on = 0;
  for (auto seed : test::seeds(seeds_count)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      auto o = small(seed);
      auto failures = failures_for(o);
      auto off = play(o, failures, {});
      auto on = play(o, failures, stuck_at(1, o.site.nodes));
      BOOST_TEST(on.brakes >= 1u);
      BOOST_TEST(on.left + on.handed_over().count == 0u);
      BOOST_TEST(on.budgets_held());
      auto took_over = [](const accounts& a) { return a.of(outage_kind::failover).seconds; };
      BOOST_TEST(took_over(on) <= took_over(off) * 1.01 + 10);
      sum_off += off.all().seconds;
      sum_on += on.all().seconds;
    }
  }
  if (test::seeds(seeds_count).size() >= seeds_count) BOOST_TEST(sum_on <= sum_off * 1.01 + 10);
}
