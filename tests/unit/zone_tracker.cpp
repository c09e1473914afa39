#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "zones/chance.hpp"
#include "zones/joint_probability.hpp"
#include "zones/zone_tracker.hpp"

using namespace harbinger;

namespace {

struct cluster {
  std::map<node_id, node_row> nodes;
  zone_settings rules;
  zone_tracker tracker{term{7}, 1, 1};
  time_point now{std::chrono::hours(1)};
  std::map<std::string, node_risk> risks;

  /// Nodes n1.. over racks of `per_rack`.
  explicit cluster(int count, int per_rack = 2) {
    rules.domains = {"rack"};
    rules.share_max = 0.5;
    for (int i = 1; i <= count; ++i) {
      node_row row;
      row.id = node_id{"n" + std::to_string(i)};
      row.attributes["rack"] = "r" + std::to_string((i - 1) / per_rack + 1);
      nodes[row.id] = row;
      risk(row.id.value, 0.01);
    }
  }
  void risk(const std::string& node, double p, double uncertainty = 0.05) {
    auto& r = risks[node];
    r.node = node_id{node};
    r.probability = p;
    r.uncertainty = uncertainty;
    r.model = "m1";
  }
  zone_outcome round(seconds later = seconds(1)) {
    now += later;
    std::vector<node_risk> list;
    for (const auto& [name, r] : risks) list.push_back(r);
    return tracker.step(list, nodes, rules, now);
  }
  zone_outcome rounds(int count) {
    zone_outcome last;
    for (int i = 0; i < count; ++i) last = round();
    return last;
  }
  void put(const std::string& node, const std::string& attribute, const std::string& value) {
    auto& row = nodes[node_id{node}];
    row.attributes[attribute] = value;
    row.revision = revision{row.revision.value + 1};
  }
  std::string exposed(size_t place) const {
    std::string text;
    for (const auto& id : tracker.map().zones.at(place).exposed)
      text += (text.empty() ? "" : " ") + id.value;
    return text;
  }
  std::string domains() const {
    std::string text;
    for (const auto& z : tracker.map().zones) text += (text.empty() ? "" : " ") + z.domain;
    return text;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(a_node_enters_only_after_enough_rounds_in_a_row) {
  cluster c(6);
  c.risk("n3", 0.9);
  BOOST_TEST(c.round().changes.empty());
  c.risk("n3", 0.1);
  c.round();
  c.risk("n3", 0.9);
  BOOST_TEST(c.round().changes.empty());
  auto out = c.round();
  BOOST_REQUIRE(out.changes.size() == 1u);
  BOOST_TEST((out.changes[0].kind == zone_change_kind::formed));
  BOOST_TEST(c.domains() == "node=n3");
  BOOST_TEST(c.tracker.map().zones[0].probability == 0.9);
}

BOOST_AUTO_TEST_CASE(a_node_leaves_only_after_its_minimum_stay_and_below_leave_at) {
  cluster c(6);
  c.risk("n3", 0.9);
  c.round(), c.round();
  c.risk("n3", 0.1);
  c.round(seconds(30));
  BOOST_TEST(c.domains() == "node=n3");
  c.risk("n3", 0.3);
  c.round(seconds(60));
  BOOST_TEST(c.domains() == "node=n3");
  c.risk("n3", 0.1);
  auto out = c.round();
  BOOST_TEST(c.domains() == "");
  BOOST_TEST((out.changes.at(0).kind == zone_change_kind::dissolved));
}

BOOST_AUTO_TEST_CASE(uncertain_or_missing_risk_never_takes_a_node_out) {
  cluster c(6);
  c.risk("n3", 0.9);
  c.round(), c.round();
  c.risk("n3", 0.1, 0.45);
  c.round(seconds(600));
  BOOST_TEST(c.domains() == "node=n3");
  c.risk("n3", 0.1, std::numeric_limits<double>::quiet_NaN());
  c.round(seconds(600));
  BOOST_TEST(c.domains() == "node=n3");
  c.risks.erase("n3");
  c.round(seconds(600));
  BOOST_TEST(c.domains() == "node=n3");
}

BOOST_AUTO_TEST_CASE(a_dead_node_leaves_at_once_and_a_suspect_one_stays) {
  cluster c(6);
  c.risk("n3", 0.9);
  c.round(), c.round();
  c.nodes[node_id{"n3"}].state = node_state::suspect;
  c.round();
  BOOST_TEST(c.domains() == "node=n3");
  c.nodes[node_id{"n3"}].state = node_state::dead;
  c.round();
  BOOST_TEST(c.domains() == "");
}

BOOST_AUTO_TEST_CASE(neighbours_in_a_domain_are_exposed_others_are_not) {
  cluster c(6);
  c.risk("n3", 0.9);
  c.round(), c.round();
  const auto& z = c.tracker.map().zones.at(0);
  BOOST_REQUIRE(z.exposed.size() == 1u);
  BOOST_TEST(z.exposed[0] == node_id{"n4"});
}

BOOST_AUTO_TEST_CASE(a_domain_with_more_risk_than_chance_explains_becomes_one_zone) {
  cluster c(100, 4);
  for (auto n : {"n5", "n6", "n7"}) c.risk(n, 0.8);
  c.risk("n30", 0.7);
  c.round(), c.round();
  BOOST_TEST(c.domains() == "rack=r2 node=n30");
  const auto& z = c.tracker.map().zones.at(0);
  BOOST_TEST(z.members.size() == 3u);
  BOOST_TEST(z.exposed.at(0) == node_id{"n8"});
  BOOST_TEST(z.joint_probability > 0.8 * 0.8 * 0.8);
  BOOST_TEST(z.joint_probability < 0.8);
}

BOOST_AUTO_TEST_CASE(two_risky_nodes_of_a_small_cluster_are_no_proof_against_their_rack) {
  cluster c(6);
  c.risk("n3", 0.9), c.risk("n4", 0.9);
  c.round(), c.round();
  BOOST_TEST(c.domains() == "node=n3 node=n4");
}

BOOST_AUTO_TEST_CASE(a_zone_keeps_its_id_while_it_grows_from_a_node_to_its_rack) {
  cluster c(40, 4);
  c.risk("n5", 0.8);
  c.round(), c.round();
  auto id = c.tracker.map().zones.at(0).id;
  for (auto n : {"n6", "n7"}) c.risk(n, 0.8);
  c.round();
  auto out = c.round();
  BOOST_TEST(c.domains() == "rack=r2");
  BOOST_TEST(c.tracker.map().zones.at(0).id == id);
  BOOST_TEST((out.changes.at(0).kind == zone_change_kind::changed));
}

BOOST_AUTO_TEST_CASE(a_predictor_stuck_at_one_is_braked_and_says_so_once) {
  cluster c(10);
  c.rules.share_max = 0.3;
  for (auto& [name, r] : c.risks) r.probability = 1.0;
  int alerts = 0;
  for (int i = 0; i < 50; ++i) alerts += c.round().brake_began ? 1 : 0;
  size_t members = 0;
  for (const auto& z : c.tracker.map().zones) members += z.members.size();
  BOOST_TEST(alerts == 1);
  BOOST_TEST(members == 3u);
  BOOST_TEST(c.tracker.map().braked);
  BOOST_TEST(c.tracker.map().left_out.size() == 7u);
}

BOOST_AUTO_TEST_CASE(the_brake_takes_the_riskiest_and_always_at_least_one) {
  cluster c(3);
  c.rules.share_max = 0.1;
  c.risk("n1", 0.6), c.risk("n2", 0.95);
  c.round(), c.round();
  BOOST_TEST(c.domains() == "node=n2");
  BOOST_TEST(c.tracker.map().left_out.at(0) == node_id{"n1"});
}

BOOST_AUTO_TEST_CASE(a_predictor_stuck_at_zero_forms_no_zone) {
  cluster c(10);
  for (auto& [name, r] : c.risks) r.probability = 0.0;
  for (int i = 0; i < 50; ++i) BOOST_TEST(c.round().changes.empty());
}

BOOST_AUTO_TEST_CASE(risks_that_are_no_probabilities_or_of_strangers_are_counted_and_passed_over) {
  cluster c(6);
  c.risk("n1", std::numeric_limits<double>::quiet_NaN());
  c.risk("n2", 1.5);
  c.risk("stranger", 0.9);
  BOOST_TEST(c.round().refused == 3u);
  BOOST_TEST(c.round().changes.empty());
}

BOOST_AUTO_TEST_CASE(nothing_is_said_before_enough_rounds_were_seen) {
  cluster c(6);
  BOOST_TEST(!c.round().settled);
  BOOST_TEST(c.round().settled);
}

BOOST_AUTO_TEST_CASE(a_step_without_news_keeps_the_generation) {
  cluster c(6);
  c.risk("n3", 0.9);
  c.round(), c.round();
  auto generation = c.tracker.map().generation;
  c.risk("n3", 0.85);
  BOOST_TEST(!c.round().changed);
  BOOST_TEST(c.tracker.map().generation == generation);
}

BOOST_AUTO_TEST_CASE(joint_probability_keeps_each_members_own_risk) {
  auto one = joint_probability({0.4});
  BOOST_TEST(one.any == 0.4);
  BOOST_TEST(one.all == 0.4);
  auto two = joint_probability({0.4, 0.8});
  BOOST_TEST(two.common == 0.2, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(two.common + (1 - two.common) * own_risk(0.8, two.common) == 0.8,
             boost::test_tools::tolerance(1e-12));
  BOOST_TEST(two.all > 0.4 * 0.8);
  BOOST_TEST(two.all < 0.4);
  BOOST_TEST(joint_probability({1.0, 1.0}).all == 1.0, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(concentration_is_the_hypergeometric_tail) {
  log_factorials logs;
  auto close = boost::test_tools::tolerance(1e-9);
  BOOST_TEST(concentration_tail({6, 2, 2, 2}, logs) == 1.0 / 15, close);
  BOOST_TEST(concentration_tail({10, 3, 4, 0}, logs) == 1.0, close);
  BOOST_TEST(concentration_tail({10, 3, 10, 3}, logs) == 1.0, close);
  BOOST_TEST(concentration_tail({10, 3, 4, 4}, logs) == 0.0, close);
  BOOST_TEST(concentration_tail({10, 3, 4, 1}, logs) == 1 - 20.0 / 120, close); // below the mean
  BOOST_TEST(concentration_tail({10, 11, 4, 1}, logs) == 1.0);
  BOOST_TEST(concentration_tail({10'000, 5'000, 5'000, 2}, logs) == 1.0, close);
  BOOST_TEST(concentration_tail({10'000, 100, 40, 6}, logs) == 1.7e-6,
             boost::test_tools::tolerance(0.5));
}

BOOST_AUTO_TEST_CASE(two_unlucky_nodes_in_a_big_rack_do_not_condemn_it) {
  cluster c(1000, 40);
  for (int i = 0; i < 18; ++i) c.risk("n" + std::to_string(45 + 40 * i), 0.9); // one a rack
  c.risk("n46", 0.9), c.risk("n47", 0.9); // and two more in one of them
  c.rounds(2);
  BOOST_TEST(c.tracker.map().zones.size() == 20u);
  BOOST_TEST(c.domains().find("rack=") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_would_prove_one_domain_guilty_is_no_proof_among_many) {
  log_factorials logs;
  // 3 of a rack of 4 by chance: rare for this rack, not so rare for any of ten.
  double one = concentration_tail({40, 4, 4, 3}, logs);
  BOOST_TEST((one < 0.01 && 10 * one > 0.01));
  cluster c(40, 4);
  for (auto n : {"n5", "n6", "n7", "n30"}) c.risk(n, 0.9);
  c.rounds(2);
  BOOST_TEST(c.tracker.map().zones.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_domain_that_can_not_stand_out_is_no_reason_to_doubt_another) {
  cluster c(24, 4);
  // Everybody has the same version, and a serial number of his own.
  c.rules.domains = {"rack", "version", "serial"};
  for (auto& [id, row] : c.nodes) {
    c.put(id.value, "version", "7");
    c.put(id.value, "serial", id.value);
  }
  c.rules.concentration_p = 0.05;
  for (auto n : {"n5", "n6", "n7"}) c.risk(n, 0.9);
  c.rounds(2);
  BOOST_TEST(c.domains() == "rack=r2");
  BOOST_TEST(c.tracker.map().zones[0].reasons.at(0).find("any of 6 domains") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_brake_counts_capacity_and_smaller_nodes_may_still_fit) {
  cluster c(10, 1);
  c.rules.capacity_share_max = 0.3;
  for (auto& [id, row] : c.nodes) row.capacity_bytes = 100;
  c.nodes[node_id{"n2"}].capacity_bytes = 600; // of 1500
  c.risk("n1", 0.95), c.risk("n2", 0.9), c.risk("n3", 0.8);
  c.round();
  auto out = c.round();
  BOOST_TEST(c.domains() == "node=n1 node=n3");
  BOOST_TEST(c.tracker.map().left_out.at(0) == node_id{"n2"});
  BOOST_TEST(out.brake_began);
  BOOST_TEST(c.tracker.left().share == 0.1, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(c.tracker.left().capacity_share == 0.4, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(c.tracker.held_back_in_words().find(
                 "1 node at risk (10 % of the nodes up, 40 % of their capacity): n2")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_the_brake_chooses_does_not_look_like_a_cause) {
  cluster c(100, 10);
  c.rules.share_max = 0.1;
  for (auto& [name, r] : c.risks) r.probability = 1.0;
  c.rounds(2); // n1, n10 to n17 and n100 by their names: most of one rack
  BOOST_TEST(c.domains().find("rack") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_domain_too_wide_to_expose_exposes_nobody_and_that_is_said_once) {
  cluster c(12, 3);
  c.rules.domains = {"rack", "power"};
  for (auto& [id, row] : c.nodes) c.put(id.value, "power", "p1");
  c.risk("n4", 0.9);
  int began = 0;
  for (int i = 0; i < 10; ++i) began += c.round().exposure_limited ? 1 : 0;
  BOOST_TEST(began == 1);
  BOOST_TEST(c.exposed(0) == "n5 n6");
  BOOST_TEST(c.tracker.map().unexposed_domains == std::vector<std::string>{"power=p1"});
  BOOST_TEST(!c.tracker.map().braked);
  c.rules.exposed_share_max = 1.0;
  BOOST_TEST(c.round().exposure_whole);
  BOOST_TEST(c.tracker.map().zones[0].exposed.size() == 11u);
}

BOOST_AUTO_TEST_CASE(a_condemned_domain_exposes_its_other_nodes_before_narrower_ones_do) {
  cluster c(100, 10);
  c.rules.domains = {"rack", "pair"};
  for (auto& [id, row] : c.nodes) {
    auto n = std::stoi(id.value.substr(1));
    c.put(id.value, "pair", "b" + std::to_string(n % 50));
  }
  for (auto n : {"n11", "n12", "n13", "n14", "n15"}) c.risk(n, 0.9);
  c.rules.exposed_share_max = 0.05; // five nodes: the rest of the rack, and none of the pairs
  c.rounds(2);
  BOOST_TEST(c.domains() == "rack=r2");
  BOOST_TEST(c.exposed(0) == "n16 n17 n18 n19 n20");
  BOOST_TEST(c.tracker.map().unexposed_domains.size() == 5u);
}

BOOST_AUTO_TEST_CASE(the_larger_part_of_a_split_zone_keeps_its_id) {
  cluster c(100, 4);
  for (auto n : {"n5", "n6", "n7"}) c.risk(n, 0.8);
  c.rounds(2);
  auto id = c.tracker.map().zones.at(0).id;
  c.put("n5", "rack", "r9");
  auto out = c.round();
  BOOST_TEST(c.domains() == "rack=r2 node=n5");
  BOOST_TEST(c.tracker.map().zones[0].id == id);
  BOOST_REQUIRE(out.changes.size() == 2u);
  BOOST_TEST((out.changes[1].kind == zone_change_kind::split));
  BOOST_TEST(out.changes[0].text
             == "zone 1 on rack=r2 is now n6, n7, was n5, n6, n7 on rack=r2; gave zone 2");
  BOOST_TEST(out.changes[1].text
             == "zone 2 split from zone 1 on node=n5: n5 likely to fail, P = 0.80");
}

BOOST_AUTO_TEST_CASE(an_id_goes_with_the_members_and_not_with_the_domain) {
  cluster c(400, 4);
  for (auto n : {"n5", "n6", "n7"}) c.risk(n, 0.8);
  c.rounds(2);
  c.risk("n8", 0.8);
  c.rounds(1);
  for (auto n : {"n6", "n7"}) c.put(n, "rack", "new");
  c.round(); // n5 and n8 are left in r2, two of the three members are elsewhere
  BOOST_TEST(c.domains() == "rack=new rack=r2");
  BOOST_TEST(c.tracker.map().zones[0].id == zone_id{1});
}

BOOST_AUTO_TEST_CASE(a_merged_zone_has_the_id_of_its_largest_part_and_says_what_it_took_in) {
  cluster c(100, 4);
  c.risk("n8", 0.8);
  c.rounds(2); // zone 1
  for (auto n : {"n5", "n6"}) c.put(n, "room", "a");
  c.risk("n5", 0.8), c.risk("n6", 0.8);
  c.rules.domains = {"room"};
  c.rounds(2); // zone 2: room a
  BOOST_TEST(c.domains() == "node=n8 room=a");
  c.rules.domains = {"rack"};
  auto out = c.round();
  BOOST_TEST(c.domains() == "rack=r2");
  BOOST_TEST(c.tracker.map().zones[0].id == zone_id{2});
  BOOST_REQUIRE(out.changes.size() == 2u);
  BOOST_TEST(out.changes[0].text
             == "zone 2 on rack=r2 is now n5, n6, n8, was n5, n6 on room=a; took in zone 1");
  BOOST_TEST((out.changes[1].kind == zone_change_kind::merged));
  BOOST_TEST(out.changes[1].text == "zone 1 on node=n8 went into zone 2");
}

BOOST_AUTO_TEST_CASE(a_planned_node_is_a_zone_at_once_and_exposes_nobody) {
  cluster c(6, 3);
  c.rounds(2);
  c.tracker.plan({{node_id{"n3"}, 1800, "maintenance in 30 min"}});
  auto out = c.tracker.refresh(c.nodes, c.rules, c.now);
  BOOST_REQUIRE(out.changes.size() == 1u);
  const auto& z = c.tracker.map().zones.at(0);
  BOOST_TEST(z.domain == "node=n3");
  BOOST_TEST(z.probability == 1.0);
  BOOST_TEST(z.within_s == 1800.0);
  BOOST_TEST(z.exposed.empty());
  BOOST_TEST(z.reasons.at(0) == "n3: P = 1.00 ± 0.00 by plan; maintenance in 30 min");
  c.tracker.plan({{node_id{"n3"}, -5, "maintenance"}});
  c.round();
  BOOST_TEST(c.tracker.map().zones.at(0).within_s == 1.0);
  c.tracker.plan({});
  c.round();
  BOOST_TEST(c.domains() == ""); // no minimum stay: somebody said that it is over
}

BOOST_AUTO_TEST_CASE(planned_nodes_come_before_riskier_ones_and_prove_nothing_about_their_rack) {
  cluster c(10, 5);
  c.rules.share_max = 0.3;
  c.rules.concentration_p = 0.5;
  c.risk("n2", 0.9), c.risk("n3", 0.99), c.risk("n8", 0.97);
  c.tracker.plan({{node_id{"n1"}, 60, "x"}, {node_id{"stranger"}, 60, "x"}});
  c.rounds(2);
  BOOST_TEST(c.domains() == "node=n1 node=n3 node=n8");
  BOOST_TEST(c.tracker.map().left_out.at(0) == node_id{"n2"});
  c.nodes[node_id{"n1"}].state = node_state::dead;
  c.rounds(1);
  BOOST_TEST(c.domains() == "node=n3 node=n8"); // two of nine: n2 would be the third
}

namespace {

/// Twenty nodes, each in a rack of its own, whose telemetry the test makes.
struct moving_cluster : cluster {
  std::mt19937 random{7};
  std::normal_distribution<float> noise;
  std::map<std::string, float> level;

  moving_cluster() : cluster(20, 1) {
    for (auto n : {"n3", "n9", "n15"}) risk(n, 0.9);
  }
  /// Every node goes its own way, and these as one as well.
  void move(int rounds, const std::vector<std::string>& together, float own = 0.2f) {
    for (int i = 0; i < rounds; ++i) {
      float common = noise(random);
      for (auto& [name, r] : risks) {
        bool follows = std::count(together.begin(), together.end(), name) > 0;
        level[name] += follows ? common + own * noise(random) : noise(random);
        r.deviations = {0, 0, 0, level[name], 0};
      }
      round();
    }
  }
  std::vector<std::string> everybody() const {
    std::vector<std::string> out;
    for (const auto& [name, r] : risks) out.push_back(name);
    return out;
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(nodes_at_risk_whose_telemetry_moves_together_become_one_zone) {
  moving_cluster c;
  c.move(20, {"n3", "n9"});
  BOOST_TEST(c.domains() == "node=n15 node=n3 node=n9"); // not enough rounds yet
  c.move(20, {"n3", "n9"});
  BOOST_TEST(c.domains() == "node=n15 moves together");
  const auto& z = c.tracker.map().zones.at(1);
  BOOST_TEST(z.members == (std::vector<node_id>{node_id{"n3"}, node_id{"n9"}}));
  BOOST_TEST(
      z.reasons.at(0).starts_with("network metrics of n3 and n9 move together: correlation 0.9"));
  BOOST_TEST(z.common_cause > 0);
  c.move(40, {});
  BOOST_TEST(c.tracker.map().zones.size() == 3u); // each its own way again
  c.rules.comovement_min = 1.0;
  c.move(40, {"n3", "n9"});
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
}

BOOST_AUTO_TEST_CASE(what_the_whole_fleet_does_makes_no_zone) {
  moving_cluster c;
  c.move(100, c.everybody(), 0.3f);
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
}

BOOST_AUTO_TEST_CASE(nodes_that_stand_still_while_the_fleet_moves_make_no_zone) {
  moving_cluster c;
  for (int i = 0; i < 60; ++i) {
    float common = c.noise(c.random);
    for (auto& [name, r] : c.risks) {
      bool still = name == "n3" || name == "n9";
      c.level[name] += still ? 0.01f * c.noise(c.random) : common + 0.1f * c.noise(c.random);
      r.deviations = {0, 0, 0, c.level[name], 0};
    }
    c.round();
  }
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
}

BOOST_AUTO_TEST_CASE(one_common_spike_is_no_movement) {
  moving_cluster c;
  c.move(40, {});
  for (auto n : {"n3", "n9", "n15"}) c.level[n] += 50;
  c.move(20, {});
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
}

BOOST_AUTO_TEST_CASE(many_pairs_of_noise_make_no_zone) {
  cluster c(200, 1);
  c.rules.comovement_min = 0.5; // by chance, one pair in six hundred has this correlation
  c.rules.share_max = 1;
  std::mt19937 random{3};
  std::normal_distribution<float> noise;
  for (auto& [name, r] : c.risks) r.probability = 0.9;
  for (int i = 0; i < 60; ++i) {
    for (auto& [name, r] : c.risks)
      for (auto& x : r.deviations) x = i == 0 ? 0 : x + noise(random);
    c.round();
    BOOST_REQUIRE(c.domains().find("together") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(telemetry_that_is_missing_or_stuck_makes_no_zone_and_keeps_a_standing_one) {
  moving_cluster c;
  for (auto& [name, r] : c.risks) r.deviations = no_deviations;
  c.rounds(60);
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
  for (auto& [name, r] : c.risks) r.deviations = {1, 1, 1, 1, 1};
  c.rounds(60);
  BOOST_TEST(c.tracker.map().zones.size() == 3u);
  c.move(40, {"n3", "n9"});
  BOOST_TEST(c.tracker.map().zones.size() == 2u);
  for (auto& [name, r] : c.risks) r.deviations = no_deviations;
  c.rounds(60);
  BOOST_TEST(c.tracker.map().zones.size() == 2u);
}

BOOST_AUTO_TEST_CASE(ranks_share_ties_and_correlation_is_doubted_when_rows_go_on_as_they_were) {
  const float values[] = {3, 1, 3, 2};
  float row[4];
  rank_row(values, 4, row);
  BOOST_TEST(row[0] == row[2]);
  BOOST_TEST((row[1] < row[3] && row[3] < row[0]));
  const float same[] = {5, 5, 5};
  rank_row(same, 3, row);
  BOOST_TEST(row[0] == 0.0f);
  auto close = boost::test_tools::tolerance(1e-3);
  BOOST_TEST(correlation_tail(0.361, 30, 0, 0) == 0.025,
             boost::test_tools::tolerance(0.01)); // tables
  BOOST_TEST(correlation_tail(0.0, 32, 0, 0) == 0.5, close);
  BOOST_TEST(correlation_tail(-0.5, 6, 0, 0) == 1 - correlation_tail(0.5, 6, 0, 0), close);
  BOOST_TEST(correlation_tail(1.0, 32, 0, 0) == 0.0);
  BOOST_TEST(correlation_tail(0.9, 32, 0, 0) < 1e-10);
  BOOST_TEST(correlation_tail(0.9, 32, 0.9, 0.9) > 1e-3); // three independent values, not 32
  BOOST_TEST(correlation_tail(0.9, 32, -0.9, 0.9) == correlation_tail(0.9, 32, 0, 0));
}

BOOST_AUTO_TEST_CASE(a_zone_is_explained_with_the_numbers_of_its_computation) {
  cluster c(100, 4);
  for (auto n : {"n5", "n6", "n7"}) c.risk(n, 0.8);
  c.rounds(2);
  c.now += seconds(88);
  c.round(seconds(2));
  auto lines = c.tracker.explain(zone_id{1}, c.rules, c.now);
  BOOST_REQUIRE(lines.has_value());
  std::string text;
  for (const auto& line : *lines) text += line + "\n";
  BOOST_TEST(text
             == "Zone 1 on rack=r2 stands for 90s with 3 members: n5, n6, n7.\n"
                "One zone because 3 of 4 nodes of rack=r2 are at risk: by chance P = 2.5e-05, in "
                "any of 25 domains 0.00062 (zones.concentration_p = 0.01).\n"
                "That is the hypergeometric tail: 3 of 100 nodes up were at risk and not yet "
                "explained; 25 domains could have stood out, each was given its share "
                "(Bonferroni).\n"
                "n5 is likely to fail, P = 0.80 ± 0.05 by m1.\n"
                "n6 is likely to fail, P = 0.80 ± 0.05 by m1.\n"
                "n7 is likely to fail, P = 0.80 ± 0.05 by m1.\n"
                "At least one member fails with P = 0.98, all with P = 0.58, of which 0.4 is one "
                "common event: half of the smallest risk (beta-factor model).\n"
                "rack=r2 exposes 1 node: n8.\n");
  BOOST_TEST((c.tracker.explain(zone_id{9}, c.rules, c.now).error().code == errc::not_found));
}
