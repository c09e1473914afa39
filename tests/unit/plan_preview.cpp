#include <boost/test/unit_test.hpp>

#include "prefetch/plan_preview.hpp"
#include "tests/support/random_fleet.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// Two partitions at risk, each with a place to go to.
struct two_at_risk : test::named_cluster {
  fleet cluster;
  plan_rules rules;
  std::set<partition_number> wanted;
  time_point now{std::chrono::hours(1)};

  two_at_risk() {
    for (int i = 1; i <= 6; ++i) node("n" + std::to_string(i), "r" + std::to_string(i));
    partition(0, {"n1", "n2"}, 10 * mib);
    partition(1, {"n1", "n3"}, 30 * mib);
    zone_of({"n1"}, {0.75});
    rules.prefetch.rate_bytes_per_s = rules.prefetch.total_bytes_per_s = mib;
    write(cluster);
  }
  plan_preview look(const plan_rules& then) {
    return preview(cluster, zones, rules, then, wanted, now);
  }
  plan_summary summary() { return look(rules).now; }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_summary_adds_up_the_plan, two_at_risk) {
  auto s = summary();
  BOOST_TEST(s.copies == 2u);
  BOOST_TEST(s.partitions == 2u);
  BOOST_TEST(s.without_target == 0u);
  BOOST_TEST(s.late == 0u);
  BOOST_TEST(s.bytes == 40.0 * mib);
  BOOST_TEST(s.finish_s == 40.0, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(s.saved_s > 0.0);
  rules.horizon_s = 35.0;
  BOOST_TEST(summary().late == 1u);
  nodes[node_id{"n4"}].state = nodes[node_id{"n5"}].state = nodes[node_id{"n6"}].state =
      node_state::dead;
  nodes[node_id{"n2"}].state = nodes[node_id{"n3"}].state = node_state::suspect;
  write(cluster);
  s = summary();
  BOOST_TEST(s.without_target == 2u);
  BOOST_TEST(s.finish_s == 0.0);
}

BOOST_FIXTURE_TEST_CASE(what_small_copies_save_is_added_up_like_that_of_large_ones, two_at_risk) {
  auto large = summary().saved_s;
  for (auto& [id, size] : sizes) size = 1;
  write(cluster);
  recovery_speeds fixed;
  fixed.rebuild_fixed_s = 1000.0; // next to which the sizes are nothing
  rules.speeds = fixed;
  auto small = summary().saved_s;
  for (auto& [id, size] : sizes) size = mib;
  write(cluster);
  BOOST_TEST(summary().saved_s == small, boost::test_tools::tolerance(1e-3));
  BOOST_TEST(large > 0.0);
}

BOOST_FIXTURE_TEST_CASE(the_same_rules_change_nothing, two_at_risk) {
  auto p = look(rules);
  BOOST_TEST(p.changes.empty());
  BOOST_TEST(in_words(p.now) == in_words(p.then));
}

BOOST_FIXTURE_TEST_CASE(other_rules_show_who_would_go_where, two_at_risk) {
  auto then = rules;
  then.prefetch.none_alive_target = 1e-6;
  auto p = look(then);
  BOOST_TEST(p.now.copies == 2u);
  BOOST_TEST(p.then.copies == 2u); // one outside is 0.75e-6 already
  then.prefetch.none_alive_target = 1e-7;
  p = look(then);
  BOOST_TEST(p.then.copies == 4u);
  BOOST_REQUIRE(p.changes.size() == 2u);
  BOOST_TEST(to_string(p.changes[0].partition) == "1.0");
  BOOST_TEST(p.changes[0].before.substr(0, 4) == "to n");
  BOOST_TEST(p.changes[0].after.find(", n") != std::string::npos);
  then.prefetch.copies_max = 0;
  p = look(then);
  BOOST_TEST(p.changes.at(0).after == "nothing");
  then = rules;
  then.placement.quota = 0.0;
  BOOST_TEST(look(then).changes.at(1).after == "to nobody");
}

BOOST_FIXTURE_TEST_CASE(a_preview_changes_nothing_and_counts_what_recovery_lacks, two_at_risk) {
  partition(2, {"n4", "n5"});
  nodes[node_id{"n5"}].state = node_state::dead;
  write(cluster);
  cluster.take_changes();
  BOOST_TEST(summary().copies == 2u);
  wanted = {*cluster.find(make_partition_id(1, 2))};
  BOOST_TEST(summary().copies == 3u);
  BOOST_TEST(cluster.take_changes().partitions.empty());
}

BOOST_AUTO_TEST_CASE(a_summary_is_told_in_one_line) {
  plan_summary s;
  s.copies = 12;
  s.partitions = 10;
  s.bytes = 1.5 * (1 << 30);
  s.finish_s = 24.0;
  s.saved_s = 300.0;
  BOOST_TEST(in_words(s)
             == "12 copies of 10 partitions, 1.5 GiB, done in about 24 s, 300 s of recovery saved; "
                "fullest safe node 1.00 times the mean");
  s.late = 2;
  s.without_target = 1;
  BOOST_TEST(in_words(s).find("; 2 of them too late; 1 partitions find no node")
             != std::string::npos);
}
