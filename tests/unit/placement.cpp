#include <boost/test/unit_test.hpp>

#include <limits>

#include "placement/placer.hpp"
#include "tests/support/random_fleet.hpp"

using namespace harbinger;
using test::mib;

namespace {

/// n1 and n2 in rack r1, n3 and n4 in r2, n5 and n6 in r3; 1.0 on n1 (primary) and n3.
struct six_nodes : test::named_cluster {
  fleet cluster;
  placer places{cluster};
  placer_rules rules;
  uint64_t size = 10 * mib;
  std::vector<node_number> chosen, keep_away;
  bool urgent = false;

  six_nodes() {
    for (int i = 1; i <= 6; ++i) node("n" + std::to_string(i), "r" + std::to_string((i + 1) / 2));
    partition(0, {"n1", "n3"}, size);
    rules.domains = {"rack"};
    bring_up();
  }
  void bring_up() {
    write(cluster);
    places.refresh({zones, cluster.nodes()}, rules);
  }
  node_number number(const std::string& name) const { return *cluster.nodes().find(node_id{name}); }
  void use(const std::string& name, uint64_t used_bytes, double writes_per_s = 0.0) {
    usages[node_id{name}] = {used_bytes, writes_per_s};
  }
  placer_query query(uint32_t index = 0) const {
    return {*cluster.find(make_partition_id(1, index)), size, chosen, keep_away, urgent};
  }
  std::string ask() {
    bring_up();
    auto n = places.choose(query());
    return n == no_number ? "nobody" : cluster.nodes()[n].id.value;
  }
  std::vector<placer::opinion> opinions() {
    bring_up();
    return places.explain(query());
  }
  std::string candidates() {
    std::string text;
    for (const auto& o : opinions())
      if (o.candidate) text += (text.empty() ? "" : " ") + cluster.nodes()[o.node].id.value;
    return text;
  }
  /// Of a candidate: empty.
  std::string why_not(const std::string& name) {
    for (const auto& o : opinions())
      if (o.node == number(name) && !o.candidate) return o.text;
    return "";
  }
  std::string terms(const std::string& name) {
    for (const auto& o : opinions())
      if (o.node == number(name) && o.candidate) return o.text;
    return "";
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(filters)

BOOST_FIXTURE_TEST_CASE(every_node_is_a_candidate_or_rejected_with_a_reason, six_nodes) {
  auto all = opinions();
  BOOST_TEST(all.size() == 6u);
  for (const auto& o : all) BOOST_TEST(!o.text.empty());
  BOOST_TEST(candidates() == "n5 n6");
  BOOST_TEST(ask() == "n5");
}

BOOST_FIXTURE_TEST_CASE(before_the_first_refresh_nobody_is_known_to_be_safe, six_nodes) {
  placer fresh{cluster};
  BOOST_TEST(fresh.choose(query()) == no_number);
  BOOST_TEST(fresh.safe_nodes() == 0u);
}

BOOST_FIXTURE_TEST_CASE(holders_and_their_racks_are_rejected, six_nodes) {
  partitions.begin()->second.copies = {{node_id{"n5"}, copy_id{1}, true}};
  BOOST_TEST(why_not("n1") == "already a replica of the partition");
  BOOST_TEST(why_not("n2") == "");
  BOOST_TEST(why_not("n5") == "already has a copy of the partition, or is to get one");
  nodes[node_id{"n6"}].attributes["rack"] = "r4";
  BOOST_TEST(why_not("n2") == "same rack as n1");
  BOOST_TEST(why_not("n4") == "same rack as n3");
  partitions.begin()->second.joiners = {node_id{"n5"}};
  BOOST_TEST(why_not("n5") == "already joining the partition's replicas");
}

BOOST_FIXTURE_TEST_CASE(a_node_that_was_chosen_for_another_copy_counts_as_if_it_had_it, six_nodes) {
  nodes[node_id{"n6"}].attributes["rack"] = "r4";
  chosen = {number("n5")};
  BOOST_TEST(why_not("n5") == "already has a copy of the partition, or is to get one");
  BOOST_TEST(ask() == "n6");
  nodes[node_id{"n6"}].attributes["rack"] = "r3";
  nodes[node_id{"n2"}].attributes["rack"] = "r5";
  BOOST_TEST(why_not("n6") == "same rack as n5");
}

BOOST_FIXTURE_TEST_CASE(a_replica_in_a_zone_is_expected_to_be_lost_and_frees_its_rack, six_nodes) {
  zone_of({"n1"}, {0.75});
  BOOST_TEST(why_not("n1") == "in zone 1");
  BOOST_TEST(why_not("n2") == "");
  BOOST_TEST(why_not("n4") == "same rack as n3");
  BOOST_TEST(candidates() == "n2 n5 n6");
}

BOOST_FIXTURE_TEST_CASE(a_replica_on_a_node_that_is_not_up_frees_its_rack_too, six_nodes) {
  nodes[node_id{"n3"}].state = node_state::suspect;
  BOOST_TEST(why_not("n4") == "");
}

BOOST_FIXTURE_TEST_CASE(exposed_and_zone_nodes_are_never_chosen_even_when_nobody_else_is_left,
                        six_nodes) {
  zone_of({"n1"}, {0.75}, 0.0, {"n2", "n5", "n6"});
  zone_of({"n4"}, {0.75});
  BOOST_TEST(why_not("n5") == "exposed by zone 1");
  BOOST_TEST(ask() == "nobody");
  BOOST_TEST(opinions().size() == 6u);
  BOOST_TEST(places.safe_nodes() == 1u);
}

BOOST_FIXTURE_TEST_CASE(spread_alone_is_waived_when_it_leaves_nobody_and_the_terms_say_so,
                        six_nodes) {
  nodes[node_id{"n5"}].state = node_state::dead;
  nodes[node_id{"n6"}].state = node_state::suspect;
  BOOST_TEST(why_not("n5") == "not up: dead");
  BOOST_TEST(why_not("n6") == "not up: suspect");
  BOOST_TEST(ask() == "n2");
  BOOST_TEST(terms("n2").find("spread waived, nobody else left: same rack as n1")
             != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(spread_over_several_attributes_keeps_all_of_them_apart, six_nodes) {
  rules.placement.spread = {"rack", "power", "what nobody states"};
  nodes[node_id{"n1"}].attributes["power"] = nodes[node_id{"n5"}].attributes["power"] = "p1";
  BOOST_TEST(why_not("n5") == "same power as n1");
  BOOST_TEST(ask() == "n6"); // states no power: shares none
  rules.placement.spread = {};
  BOOST_TEST(candidates() == "n5 n6 n2 n4");
}

BOOST_FIXTURE_TEST_CASE(an_attribute_that_a_node_is_the_first_to_state_counts_at_once, six_nodes) {
  rules.placement.spread = {"power"};
  bring_up();
  for (auto name : {"n1", "n5"}) {
    nodes[node_id{name}].attributes["power"] = "p1";
    write(cluster, node_id{name});
  }
  places.update(std::vector{number("n1"), number("n5")}, {zones, cluster.nodes()});
  BOOST_TEST(places.choose(query()) == number("n6"));
}

BOOST_FIXTURE_TEST_CASE(quota_counts_the_copy_that_is_to_come, six_nodes) {
  use("n5", 891 * mib);
  BOOST_TEST(why_not("n5") == "no room: 901.0 MiB of quota 900.0 MiB");
  use("n5", 890 * mib); // to the last byte
  BOOST_TEST(why_not("n5") == "");
  nodes[node_id{"n5"}].capacity_bytes = 0;
  BOOST_TEST(why_not("n5") == "no room: states no capacity");
}

BOOST_FIXTURE_TEST_CASE(quota_counts_promises_and_what_is_under_way, six_nodes) {
  use("n5", 800 * mib);
  bring_up();
  places.promise(number("n5"), 90 * mib);
  BOOST_TEST(why_not("n5") == "");
  places.promise(number("n5"), 1);
  BOOST_TEST(why_not("n5") == "no room: 900.0 MiB of quota 900.0 MiB");
  places.release(number("n5"), 1);
  BOOST_TEST(why_not("n5") == "");
  partition(1, {"n1", "n3"}, 1).copies = {{node_id{"n5"}, copy_id{1}, false}};
  BOOST_TEST(why_not("n5") == "no room: 900.0 MiB of quota 900.0 MiB");
  partitions.rbegin()->second.copies[0].ready = true; // it is in what the node reports by now
  BOOST_TEST(why_not("n5") == "");
}

BOOST_FIXTURE_TEST_CASE(copies_take_no_more_than_their_share_of_a_node, six_nodes) {
  rules.space_max = 0.1;
  partition(1, {"n1", "n3"}, 85 * mib).copies = {{node_id{"n5"}, copy_id{1}, true}};
  BOOST_TEST(why_not("n5") == "");
  bring_up();
  places.promise(number("n5"), 6 * mib);
  BOOST_TEST(why_not("n5") == "no room for copies: 101.0 MiB of 100.0 MiB");
  partitions.rbegin()->second.copies[0].node = node_id{"n6"};
  BOOST_TEST(why_not("n5") == "");
}

BOOST_FIXTURE_TEST_CASE(a_number_of_bytes_that_nobody_can_have_leaves_no_room, six_nodes) {
  use("n5", std::numeric_limits<uint64_t>::max());
  BOOST_TEST(why_not("n5").substr(0, 8) == "no room:");
  use("n5", 0);
  size = std::numeric_limits<uint64_t>::max();
  BOOST_TEST(why_not("n5").substr(0, 8) == "no room:");
  BOOST_TEST(ask() == "nobody");
}

BOOST_FIXTURE_TEST_CASE(a_target_that_failed_is_kept_away, six_nodes) {
  keep_away = {number("n5")};
  BOOST_TEST(why_not("n5") == "kept away: a copy of the partition failed there lately");
  BOOST_TEST(ask() == "n6");
}

BOOST_FIXTURE_TEST_CASE(room_that_others_would_leave_is_looked_at_with_all_other_filters,
                        six_nodes) {
  use("n5", 895 * mib);
  use("n2", 895 * mib);
  bring_up();
  BOOST_TEST(!places.passes(query(), number("n5")));
  BOOST_TEST(!places.passes_with_room(query(), number("n5"), 4 * mib));
  BOOST_TEST(places.passes_with_room(query(), number("n5"), 5 * mib));
  BOOST_TEST(!places.passes_with_room(query(), number("n1"), 500 * mib));
  BOOST_TEST(!places.passes_with_room(query(), number("n2"), 500 * mib)); // n1's rack
  BOOST_TEST(places.passes(query(), number("n4")));                       // spread does not count
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(score)

BOOST_FIXTURE_TEST_CASE(the_emptier_idler_nearer_node_wins_and_ties_go_to_the_smaller_id,
                        six_nodes) {
  BOOST_TEST(ask() == "n5");
  use("n5", 500 * mib);
  BOOST_TEST(ask() == "n6");
  use("n5", 0, 100.0);
  BOOST_TEST(ask() == "n6");
  use("n5", 0, 0.0);
  rtts[{node_id{"n6"}, node_id{"n1"}}] = 0.2;
  rtts[{node_id{"n5"}, node_id{"n1"}}] = 40;
  BOOST_TEST(ask() == "n6");
}

BOOST_FIXTURE_TEST_CASE(a_round_trip_time_counts_as_the_target_measured_it_to_the_primary,
                        six_nodes) {
  rtts[{node_id{"n1"}, node_id{"n6"}}] = 0.1; // the other way round
  rtts[{node_id{"n6"}, node_id{"n3"}}] = 0.1; // to the secondary
  BOOST_TEST(ask() == "n5");
  rtts[{node_id{"n6"}, node_id{"n1"}}] = 9.0; // better than not measured
  BOOST_TEST(ask() == "n6");
}

BOOST_FIXTURE_TEST_CASE(a_node_near_the_primary_is_near_its_clients, six_nodes) {
  rules.placement.near = {"site"};
  nodes[node_id{"n1"}].attributes["site"] = nodes[node_id{"n6"}].attributes["site"] = "east";
  nodes[node_id{"n5"}].attributes["site"] = "west";
  BOOST_TEST(ask() == "n6");
  partitions.begin()->second.primary = node_id{}; // whose clients are nowhere
  BOOST_TEST(ask() == "n5");
}

BOOST_FIXTURE_TEST_CASE(the_less_risky_of_two_safe_nodes_wins, six_nodes) {
  places.set_risks({0, 0, 0, 0, 0.3f, 0});
  BOOST_TEST(ask() == "n6");
  places.set_risks({0, 0, 0, 0, 0, std::numeric_limits<float>::quiet_NaN()});
  BOOST_TEST(ask() == "n5");
  places.set_risks({0, 0, 0, 0, std::numeric_limits<float>::quiet_NaN(), 0.9f});
  BOOST_TEST(ask() == "n6"); // what is no number is taken for certain
}

BOOST_FIXTURE_TEST_CASE(risks_count_from_the_next_refresh_on, six_nodes) {
  bring_up();
  places.set_risks({0, 0, 0, 0, 0.9f, 0});
  BOOST_TEST(places.choose(query()) == number("n5"));
  BOOST_TEST(places.explain(query()).front().node == number("n5"));
  BOOST_TEST(ask() == "n6");
}

BOOST_FIXTURE_TEST_CASE(a_node_that_only_the_brake_kept_out_of_the_zones_is_the_last_choice,
                        six_nodes) {
  zones.left_out = {node_id{"n5"}};
  BOOST_TEST(candidates() == "n6 n5");
}

BOOST_FIXTURE_TEST_CASE(a_domain_shared_with_a_replica_that_stays_is_correlated_risk, six_nodes) {
  rules.domains = {"firmware", "rack"};
  nodes[node_id{"n5"}].attributes["firmware"] = nodes[node_id{"n3"}].attributes["firmware"] = "7";
  BOOST_TEST(ask() == "n6");
  zone_of({"n3"}, {0.5}); // which is expected to be lost
  BOOST_TEST(candidates().substr(0, 2) != "n6");
}

BOOST_FIXTURE_TEST_CASE(weights_are_those_of_the_rules, six_nodes) {
  use("n5", 500 * mib);
  rtts[{node_id{"n5"}, node_id{"n1"}}] = 0.1;
  BOOST_TEST(ask() == "n6");
  rules.placement.weight_free = 0.0;
  BOOST_TEST(ask() == "n5");
}

BOOST_FIXTURE_TEST_CASE(a_node_with_fewer_replicas_wins_by_balance, six_nodes) {
  partition(1, {"n5", "n1"}, 0);
  BOOST_TEST(ask() == "n6");
  rules.placement.weight_balance = 0.0;
  BOOST_TEST(ask() == "n5");
}

// Found by property.placer_chooses_what_it_explains: it was lost among nodes of equal rank.
BOOST_FIXTURE_TEST_CASE(a_node_that_comes_later_and_moves_the_others_ranks_is_found, six_nodes) {
  rules.placement.spread = {};
  rules.domains = {};
  partition(0, {"n1"}, size);
  bring_up();
  auto late = cluster.put(node("n11", "r1"));
  places.update(std::vector{late}, {zones, cluster.nodes()});
  BOOST_TEST(places.choose(query()) == late);
  cluster.put(node("n10", "r1"));
  places.update(std::vector{number("n2"), number("n10")}, {zones, cluster.nodes()});
  BOOST_TEST(places.choose(query()) == number("n10"));
}

BOOST_FIXTURE_TEST_CASE(explain_says_all_terms_of_a_candidate, six_nodes) {
  BOOST_TEST(terms("n5")
             == "free 0.346, load 0.250, risk 0.200, rtt 0.050, near 0.050, balance 0.100");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(fair_share)

namespace {

struct equal_nodes : six_nodes {
  std::map<std::string, int> placed;

  equal_nodes() {
    rules.placement.spread = {};
    size = mib;
    partition(0, {"n1"}, size);
  }
  void place(uint32_t copies) {
    bring_up();
    places.expect(copies);
    for (uint32_t i = 0; i < copies; ++i) {
      auto n = places.choose(query());
      BOOST_REQUIRE(n != no_number);
      ++placed[cluster.nodes()[n].id.value];
      places.promise(n, size);
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(no_node_gets_more_than_its_share_however_much_better_it_is, equal_nodes) {
  rtts[{node_id{"n6"}, node_id{"n1"}}] = 0.01;
  for (auto name : {"n2", "n3", "n4", "n5"}) use(name, 400 * mib, 50.0);
  place(12);
  // Six safe nodes, 12 copies: two each; n1 is the primary and can have none.
  BOOST_TEST(placed["n6"] == 3); // two of its own, and one of those that n1 can not take
  for (auto name : {"n2", "n3", "n4", "n5"}) BOOST_TEST((placed[name] == 2 || placed[name] == 3));
  BOOST_TEST(placed["n1"] == 0);
}

BOOST_FIXTURE_TEST_CASE(a_larger_node_has_the_larger_share, equal_nodes) {
  node("n1", "r1", 1); // as good as nothing
  nodes[node_id{"n6"}].capacity_bytes = 3000 * mib;
  place(14);
  BOOST_TEST(placed["n6"] == 6);
  for (auto name : {"n2", "n3", "n4", "n5"}) BOOST_TEST(placed[name] == 2);
}

BOOST_FIXTURE_TEST_CASE(the_level_is_the_least_at_which_whole_copies_find_room, equal_nodes) {
  place(1);
  auto report = places.balance();
  BOOST_TEST(report.copies == 1u);
  BOOST_TEST(report.bound == 6.0, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(report.max_over_mean == 6.0, boost::test_tools::tolerance(1e-6));
}

BOOST_FIXTURE_TEST_CASE(more_imbalance_lets_the_better_nodes_have_more, equal_nodes) {
  rules.placement.imbalance = 3.0;
  rtts[{node_id{"n6"}, node_id{"n1"}}] = 0.01;
  for (auto name : {"n2", "n3", "n4", "n5"}) use(name, 400 * mib, 50.0);
  place(12);
  BOOST_TEST(placed["n6"] == 6); // three times the mean
}

BOOST_FIXTURE_TEST_CASE(whoever_is_past_its_share_comes_last_and_says_so, equal_nodes) {
  bring_up();
  places.promise(number("n2"), mib);
  BOOST_TEST(candidates() == "n3 n4 n5 n6 n2");
  BOOST_TEST(terms("n2").find("has its fair share of copies") != std::string::npos);
  keep_away = {number("n3"), number("n4"), number("n5"), number("n6")};
  BOOST_TEST(ask() == "n2"); // it is never refused for it
}

BOOST_FIXTURE_TEST_CASE(where_all_have_their_share_the_nearest_of_the_least_full_is_chosen,
                        equal_nodes) {
  rtts[{node_id{"n5"}, node_id{"n1"}}] = rtts[{node_id{"n6"}, node_id{"n1"}}] = 0.01;
  use("n5", 60 * mib);
  bring_up();
  // Only n1 is below its share, and can have none.
  for (auto name : {"n2", "n3", "n4", "n5", "n6", "n2", "n3", "n4", "n5", "n6", "n6"})
    places.promise(number(name), 0);
  BOOST_TEST(places.choose(query()) == number("n5")); // n6 is fuller
  rtts.clear();
  rtts[{node_id{"n5"}, node_id{"n1"}}] = 100;
  rules.placement.near = {"site"};
  nodes[node_id{"n1"}].attributes["site"] = nodes[node_id{"n4"}].attributes["site"] = "east";
  use("n4", 200 * mib);
  bring_up();
  BOOST_TEST(places.choose(query()) == number("n4"));
}

BOOST_FIXTURE_TEST_CASE(promises_of_nodes_that_came_into_a_zone_count_again_when_they_leave,
                        equal_nodes) {
  bring_up();
  places.promise(number("n2"), mib);
  auto& z = zone_of({"n2"}, {0.5});
  std::vector<node_number> changed{number("n2")};
  places.update(changed, {zones, cluster.nodes()});
  BOOST_TEST(places.balance().copies == 0u);
  BOOST_TEST(places.safe_nodes() == 5u);
  places.promise(number("n2"), mib); // while it is in the zone
  z.members.clear();
  places.update(changed, {zones, cluster.nodes()});
  BOOST_TEST(places.balance().copies == 2u);
  BOOST_TEST(places.copies_on(number("n2")) == 2u);
  places.release(number("n2"), mib);
  places.release(number("n2"), mib);
  places.release(number("n2"), mib); // once too often
  BOOST_TEST(places.balance().copies == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(places_at_once)

namespace {

/// n2 ... n6 may have a copy, n2 is the best by name.
struct two_places : fair_share::equal_nodes {
  two_places() {
    urgent = true;
    rules.places = 2;
    rules.domains = {};
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(an_urgent_copy_goes_where_a_place_is_free_now, two_places) {
  bring_up();
  places.set_under_way({number("n2"), number("n2"), number("n3")});
  BOOST_TEST(places.choose(query()) == number("n3"));
  places.queue(number("n3"));
  BOOST_TEST(places.choose(query()) == number("n4"));
  places.unqueue(number("n3"));
  places.unqueue(number("n3")); // once too often
  BOOST_TEST(places.choose(query()) == number("n3"));
  places.set_under_way({});
  BOOST_TEST(places.choose(query()) == number("n2"));
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_can_wait_does_not_mind_who_is_busy, two_places) {
  urgent = false;
  bring_up();
  places.set_under_way({number("n2"), number("n2"), number("n2")});
  BOOST_TEST(places.choose(query()) == number("n2"));
}

BOOST_FIXTURE_TEST_CASE(a_free_place_counts_more_than_the_fair_share, two_places) {
  rules.placement.imbalance = 1.0;
  bring_up();
  for (auto name : {"n2", "n3", "n4", "n5"}) places.promise(number(name), mib);
  BOOST_TEST(places.choose(query()) == number("n6"));
  places.set_under_way({number("n6"), number("n6")});
  BOOST_TEST(places.choose(query()) == number("n2"));
  BOOST_TEST(candidates() == "n2 n3 n4 n5 n6");
}

BOOST_FIXTURE_TEST_CASE(where_all_are_busy_the_one_that_is_free_first_is_chosen, two_places) {
  bring_up();
  for (auto name : {"n2", "n2", "n2", "n2", "n3", "n3", "n4", "n4", "n4", "n5", "n5", "n6", "n6"})
    places.queue(number(name));
  BOOST_TEST(places.choose(query()) == number("n3"));
  keep_away = {number("n3"), number("n4"), number("n5"), number("n6")};
  BOOST_TEST(places.choose(query()) == number("n2")); // it is never refused for it
}

BOOST_FIXTURE_TEST_CASE(explain_says_that_no_place_is_free, two_places) {
  bring_up();
  places.set_under_way({number("n2"), number("n2")});
  places.queue(number("n2"));
  auto last = places.explain(query()).at(4);
  BOOST_TEST((last.node == number("n2")));
  BOOST_TEST(last.text.find("no place is free: 3 copies under way or queued, 2 at once")
             != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(strategies)

BOOST_FIXTURE_TEST_CASE(all_strategies_pass_the_same_filters, six_nodes) {
  zone_of({"n5"}, {0.5});
  for (auto strategy : {"weighted", "random", "power_of_two", "rendezvous"}) {
    rules.placement.strategy = strategy;
    BOOST_TEST(ask() == "n6");
    BOOST_TEST(candidates() == "n6");
  }
}

BOOST_FIXTURE_TEST_CASE(explain_puts_the_choice_first_whatever_the_strategy, six_nodes) {
  rules.placement.spread = {};
  for (auto strategy : {"weighted", "random", "power_of_two", "rendezvous"})
    for (uint32_t index = 0; index < 20; ++index) {
      partition(index, {"n1", "n3"}, size);
      rules.placement.strategy = strategy;
      bring_up();
      BOOST_TEST(places.explain(query(index)).front().node == places.choose(query(index)));
    }
}

BOOST_FIXTURE_TEST_CASE(rendezvous_moves_only_what_the_gone_node_had, six_nodes) {
  rules.placement.strategy = "rendezvous";
  rules.placement.spread = {};
  std::map<uint32_t, node_number> before;
  for (uint32_t i = 0; i < 200; ++i) partition(i, {"n1", "n3"}, 0);
  bring_up();
  for (uint32_t i = 0; i < 200; ++i) before[i] = places.choose(query(i));
  nodes[node_id{"n5"}].state = node_state::dead;
  bring_up();
  size_t moved = 0;
  for (uint32_t i = 0; i < 200; ++i) {
    if (before[i] == number("n5"))
      ++moved;
    else
      BOOST_TEST(places.choose(query(i)) == before[i]);
  }
  BOOST_TEST(moved > 20u); // of about 50
}

BOOST_FIXTURE_TEST_CASE(power_of_two_fills_nodes_more_evenly_than_random, six_nodes) {
  rules.placement.spread = {};
  size = 0;
  auto most = [&](const char* strategy) {
    rules.placement.strategy = strategy;
    placer fresh{cluster};
    for (uint32_t i = 0; i < 400; ++i) partition(i, {"n1", "n3"}, 0);
    write(cluster);
    fresh.refresh({zones, cluster.nodes()}, rules);
    for (uint32_t i = 0; i < 400; ++i) fresh.promise(fresh.choose(query(i)), 0);
    return fresh.balance().max_over_mean;
  };
  BOOST_TEST(most("power_of_two") < most("random"));
}

BOOST_AUTO_TEST_SUITE_END()
