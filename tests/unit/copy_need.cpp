#include <boost/test/unit_test.hpp>

#include <cmath>

#include "prefetch/copy_need.hpp"
#include "tests/support/random_fleet.hpp"

using namespace harbinger;
using test::mib;

namespace {

const auto tolerance = boost::test_tools::tolerance(1e-9);
const auto of_floats = boost::test_tools::tolerance(1e-6f);

struct six_nodes : test::named_cluster {
  prefetch_settings rules;

  six_nodes() {
    for (int i = 1; i <= 6; ++i) node("n" + std::to_string(i), "r" + std::to_string(i));
  }
  template <class F>
  auto look(uint32_t index, F f) const {
    fleet cluster;
    write(cluster);
    auto id = make_partition_id(1, index);
    return f(cluster, *cluster.find(id), zone_picture{zones, cluster.nodes()},
             restores.contains(id));
  }
  copy_need need(uint32_t index = 0) const {
    return look(index, [&](const fleet& f, partition_number p, const zone_picture& z, bool r) {
      return need_of(f, p, z, r, rules);
    });
  }
  std::string words(restore_method method = restore_method::pull) const {
    return look(0, [&](const fleet& f, partition_number p, const zone_picture& z, bool r) {
      return in_words(need_of(f, p, z, r, rules), f, p, z, method, rules);
    });
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(nothing_is_missing_while_no_replica_is_in_a_zone, six_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n3"}, {0.875});
  BOOST_TEST(need().missing == 0u);
  BOOST_TEST(!need().at_risk);
  BOOST_TEST(need().alive == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_replica_in_a_zone_lacks_one_copy_outside, six_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n1"}, {0.875});
  auto n = need();
  BOOST_TEST(n.missing == 1u);
  BOOST_TEST(n.at_risk);
  BOOST_TEST(n.primary_at_risk);
  BOOST_TEST(!n.all_at_risk);
  BOOST_TEST(!n.restore);
  BOOST_TEST(n.probability == 0.875f);
  BOOST_TEST(n.none_alive_now == 0.875e-3, tolerance);
  BOOST_TEST(n.none_alive_then == 0.875e-6, tolerance);
}

BOOST_FIXTURE_TEST_CASE(losing_the_primary_counts_twice, six_nodes) {
  partition(0, {"n1", "n2"});
  partition(1, {"n2", "n1"});
  zone_of({"n1"}, {0.5});
  BOOST_TEST(need(0).expected_losses == 1.0f, of_floats);
  BOOST_TEST(need(1).expected_losses == 0.5f, of_floats);
  BOOST_TEST(!need(1).primary_at_risk);
}

BOOST_FIXTURE_TEST_CASE(a_stricter_target_lacks_more_copies_up_to_the_limit, six_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n1", "n2"}, {0.875, 0.875}, 0.4375);
  rules.none_alive_target = 1e-5;
  BOOST_TEST(need().missing == 2u);
  rules.none_alive_target = 1e-12;
  BOOST_TEST(need().missing == 2u);
  BOOST_TEST(words().find("out of reach") != std::string::npos);
  rules.copies_max = 5;
  BOOST_TEST(need().missing == 4u);
  rules.copies_max = 0;
  BOOST_TEST(need().missing == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_is_there_is_enough_but_not_one_inside_a_zone, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  zone_of({"n1"}, {0.875});
  row.copies = {{node_id{"n5"}, copy_id{1}, false}}; // one under way counts
  BOOST_TEST(need().missing == 0u);
  BOOST_TEST(need().at_risk);
  zone_of({"n5"}, {0.75});
  BOOST_TEST(need().missing == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_useless_copy_and_one_on_a_dead_node_do_not_count, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  zone_of({"n1"}, {0.875});
  row.copies = {{node_id{"n4"}, copy_id{1}, true}, {node_id{"n5"}, copy_id{2}, true}};
  BOOST_TEST(need().missing == 0u);
  BOOST_TEST(need().alive == 4u);
  useless.insert({row.id, node_id{"n5"}});
  nodes[node_id{"n4"}].state = node_state::dead;
  BOOST_TEST(need().missing == 1u);
  BOOST_TEST(need().alive == 2u);
  nodes[node_id{"n4"}].state = node_state::suspect; // no verdict yet
  BOOST_TEST(need().missing == 0u);
}

BOOST_FIXTURE_TEST_CASE(replicas_enough_outside_the_zones_need_no_copy, six_nodes) {
  partition(0, {"n1", "n2", "n3"});
  zone_of({"n1"}, {0.875});
  BOOST_TEST(need().missing == 0u);
  rules.none_alive_target = 1e-9;
  BOOST_TEST(need().missing == 1u); // the member beyond the wanted ones counts as a copy
}

BOOST_FIXTURE_TEST_CASE(both_replicas_in_one_zone_lack_a_copy_outside_of_it, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  zone_of({"n1", "n2"}, {0.875, 0.875}, 0.375);
  BOOST_TEST(need().missing == 1u);
  BOOST_TEST(need().all_at_risk);
  row.copies = {{node_id{"n5"}, copy_id{1}, true}};
  BOOST_TEST(need().missing == 0u);
  BOOST_TEST(!need().all_at_risk);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_was_escalated_still_counts_as_the_copy, six_nodes) {
  auto& row = partition(0, {"n1", "n2", "n5"});
  zone_of({"n1", "n2"}, {0.875, 0.875}, 0.375);
  BOOST_TEST(need().missing == 0u);
  zone_of({"n5"}, {0.625}); // in danger itself: one more, and with it copies_max is reached
  BOOST_TEST(need().missing == 1u);
  row.copies = {{node_id{"n6"}, copy_id{1}, true}};
  rules.none_alive_target = 1e-9;
  BOOST_TEST(need().missing == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_dead_replica_is_no_risk_but_a_lack, six_nodes) {
  partition(0, {"n1", "n2"});
  nodes[node_id{"n2"}].state = node_state::dead;
  zone_of({"n2"}, {1.0});
  BOOST_TEST(!need().at_risk);
  BOOST_TEST(need().short_of_replicas);
  BOOST_TEST(need().missing == 0u); // recovery did not ask
}

BOOST_FIXTURE_TEST_CASE(a_restore_counts_live_replicas_and_copies_under_way, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  restores.insert(row.id);
  BOOST_TEST(need().missing == 0u);
  nodes[node_id{"n2"}].state = node_state::dead;
  BOOST_TEST(need().missing == 1u);
  BOOST_TEST(need().restore);
  row.copies = {{node_id{"n5"}, copy_id{1}, false}};
  BOOST_TEST(need().missing == 0u);
  BOOST_TEST(!need().restore);
  row.replicas_wanted = 4;
  BOOST_TEST(need().missing == 2u);
}

BOOST_FIXTURE_TEST_CASE(what_is_to_restore_and_at_risk_lacks_the_larger_of_both, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  row.replicas_wanted = 3;
  restores.insert(row.id);
  nodes[node_id{"n2"}].state = node_state::dead;
  zone_of({"n1"}, {0.5});
  auto n = need();
  BOOST_TEST(n.missing == 2u);
  BOOST_TEST(n.none_alive_now == 0.5, tolerance);
  BOOST_TEST(n.none_alive_then == 0.5e-6, tolerance); // with both of them
}

BOOST_FIXTURE_TEST_CASE(a_partition_that_lost_everybody_can_not_be_gone_more, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  restores.insert(row.id);
  nodes[node_id{"n1"}].state = nodes[node_id{"n2"}].state = node_state::dead;
  auto n = need();
  BOOST_TEST(n.missing == 2u);
  BOOST_TEST(n.alive == 0u);
  BOOST_TEST(n.none_alive_now == 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_partition_that_is_no_more_needs_nothing, six_nodes) {
  fleet cluster;
  partition(0, {"n1", "n2"});
  zone_of({"n1"}, {0.875});
  write(cluster);
  cluster.remove(make_partition_id(1, 0));
  auto n = need_of(cluster, 0, zone_picture{zones, cluster.nodes()}, true, rules);
  BOOST_TEST(n.missing == 0u);
  BOOST_TEST(n.alive == 0u);
}

BOOST_AUTO_TEST_CASE(the_first_copy_saves_rebuilds_and_each_makes_loss_less_likely) {
  copy_need n;
  n.expected_losses = 0.5f;
  n.none_alive_now = 0.25;
  recovery_speeds speeds;
  speeds.rebuild_bytes_per_s = 1e6;
  speeds.rebuild_fixed_s = 2.0;
  speeds.promote_s = 1.0;
  speeds.outage_s = 1000.0;
  BOOST_TEST(seconds_saved(n, 0, 4'000'000, speeds) == 0.25 * 0.999 * 1000.0 + 0.5 * 5.0,
             tolerance);
  BOOST_TEST(seconds_saved(n, 1, 4'000'000, speeds) == 0.25e-3 * 0.999 * 1000.0, tolerance);
  speeds.promote_s = 100.0; // a promotion that is slower than a rebuild saves nothing
  BOOST_TEST(seconds_saved(n, 0, 4'000'000, speeds) == 0.25 * 0.999 * 1000.0, tolerance);
  speeds.rebuild_bytes_per_s = 0.0;
  BOOST_TEST(std::isfinite(seconds_saved(n, 0, 4'000'000, speeds)));
}

BOOST_AUTO_TEST_CASE(a_copy_costs_its_size_and_what_changes_meanwhile) {
  fleet_partition part;
  part.size_bytes = 1000;
  part.change_bytes_per_s = 2.0f;
  BOOST_TEST(cost_bytes(part, 60.0) == 1120.0, tolerance);
  BOOST_TEST(cost_bytes(part, 0.0) == 1000.0, tolerance);
}

BOOST_FIXTURE_TEST_CASE(words_name_who_is_at_risk_and_what_copies_change, six_nodes) {
  partition(0, {"n1", "n2"});
  zone_of({"n1", "n2"}, {0.75, 0.5}, 0.0);
  BOOST_TEST(words()
             == "n1 (primary) in zone 1 with P = 0.75, n2 (secondary) in zone 1 with P = 0.5; "
                "P(none alive) 0.38 -> 0.00038 with 1 more");
  partitions.begin()->second.copies = {{node_id{"n5"}, copy_id{1}, true}};
  BOOST_TEST(words().find("more") == std::string::npos);
  zones.zones.clear();
  BOOST_TEST(words().empty());
  nodes[node_id{"n2"}].state = node_state::dead;
  partitions.begin()->second.copies.clear();
  restores.insert(make_partition_id(1, 0));
  BOOST_TEST(words(restore_method::full_rebuild)
             == "1 of 2 replicas live; restore by full_rebuild");
}
