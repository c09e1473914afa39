#include <boost/test/unit_test.hpp>

#include "prefetch/protection_plan.hpp"

using namespace harbinger;

namespace {

const auto tolerance = boost::test_tools::tolerance(1e-9);

struct six_nodes {
  std::map<node_id, node_row> nodes;
  std::map<partition_id, partition_row> rows;
  std::map<partition_id, uint64_t> sizes;
  std::map<partition_id, restore_method> restores;
  std::map<partition_id, std::set<node_id>> broken;
  zone_map zones;
  prefetch_settings rules;
  protection_planner planner;
  time_point now{std::chrono::hours(1)};

  six_nodes() {
    for (int i = 1; i <= 6; ++i)
      nodes[node_id{"n" + std::to_string(i)}].id = node_id{"n" + std::to_string(i)};
  }
  partition_row& partition(uint32_t index, const std::string& primary, const std::string& secondary,
                           uint64_t size = 1000) {
    auto id = make_partition_id(1, index);
    auto& row = rows[id];
    row.id = id;
    row.primary = node_id{primary};
    row.sync_set = {node_id{primary}, node_id{secondary}};
    std::sort(row.sync_set.begin(), row.sync_set.end());
    row.replicas_wanted = 2;
    sizes[id] = size;
    return row;
  }
  void zone_of(std::vector<std::string> members, std::vector<double> risks, double common = 0.0) {
    zone z;
    z.id = zone_id{zones.zones.size() + 1};
    for (auto& m : members) z.members.push_back(node_id{m});
    z.risks = std::move(risks);
    z.common_cause = common;
    zones.zones.push_back(z);
  }
  protection_plan plan() {
    std::vector<plan_subject> subjects;
    for (const auto& [id, row] : rows) {
      plan_subject s{&row, sizes[id], {}, broken[id]};
      if (restores.contains(id)) s.restore = restores[id];
      subjects.push_back(s);
    }
    return planner.step(subjects, zones, nodes, rules, now);
  }
  std::string order() {
    std::string text;
    for (const auto& w : plan().wanted) text += (text.empty() ? "" : " ") + to_string(w.partition);
    return text;
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(nothing_is_wanted_while_no_replica_is_in_a_zone, six_nodes) {
  partition(0, "n1", "n2");
  zone_of({"n3"}, {0.9});
  BOOST_TEST(plan().wanted.empty());
}

BOOST_FIXTURE_TEST_CASE(a_replica_in_a_zone_wants_one_copy_outside, six_nodes) {
  partition(0, "n1", "n2");
  zone_of({"n1"}, {0.9});
  auto wanted = plan().wanted;
  BOOST_REQUIRE(wanted.size() == 1u);
  BOOST_TEST(wanted[0].missing == 1u);
  BOOST_TEST(wanted[0].primary_at_risk);
  BOOST_TEST(wanted[0].none_alive_now == 0.9e-3, tolerance);
  BOOST_TEST(wanted[0].none_alive_then == 0.9e-6, tolerance);
  BOOST_TEST(wanted[0].reason.find("n1 (primary) in zone 1") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_stricter_target_wants_more_copies_up_to_the_limit, six_nodes) {
  partition(0, "n1", "n2");
  zone_of({"n1", "n2"}, {0.9, 0.9}, 0.45);
  rules.none_alive_target = 1e-5;
  BOOST_TEST(plan().wanted.at(0).missing == 2u);
  rules.none_alive_target = 1e-12;
  auto w = plan().wanted.at(0);
  BOOST_TEST(w.missing == 2u);
  BOOST_TEST(w.reason.find("out of reach") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(members_of_one_zone_fail_together_more_often_than_independent_ones,
                        six_nodes) {
  zone_of({"n1", "n2"}, {0.5, 0.5}, 0.25);
  BOOST_TEST(none_alive({node_id{"n1"}, node_id{"n2"}}, zones)
                 == 0.25 + 0.75 * (1.0 / 3) * (1.0 / 3),
             tolerance);
  BOOST_TEST(none_alive({node_id{"n1"}}, zones) == 0.5, tolerance);
  BOOST_TEST(none_alive({node_id{"n5"}}, zones) == base_failure_probability, tolerance);
  BOOST_TEST(none_alive({}, zones) == 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_is_there_is_enough_but_not_one_inside_a_zone, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  zone_of({"n1"}, {0.9});
  row.copies = {{node_id{"n5"}, copy_id{1}, false}};
  BOOST_TEST(plan().wanted.empty());
  zone_of({"n5"}, {0.8});
  BOOST_TEST(plan().wanted.size() == 1u);
  BOOST_TEST(plan().surplus.empty());
}

BOOST_FIXTURE_TEST_CASE(replicas_enough_outside_the_zones_need_no_copy, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  row.sync_set.push_back(node_id{"n3"});
  zone_of({"n1"}, {0.9});
  BOOST_TEST(plan().wanted.empty());
  rules.none_alive_target = 1e-9;
  BOOST_TEST(plan().wanted.at(0).missing == 1u);
}

BOOST_FIXTURE_TEST_CASE(both_replicas_in_one_zone_want_a_copy_outside_of_it, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  zone_of({"n1", "n2"}, {0.9, 0.9}, 0.4);
  BOOST_TEST(plan().wanted.at(0).missing == 1u);
  row.copies = {{node_id{"n5"}, copy_id{1}, true}};
  BOOST_TEST(plan().wanted.empty());
}

BOOST_FIXTURE_TEST_CASE(what_would_be_gone_with_the_zones_is_copied_before_the_rest, six_nodes) {
  partition(0, "n1", "n3", 10);
  partition(1, "n2", "n1", 1000);
  zone_of({"n1"}, {0.9});
  BOOST_TEST(order() == "1.0 1.1");
  zone_of({"n2"}, {0.6});
  BOOST_TEST(order() == "1.1 1.0");
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_was_escalated_still_counts_as_the_copy, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  row.sync_set.push_back(node_id{"n5"});
  zone_of({"n1", "n2"}, {0.9, 0.9}, 0.4);
  BOOST_TEST(plan().wanted.empty());
  zone_of({"n5"}, {0.6}); // it got into danger itself: one more, and with it copies_max is reached
  BOOST_TEST(plan().wanted.at(0).missing == 1u);
  row.copies = {{node_id{"n6"}, copy_id{1}, true}};
  rules.none_alive_target = 1e-9;
  BOOST_TEST(plan().wanted.empty());
  BOOST_TEST(plan().surplus.empty());
}

BOOST_FIXTURE_TEST_CASE(restores_come_first_then_primaries_then_probability_then_the_smaller,
                        six_nodes) {
  partition(0, "n2", "n1", 10);
  partition(1, "n1", "n2", 5000);
  partition(2, "n1", "n2", 1000);
  partition(3, "n3", "n2", 99999);
  partition(4, "n5", "n6", 99999).sync_set = {node_id{"n5"}};
  zone_of({"n1"}, {0.7});
  zone_of({"n3"}, {0.9});
  restores[make_partition_id(1, 4)] = restore_method::full_rebuild;
  BOOST_TEST(order() == "1.4 1.3 1.2 1.1 1.0");
  BOOST_TEST((plan().wanted.at(0).method == restore_method::full_rebuild));
}

BOOST_FIXTURE_TEST_CASE(a_restore_counts_live_replicas_and_copies_under_way, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  restores[row.id] = restore_method::pull;
  BOOST_TEST(plan().wanted.empty());
  nodes[node_id{"n2"}].state = node_state::dead;
  BOOST_TEST(plan().wanted.at(0).restore);
  row.copies = {{node_id{"n5"}, copy_id{1}, false}};
  BOOST_TEST(plan().wanted.empty());
}

BOOST_FIXTURE_TEST_CASE(copies_outlive_their_zone_for_a_while, six_nodes) {
  auto& row = partition(0, "n1", "n2");
  row.copies = {{node_id{"n5"}, copy_id{9}, true}};
  zone_of({"n1"}, {0.9});
  plan();
  zones.zones.clear();
  now += seconds(599);
  BOOST_TEST(plan().surplus.empty());
  now += seconds(2);
  auto surplus = plan().surplus;
  BOOST_REQUIRE(surplus.size() == 1u);
  BOOST_TEST(surplus[0].copy == copy_id{9});
  BOOST_TEST(!surplus[0].node_dead);
  row.joiners = {node_id{"n5"}};
  BOOST_TEST(plan().surplus.empty());
}

BOOST_FIXTURE_TEST_CASE(copies_on_dead_nodes_and_useless_ones_go_at_once_and_are_replaced,
                        six_nodes) {
  auto& row = partition(0, "n1", "n2");
  row.copies = {{node_id{"n4"}, copy_id{1}, true}, {node_id{"n5"}, copy_id{2}, true}};
  zone_of({"n1"}, {0.9});
  nodes[node_id{"n4"}].state = node_state::dead;
  broken[row.id] = {node_id{"n5"}};
  auto p = plan();
  BOOST_REQUIRE(p.surplus.size() == 2u);
  BOOST_TEST(p.surplus[0].node_dead);
  BOOST_TEST(!p.surplus[1].node_dead);
  BOOST_TEST(p.wanted.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(budgets_hold_whatever_the_plan_says, six_nodes) {
  std::map<partition_id, node_id> source_of;
  for (uint32_t i = 0; i < 100; ++i) {
    auto& row = partition(i, i % 2 ? "n1" : "n2", "n3");
    source_of[row.id] = row.primary;
  }
  zone_of({"n1", "n2"}, {1.0, 1.0}, 0.5);
  auto p = plan();
  BOOST_TEST(p.wanted.size() == 100u);
  rules.concurrent_max = 16;
  rules.concurrent_per_node_max = 4;
  BOOST_TEST(within_budget(p, {}, source_of, rules).size() == 8u);
  std::vector<copy_under_way> busy(3, {make_partition_id(1, 1), node_id{"n1"}});
  BOOST_TEST(within_budget(p, busy, source_of, rules).size() == 5u);
  rules.concurrent_max = 4;
  BOOST_TEST(within_budget(p, busy, source_of, rules).size() == 1u);
}
