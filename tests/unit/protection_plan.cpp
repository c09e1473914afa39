#include <boost/test/unit_test.hpp>

#include "prefetch/protection_plan.hpp"
#include "tests/support/random_fleet.hpp"
#include "wire/codec.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// n1 ... n8, each in a rack of its own. Risks are multiples of 1/256.
struct eight_nodes : test::named_cluster {
  fleet cluster;
  protection_plan plan{cluster};
  plan_rules rules;
  time_point now{std::chrono::hours(1)};
  std::set<partition_number> not_now;

  eight_nodes() {
    for (int i = 1; i <= 8; ++i) node("n" + std::to_string(i), "r" + std::to_string(i));
    rules.domains = {"rack"};
    rules.prefetch.rate_bytes_per_s = 0;
    write(cluster);
  }
  node_number number(const std::string& name) const { return *cluster.nodes().find(node_id{name}); }
  partition_number part(uint32_t index) const { return *cluster.find(make_partition_id(1, index)); }
  std::string name(node_number n) const {
    return n == no_number ? "nobody" : cluster.nodes()[n].id.value;
  }
  std::string id(partition_number p) const { return to_string(cluster.partition(p).id); }

  /// A new row of it, or of a node, told to the plan at the next step.
  void put(uint32_t index) { write(cluster, make_partition_id(1, index)); }
  void put(const std::string& name) { write(cluster, node_id{name}); }
  void has_copy(uint32_t index, const std::string& on, bool ready = true) {
    auto& row = partitions[make_partition_id(1, index)];
    std::erase_if(row.copies, [&](const auto& c) { return c.node.value == on; });
    row.copies.push_back({node_id{on}, copy_id{1}, ready});
    std::sort(row.copies.begin(), row.copies.end());
    if (cluster.find(row.id)) put(index);
  }
  void has_no_copy(uint32_t index) {
    partitions[make_partition_id(1, index)].copies.clear();
    put(index);
  }
  void set_state(const std::string& name, node_state state) {
    nodes[node_id{name}].state = state;
    put(name);
  }
  void restore(uint32_t index, bool wanted = true) { plan.set_restore(part(index), wanted); }

  void start() {
    for (const auto& [id, row] : partitions)
      if (!cluster.find(id)) write(cluster, id);
    plan.set_rules(rules);
    if (wire::encode(zones) != told_) plan.set_zones(zones);
    told_ = wire::encode(zones);
    plan.step(now);
  }
  /// With what was put, the zones and rules as they are now.
  std::vector<planned_copy> step(seconds later = seconds(1)) {
    now += later;
    start();
    return plan.copies();
  }
  std::string order() {
    std::string text;
    for (const auto& c : step()) text += (text.empty() ? "" : " ") + id(c.partition);
    return text;
  }
  std::string targets(uint32_t index) {
    std::string text;
    for (auto n : plan.targets(part(index))) text += (text.empty() ? "" : " ") + name(n);
    return text;
  }
  std::string surplus() {
    std::string text;
    for (const auto& s : plan.surplus(now))
      text += (text.empty() ? "" : ", ") + id(s.partition) + " on " + name(s.node);
    return text;
  }
  std::string begun() {
    std::string text;
    for (const auto& b : plan.begin(not_now))
      text += (text.empty() ? "" : " ") + id(b.copy.partition);
    return text;
  }
  copy_in_flight flying(uint32_t index, const std::string& from, const std::string& to,
                        uint64_t rate = 0, uint64_t remaining = mib) const {
    return {part(index), number(from), number(to), rate, remaining};
  }

private:
  std::string told_; ///< zones
};

} // namespace

BOOST_AUTO_TEST_SUITE(needs)

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

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(order_)

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

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(targets_)

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

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(surplus_)

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

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(budgets)

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

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(preemption)

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

BOOST_AUTO_TEST_SUITE_END()

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
