#include <boost/test/unit_test.hpp>

#include <limits>

#include "tests/support/random_fleet.hpp"
#include "tests/support/seeds.hpp"
#include "zones/none_alive.hpp"

using namespace harbinger;

namespace {

const auto tolerance = boost::test_tools::tolerance(1e-12);

struct four_nodes : test::named_cluster {
  fleet cluster;
  four_nodes() {
    for (auto name : {"n1", "n2", "n3", "n4"}) node(name, "r1");
    write(cluster);
  }
  node_number number(const std::string& name) const { return *cluster.nodes().find(node_id{name}); }
  zone_picture picture() const { return {zones, cluster.nodes()}; }
  const zone& first() { return zones.zones.front(); }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(everybody_is_safe_where_no_zone_stands, four_nodes) {
  for (const auto& p : {zone_picture{}, picture()}) {
    BOOST_TEST(p.of(number("n1")).safe());
    BOOST_TEST(p.of(99).safe());
    BOOST_TEST(p.zones() == 0u);
  }
}

BOOST_FIXTURE_TEST_CASE(members_exposed_and_left_out_nodes_are_told_apart, four_nodes) {
  zone_of({"n3", "n1"}, {0.5, 0.75}, 0.25, {"n2"});
  zones.left_out = {node_id{"n4"}};
  auto p = picture();
  BOOST_TEST(p.zones() == 1u);
  BOOST_TEST(p.id(0).value == 1u);
  BOOST_TEST(p.common_cause(0) == 0.25);
  BOOST_TEST(p.members(0) == (std::vector{number("n1"), number("n3")}));
  BOOST_TEST(p.of(number("n1")).risk == 0.75);
  BOOST_TEST(p.of(number("n1")).own == (0.75 - 0.25) / 0.75, tolerance);
  BOOST_TEST(!p.of(number("n1")).safe());
  BOOST_TEST(p.of(number("n2")).zone == no_number);
  BOOST_TEST(p.of(number("n2")).exposed_by == 0u);
  BOOST_TEST(!p.of(number("n2")).safe());
  BOOST_TEST(p.of(number("n4")).left_out);
  BOOST_TEST(p.of(number("n4")).safe());
}

BOOST_FIXTURE_TEST_CASE(names_that_nobody_knows_and_repeated_ones_are_passed_over, four_nodes) {
  zone_of({"stranger", "n1", "n1"}, {0.9, 0.5, 0.25}, 0.0, {"nobody", "n2"});
  zone_of({"n1"}, {1.0}, 0.0, {"n2"});
  zones.left_out = {node_id{"stranger"}};
  auto p = picture();
  BOOST_TEST(p.members(0) == std::vector{number("n1")});
  BOOST_TEST(p.of(number("n1")).risk == 0.5); // the first zone that names it
  BOOST_TEST(p.members(1).empty());
  BOOST_TEST(p.of(number("n2")).exposed_by == 0u);
}

BOOST_FIXTURE_TEST_CASE(risks_are_told_in_steps_that_keep_something_and_not_everything,
                        four_nodes) {
  auto risk = [&](double r) {
    zones.zones.clear();
    zone_of({"n1"}, {r});
    return picture().of(number("n1")).risk;
  };
  auto step = 1.0 / zone_picture::risk_steps;
  BOOST_TEST(risk(0.5) == 0.5);
  BOOST_TEST(risk(0.5 + step / 4) == 0.5);
  BOOST_TEST(risk(0.5 + step * 0.75) == 0.5 + step);
  BOOST_TEST(risk(1e-9) == step);
  BOOST_TEST(risk(1.0 - 1e-9) == 1.0 - step);
  BOOST_TEST(risk(0.0) == 0.0);
  BOOST_TEST(risk(-3.0) == 0.0);
  BOOST_TEST(risk(1.0) == 1.0);
  BOOST_TEST(risk(7.0) == 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_risk_that_is_no_number_never_reads_as_healthy, four_nodes) {
  zone_of({"n1"}, {std::numeric_limits<double>::quiet_NaN()});
  BOOST_TEST(picture().of(number("n1")).risk == 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_member_without_its_own_risk_has_the_zones, four_nodes) {
  zone_of({"n1", "n2"}, {0.25});
  zones.zones[0].probability = 0.75;
  BOOST_TEST(picture().of(number("n1")).risk == 0.25);
  BOOST_TEST(picture().of(number("n2")).risk == 0.75);
}

BOOST_FIXTURE_TEST_CASE(only_nodes_whose_standing_changed_differ, four_nodes) {
  zone_of({"n1", "n2"}, {0.5, 0.5}, 0.0, {"n3"});
  auto before = picture();
  auto changed = [&] { return picture().differing(before); };
  BOOST_TEST(changed().empty());
  zones.zones[0].risks[0] += 0.001; // inside one step
  BOOST_TEST(changed().empty());
  zones.zones[0].risks[0] = 0.75;
  BOOST_TEST(changed() == std::vector{number("n1")});
  zones.zones[0].risks[0] = 0.5;
  zones.zones[0].common_cause = 0.25;
  BOOST_TEST(changed() == (std::vector{number("n1"), number("n2")}));
  zones.zones[0].common_cause = 0.0;
  zones.zones[0].exposed.clear();
  BOOST_TEST(changed() == std::vector{number("n3")});
  zones.zones[0].exposed = {node_id{"n3"}};
  zones.left_out = {node_id{"n4"}};
  BOOST_TEST(changed() == std::vector{number("n4")});
}

BOOST_FIXTURE_TEST_CASE(a_zone_is_the_same_wherever_it_stands_in_the_map, four_nodes) {
  zone_of({"n1"}, {0.5}, 0.0, {"n2"});
  zone_of({"n3"}, {0.5});
  auto before = picture();
  std::swap(zones.zones[0], zones.zones[1]);
  BOOST_TEST(picture().differing(before).empty());
  std::swap(zones.zones[0].id, zones.zones[1].id);
  BOOST_TEST(picture().differing(before).size() == 3u);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_came_later_differs_when_it_stands_in_a_zone, four_nodes) {
  zone_of({"n5"}, {0.5});
  auto before = picture();
  cluster.put(node("n5", "r2"));
  cluster.put(node("n6", "r2"));
  BOOST_TEST(picture().differing(before) == std::vector{number("n5")});
}

BOOST_FIXTURE_TEST_CASE(members_of_one_zone_fail_together_more_often_than_independent_ones,
                        four_nodes) {
  zone_of({"n1", "n2"}, {0.5, 0.5}, 0.25);
  BOOST_TEST(none_alive({node_id{"n1"}, node_id{"n2"}}, zones)
                 == 0.25 + 0.75 * (1.0 / 3) * (1.0 / 3),
             tolerance);
  BOOST_TEST(none_alive({node_id{"n1"}}, zones) == 0.5, tolerance);
  BOOST_TEST(none_alive({node_id{"n4"}}, zones) == base_failure_probability, tolerance);
  BOOST_TEST(none_alive(std::set<node_id>{}, zones) == 1.0);
  BOOST_TEST(none_alive(std::span<const node_number>{}, picture()) == 1.0);
}

BOOST_AUTO_TEST_CASE(by_numbers_it_is_what_it_is_by_names) {
  for (auto seed : test::seeds(2000)) {
    test::random_clusters random{seed};
    auto world = random.cluster({});
    fleet cluster;
    world.write(cluster, &random.engine());
    std::set<node_id> names;
    std::vector<node_number> numbers;
    for (const auto& [id, row] : world.nodes)
      if (random.one_in(3)) {
        names.insert(id);
        numbers.push_back(*cluster.nodes().find(id));
      }
    auto by_names = none_alive(names, world.zones);
    auto by_numbers = none_alive(numbers, zone_picture{world.zones, cluster.nodes()});
    BOOST_REQUIRE_MESSAGE(std::abs(by_names - by_numbers) <= 1e-12 * by_names,
                          test::repeat_with(seed) << ": " << by_names << ", " << by_numbers);
  }
}
