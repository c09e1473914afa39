#include <boost/test/unit_test.hpp>

#include <limits>

#include "tests/support/random_fleet.hpp"

using namespace harbinger;
using test::mib;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct six_nodes : test::named_cluster {
  fleet cluster;

  six_nodes() {
    for (int i = 1; i <= 6; ++i) node("n" + std::to_string(i), "r" + std::to_string((i + 1) / 2));
    write(cluster);
    cluster.take_changes();
  }
  node_number number(const std::string& name) const { return *cluster.nodes().find(node_id{name}); }
  const fleet_load& load(const std::string& name) const { return cluster.load(number(name)); }
  partition_number put(const partition_row& row) {
    write(cluster, row.id);
    return *cluster.find(row.id);
  }
  std::string holders(partition_number p) const {
    static const char* kinds[] = {"primary", "member", "joiner", "copying", "ready", "useless"};
    std::string text;
    for (const auto& h : cluster.partition(p).holders.get())
      text += (text.empty() ? "" : ", ") + cluster.nodes()[h.node].id.value + " "
              + kinds[static_cast<int>(h.kind)];
    return text;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(topology_)

BOOST_FIXTURE_TEST_CASE(a_node_keeps_its_number_and_takes_over_what_its_row_says, six_nodes) {
  auto n3 = number("n3");
  auto& row = nodes[node_id{"n3"}];
  row.state = node_state::suspect;
  row.capacity_bytes = 7;
  row.data_endpoint = "tcp://elsewhere";
  BOOST_TEST(cluster.put(row) == n3);
  const auto& known = cluster.nodes()[n3];
  BOOST_TEST((known.state == node_state::suspect));
  BOOST_TEST(known.capacity_bytes == 7u);
  BOOST_TEST(known.data_endpoint == "tcp://elsewhere");
  BOOST_TEST(cluster.nodes().size() == 6u);
  BOOST_TEST(cluster.nodes().alive(n3));
}

BOOST_FIXTURE_TEST_CASE(a_node_that_moves_is_found_with_its_new_rack_only, six_nodes) {
  const auto& all = cluster.nodes();
  auto rack = *all.attribute("rack");
  nodes[node_id{"n3"}].attributes["rack"] = "r1";
  write(cluster, node_id{"n3"});
  BOOST_TEST(all.with(rack, *all.value(rack, "r1")).size() == 3u);
  BOOST_TEST(all.with(rack, *all.value(rack, "r2")).size() == 1u);
  BOOST_TEST(all.domain_name(rack, all.value_of(number("n3"), rack)) == "rack=r1");
  nodes[node_id{"n3"}].attributes.clear();
  write(cluster, node_id{"n3"});
  BOOST_TEST(all.with(rack, *all.value(rack, "r1")).size() == 2u);
  BOOST_TEST(all.value_of(number("n3"), rack) == no_number);
}

BOOST_FIXTURE_TEST_CASE(an_attribute_that_nobody_states_is_not_known, six_nodes) {
  const auto& all = cluster.nodes();
  BOOST_TEST(!all.attribute("power").has_value());
  BOOST_TEST(!all.value(*all.attribute("rack"), "r9").has_value());
  BOOST_TEST(all.value_of(number("n1"), 17) == no_number);
  BOOST_TEST(!all.find(node_id{"n9"}).has_value());
}

BOOST_FIXTURE_TEST_CASE(rank_is_the_place_among_all_ids_whoever_came_first, six_nodes) {
  auto last = cluster.put(node("n0", "r9"));
  BOOST_TEST(cluster.nodes().rank(last) == 0u);
  BOOST_TEST(cluster.nodes().rank(number("n1")) == 1u);
  BOOST_TEST(cluster.nodes().rank(number("n6")) == 6u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(fleet_)

BOOST_FIXTURE_TEST_CASE(a_row_is_read_into_holders_sorted_by_number, six_nodes) {
  auto& row = partition(0, {"n3", "n1"});
  row.copies = {{node_id{"n5"}, copy_id{1}, true}, {node_id{"n2"}, copy_id{2}, false}};
  auto p = put(row);
  BOOST_TEST(holders(p) == "n1 member, n2 copying, n3 primary, n5 ready");
  BOOST_TEST(cluster.primary_of(p) == number("n3"));
  BOOST_TEST(cluster.partition(p).replicas_wanted == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_joiner_that_is_listed_among_the_copies_too_is_one_joiner, six_nodes) {
  auto& row = partition(0, {"n1", "n2"}, 5 * mib);
  row.joiners = {node_id{"n5"}};
  row.copies = {{node_id{"n5"}, copy_id{1}, true}};
  auto p = put(row);
  BOOST_TEST(holders(p) == "n1 primary, n2 member, n5 joiner");
  BOOST_TEST(load("n5").copies == 1u);
  BOOST_TEST(load("n5").copies_bytes == 5 * mib);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_nobody_put_yet_is_put_as_a_dead_one, six_nodes) {
  auto p = put(partition(0, {"n1", "stranger"}));
  BOOST_TEST(holders(p) == "n1 primary, stranger member");
  BOOST_TEST(!cluster.nodes().alive(number("stranger")));
  cluster.put(node("stranger", "r1"));
  BOOST_TEST(cluster.nodes().alive(number("stranger")));
  BOOST_TEST(cluster.held_by(number("stranger")).size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(loads_count_replicas_and_copies_and_their_bytes, six_nodes) {
  auto& row = partition(0, {"n1", "n2"}, 3 * mib);
  row.copies = {{node_id{"n5"}, copy_id{1}, true}, {node_id{"n6"}, copy_id{2}, false}};
  put(row);
  put(partition(1, {"n1", "n3"}, 4 * mib));
  BOOST_TEST(load("n1").replicas == 2u);
  BOOST_TEST(load("n1").copies == 0u);
  BOOST_TEST(load("n5").copies == 1u);
  BOOST_TEST(load("n5").copying == 0u);
  BOOST_TEST(load("n6").copying == 1u);
  BOOST_TEST(load("n6").copying_bytes == 3 * mib);
  BOOST_TEST(load("n6").copies_bytes == 3 * mib);
}

BOOST_FIXTURE_TEST_CASE(counts_follow_a_copy_through_its_life, six_nodes) {
  auto& row = partition(0, {"n1", "n2"}, 3 * mib);
  row.copies = {{node_id{"n5"}, copy_id{1}, false}};
  auto p = put(row);
  cluster.set_size(p, 4 * mib);
  BOOST_TEST(load("n5").copying_bytes == 4 * mib);
  row.copies[0].ready = true;
  sizes[row.id] = 4 * mib;
  put(row);
  BOOST_TEST(load("n5").copying == 0u);
  BOOST_TEST(load("n5").copying_bytes == 0u);
  BOOST_TEST(load("n5").copies_bytes == 4 * mib);
  row.copies.clear();
  row.sync_set.push_back(node_id{"n5"});
  put(row);
  BOOST_TEST(load("n5").copies == 0u);
  BOOST_TEST(load("n5").copies_bytes == 0u);
  BOOST_TEST(load("n5").replicas == 1u);
}

BOOST_FIXTURE_TEST_CASE(held_by_follows_every_way_of_holding, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  auto p = put(row);
  BOOST_TEST(cluster.held_by(number("n1")) == std::vector{p});
  row.sync_set = {node_id{"n2"}};
  row.primary = node_id{"n2"};
  row.copies = {{node_id{"n4"}, copy_id{1}, true}};
  put(row);
  BOOST_TEST(cluster.held_by(number("n1")).empty());
  BOOST_TEST(cluster.held_by(number("n2")) == std::vector{p});
  BOOST_TEST(cluster.held_by(number("n4")) == std::vector{p});
}

BOOST_FIXTURE_TEST_CASE(many_holders_are_kept_as_few_are, six_nodes) {
  auto& row = partition(0, {"n6", "n5", "n4", "n3", "n2", "n1"});
  auto p = put(row);
  BOOST_TEST(cluster.partition(p).holders.get().size() == 6u);
  BOOST_TEST(holders(p).substr(0, 10) == "n1 member,");
  BOOST_TEST((cluster.partition(p).holders.find(number("n6"))->kind == holding_kind::primary));
  row.sync_set = {node_id{"n6"}};
  put(row);
  BOOST_TEST(holders(p) == "n6 primary");
  BOOST_TEST(load("n1").replicas == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_holder_that_is_given_twice_counts_once, six_nodes) {
  std::vector<holder> twice{{number("n2"), holding_kind::ready},
                            {number("n1"), holding_kind::primary},
                            {number("n2"), holding_kind::member}};
  auto p = cluster.put(make_partition_id(1, 0), twice, 2);
  BOOST_TEST(holders(p) == "n1 primary, n2 member");
  BOOST_TEST(load("n2").replicas + load("n2").copies == 1u);
  BOOST_TEST(cluster.held_by(number("n2")).size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_removed_partition_is_held_by_nobody_and_keeps_its_number, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  auto p = put(row);
  cluster.take_changes();
  cluster.remove(row.id);
  cluster.remove(make_partition_id(9, 9));
  BOOST_TEST(cluster.partition(p).holders.get().empty());
  BOOST_TEST(cluster.partition(p).replicas_wanted == 0u);
  BOOST_TEST(load("n1").replicas == 0u);
  BOOST_TEST(cluster.held_by(number("n1")).empty());
  BOOST_TEST(cluster.take_changes().partitions == std::vector{p});
  BOOST_TEST(put(row) == p);
}

BOOST_FIXTURE_TEST_CASE(changes_are_told_once_each_in_the_order_they_came, six_nodes) {
  auto a = put(partition(0, {"n1", "n2"})), b = put(partition(1, {"n2", "n3"}));
  cluster.take_changes();
  cluster.set_size(b, 7);
  cluster.set_size(a, 7);
  cluster.set_size(b, 8);
  cluster.set_usage(number("n4"), 1, 1.0);
  cluster.set_usage(number("n4"), 2, 1.0);
  auto news = cluster.take_changes();
  BOOST_TEST(news.partitions == (std::vector{b, a}));
  BOOST_TEST(news.nodes == std::vector{number("n4")});
  cluster.set_size(b, 8); // it has it already
  news = cluster.take_changes();
  BOOST_TEST(news.partitions.empty());
  BOOST_TEST(news.nodes.empty());
}

BOOST_FIXTURE_TEST_CASE(a_row_tells_of_those_who_held_it_and_those_who_do, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  put(row);
  cluster.take_changes();
  row.sync_set = {node_id{"n1"}, node_id{"n3"}};
  cluster.put(row);
  auto noted = cluster.take_changes().nodes;
  BOOST_TEST(std::set<node_number>(noted.begin(), noted.end())
             == (std::set{number("n1"), number("n2"), number("n3")}));
}

BOOST_FIXTURE_TEST_CASE(a_size_changes_the_room_of_those_with_copies, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  row.copies = {{node_id{"n5"}, copy_id{1}, true}};
  auto p = put(row);
  cluster.take_changes();
  cluster.set_size(p, 9 * mib);
  BOOST_TEST(cluster.take_changes().nodes == std::vector{number("n5")});
  BOOST_TEST(load("n5").copies_bytes == 9 * mib);
}

BOOST_FIXTURE_TEST_CASE(note_all_names_everybody, six_nodes) {
  put(partition(0, {"n1", "n2"}));
  cluster.take_changes();
  cluster.note_all();
  auto news = cluster.take_changes();
  BOOST_TEST(news.nodes.size() == 6u);
  BOOST_TEST(news.partitions.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_is_no_number_or_negative_counts_as_nothing, six_nodes) {
  auto p = put(partition(0, {"n1", "n2"}));
  for (double bad : {not_a_number, std::numeric_limits<double>::infinity(), -1.0}) {
    cluster.set_usage(number("n1"), 5, bad);
    BOOST_TEST(load("n1").writes_per_s == 0.0);
    cluster.set_change_rate(p, bad);
    BOOST_TEST(cluster.partition(p).change_bytes_per_s == 0.0f);
  }
}

BOOST_FIXTURE_TEST_CASE(a_round_trip_time_is_forgotten_when_it_is_no_time, six_nodes) {
  auto n1 = number("n1"), n2 = number("n2"), n3 = number("n3");
  cluster.set_rtt(n3, n1, 2.0);
  cluster.set_rtt(n2, n1, 1.0);
  cluster.set_rtt(n2, n1, 1.5);
  BOOST_TEST(*cluster.rtt_ms(n2, n1) == 1.5);
  BOOST_TEST(!cluster.rtt_ms(n1, n2).has_value()); // as `from` measured it
  BOOST_REQUIRE(cluster.rtts_to(n1).size() == 2u);
  BOOST_TEST(cluster.rtts_to(n1)[0].from == n2);
  cluster.set_rtt(n2, n1, not_a_number);
  cluster.set_rtt(n3, n1, -0.5);
  BOOST_TEST(cluster.rtts_to(n1).empty());
  cluster.set_rtt(n3, n1, not_a_number);
  BOOST_TEST(cluster.rtts_to(n1).empty());
}

BOOST_FIXTURE_TEST_CASE(only_copies_are_marked_useless_and_the_next_row_takes_it_away, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  row.joiners = {node_id{"n4"}};
  row.copies = {{node_id{"n5"}, copy_id{1}, false}};
  auto p = put(row);
  cluster.take_changes();
  for (auto name : {"n1", "n2", "n4", "n6"}) cluster.mark_useless(p, number(name));
  BOOST_TEST(holders(p) == "n1 primary, n2 member, n4 joiner, n5 copying");
  BOOST_TEST(cluster.take_changes().partitions.empty());
  cluster.mark_useless(p, number("n5"));
  BOOST_TEST(holders(p) == "n1 primary, n2 member, n4 joiner, n5 useless");
  BOOST_TEST(load("n5").copying == 0u);
  BOOST_TEST(load("n5").copies == 1u);
  cluster.put(row);
  BOOST_TEST(holders(p) == "n1 primary, n2 member, n4 joiner, n5 copying");
}

BOOST_FIXTURE_TEST_CASE(more_replicas_wanted_than_fit_are_as_many_as_fit, six_nodes) {
  auto& row = partition(0, {"n1", "n2"});
  row.replicas_wanted = 258;
  BOOST_TEST(cluster.partition(put(row)).replicas_wanted == 255u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(a_change_rate_is_news_only_when_it_differs_by_more_than_a_quarter) {
  test::named_cluster some;
  some.node("n1", "r1");
  some.node("n2", "r2");
  some.partition(0, {"n1", "n2"});
  fleet cluster;
  some.write(cluster);
  cluster.take_changes();
  auto told = [&](double rate) {
    cluster.set_change_rate(0, rate);
    return cluster.take_changes().partitions.size();
  };
  BOOST_TEST(told(100) == 1u);
  BOOST_TEST(told(120) == 0u);
  BOOST_TEST(told(80) == 0u);
  BOOST_TEST(told(140) == 1u);
  BOOST_TEST(told(0) == 1u);
  BOOST_TEST(told(0) == 0u);
}
