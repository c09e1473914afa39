#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

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
