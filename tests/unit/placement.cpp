#include <boost/test/unit_test.hpp>

#include "placement/placement_book.hpp"

using namespace harbinger;

namespace {

constexpr uint64_t mib = 1 << 20;
const auto part = make_partition_id(1, 3);

struct world_of_six {
  placement_world world;
  partition_row row;
  placement_settings rules;
  placement_query query{part, 10 * mib, {}, "prefetch"};

  world_of_six() {
    for (int i = 1; i <= 6; ++i) {
      auto& n = world.nodes[node_id{"n" + std::to_string(i)}];
      n.row.id = node_id{"n" + std::to_string(i)};
      n.row.capacity_bytes = 1000 * mib;
      n.row.data_endpoint = "tcp://h:" + std::to_string(i);
      n.row.attributes["rack"] = "r" + std::to_string((i + 1) / 2);
    }
    row.id = part;
    row.primary = node_id{"n1"};
    row.sync_set = {node_id{"n1"}, node_id{"n3"}};
  }
  placement_node& node(const std::string& id) { return world.nodes.at(node_id{id}); }
  void zone_of(const std::string& member, std::vector<node_id> exposed = {}) {
    zone z;
    z.id = zone_id{4};
    z.members = {node_id{member}};
    z.exposed = std::move(exposed);
    world.zones.zones.push_back(z);
  }
  placement ask() { return place(query, row, world, rules); }
  std::string why_not(const std::string& id) {
    for (const auto& r : ask().rejected)
      if (r.node.value == id) return r.reason;
    return "";
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(every_node_is_either_ranked_or_rejected_with_a_reason, world_of_six) {
  auto answer = ask();
  BOOST_TEST(answer.ranked.size() + answer.rejected.size() == 6u);
  for (const auto& r : answer.rejected) BOOST_TEST(!r.reason.empty());
  BOOST_TEST(answer.target->node == node_id{"n5"});
  BOOST_TEST(answer.target->endpoint == "tcp://h:5");
}

BOOST_FIXTURE_TEST_CASE(holders_and_their_racks_are_rejected, world_of_six) {
  BOOST_TEST(why_not("n1") == "already a replica of the partition");
  BOOST_TEST(why_not("n2") == "same rack as n1");
  BOOST_TEST(why_not("n4") == "same rack as n3");
}

BOOST_FIXTURE_TEST_CASE(a_replica_in_a_zone_is_expected_to_be_lost_and_frees_its_rack,
                        world_of_six) {
  zone_of("n1");
  auto answer = ask();
  BOOST_TEST(why_not("n1") == "in zone 4");
  BOOST_TEST(why_not("n2") == "");
  BOOST_TEST(answer.ranked.size() == 3u);
}

BOOST_FIXTURE_TEST_CASE(exposed_and_zone_nodes_are_never_chosen_even_when_nobody_else_is_left,
                        world_of_six) {
  zone_of("n1", {node_id{"n2"}, node_id{"n5"}, node_id{"n6"}});
  zone_of("n4");
  auto answer = ask();
  BOOST_TEST(why_not("n5") == "exposed by zone 4");
  BOOST_REQUIRE(!answer.target.has_value());
  BOOST_TEST((answer.target.error().code == errc::no_candidate));
  BOOST_TEST(answer.rejected.size() == 6u);
}

BOOST_FIXTURE_TEST_CASE(spread_alone_is_waived_when_it_leaves_nobody_and_the_terms_say_so,
                        world_of_six) {
  node("n5").row.state = node_state::dead;
  node("n6").row.state = node_state::suspect;
  auto answer = ask();
  BOOST_TEST(why_not("n5") == "not up: dead");
  BOOST_TEST(why_not("n6") == "not up: suspect");
  BOOST_REQUIRE(answer.target.has_value());
  BOOST_TEST(answer.ranked.at(0).terms.find("spread waived") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(quota_counts_the_copy_that_is_to_come, world_of_six) {
  node("n5").used_bytes = 891 * mib;
  BOOST_TEST(why_not("n5") == "no room: 901.0 MiB of quota 900.0 MiB");
  node("n5").used_bytes = 889 * mib;
  BOOST_TEST(why_not("n5") == "");
  node("n5").row.capacity_bytes = 0;
  BOOST_TEST(why_not("n5") == "no room: states no capacity");
}

BOOST_FIXTURE_TEST_CASE(a_busy_target_and_a_failed_one_are_rejected, world_of_six) {
  node("n5").copies_under_way = 4;
  query.keep_away = {node_id{"n6"}};
  BOOST_TEST(why_not("n5") == "4 copies under way, limit 4");
  BOOST_TEST(why_not("n6") == "kept away: failed or chosen for this partition before");
}

BOOST_FIXTURE_TEST_CASE(the_emptier_idler_nearer_node_wins_and_ties_go_to_the_smaller_id,
                        world_of_six) {
  BOOST_TEST(ask().target->node == node_id{"n5"});
  node("n5").used_bytes = 500 * mib;
  BOOST_TEST(ask().target->node == node_id{"n6"});
  node("n5").used_bytes = 0;
  node("n5").writes_per_s = 100;
  BOOST_TEST(ask().target->node == node_id{"n6"});
  node("n5").writes_per_s = 0;
  node("n6").rtt_ms["n1"] = 0.2;
  node("n5").rtt_ms["n1"] = 40;
  BOOST_TEST(ask().target->node == node_id{"n6"});
}

BOOST_FIXTURE_TEST_CASE(a_node_that_only_the_brake_kept_out_of_the_zones_is_the_last_choice,
                        world_of_six) {
  world.zones.left_out = {node_id{"n5"}};
  BOOST_TEST(ask().target->node == node_id{"n6"});
}

namespace {

struct book_of_four {
  catalog_view catalog;
  placement_book book;
  settings config;
  time_point now{std::chrono::hours(1)};

  book_of_four() {
    for (int i = 1; i <= 4; ++i) {
      node_row n;
      n.id = node_id{"n" + std::to_string(i)};
      n.life = incarnation{5};
      n.capacity_bytes = 100 * mib;
      n.data_endpoint = "tcp://h:" + std::to_string(i);
      catalog.put(n);
    }
    for (uint32_t i = 0; i < 9; ++i) {
      partition_row p;
      p.id = make_partition_id(1, i);
      p.primary = node_id{"n1"};
      p.sync_set = {node_id{"n1"}, node_id{"n2"}};
      catalog.put(p);
    }
  }
  placement ask(uint32_t index, uint64_t size = mib) {
    return book.answer({make_partition_id(1, index), size, {}, "prefetch"}, catalog, config, true,
                       now);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(without_a_zone_map_nobody_is_known_to_be_safe, book_of_four) {
  BOOST_TEST((ask(0).target.error().code == errc::unavailable));
  book.set_zones({});
  BOOST_TEST(ask(0).target.has_value());
  BOOST_TEST((ask(99).target.error().code == errc::unknown_partition));
}

BOOST_FIXTURE_TEST_CASE(a_burst_of_questions_spreads_over_the_nodes_and_keeps_their_limits,
                        book_of_four) {
  book.set_zones({});
  std::map<std::string, int> chosen;
  for (uint32_t i = 0; i < 8; ++i) ++chosen[ask(i).target->node.value];
  BOOST_TEST(chosen["n3"] == 4);
  BOOST_TEST(chosen["n4"] == 4);
  BOOST_TEST(!ask(8).target.has_value()); // four under way on each
}

BOOST_FIXTURE_TEST_CASE(
    promises_count_against_the_quota_and_are_forgotten_when_nobody_takes_them_up, book_of_four) {
  book.set_zones({});
  BOOST_TEST(ask(0, 60 * mib).target.has_value());
  BOOST_TEST(ask(1, 60 * mib).target.has_value());
  BOOST_TEST(!ask(2, 60 * mib).target.has_value());
  now += placement_book::promise_life;
  BOOST_TEST(ask(2, 60 * mib).target.has_value());
}

BOOST_FIXTURE_TEST_CASE(asking_again_takes_the_place_of_the_promise_before, book_of_four) {
  book.set_zones({});
  for (int i = 0; i < 50; ++i) BOOST_TEST(ask(0).target.has_value());
}

BOOST_FIXTURE_TEST_CASE(a_copy_under_way_reserves_its_room_by_the_primarys_size, book_of_four) {
  book.set_zones({});
  node_report report;
  report.node = node_id{"n1"};
  report.life = incarnation{5};
  replica_report r;
  r.partition = make_partition_id(1, 0);
  r.role = replica_role::primary;
  r.size_bytes = 70 * mib;
  report.replicas = {r};
  book.report(report, catalog);
  auto row = *catalog.partition(r.partition);
  row.copies = {{node_id{"n3"}, copy_id{1}, false}, {node_id{"n4"}, copy_id{2}, false}};
  catalog.put(row);
  BOOST_TEST(!ask(1, 30 * mib).target.has_value());
  BOOST_TEST(ask(1, 10 * mib).target.has_value());
}

BOOST_FIXTURE_TEST_CASE(a_report_of_an_older_life_changes_nothing, book_of_four) {
  book.set_zones({});
  node_report old;
  old.node = node_id{"n3"};
  old.life = incarnation{4};
  old.used_bytes = 100 * mib;
  book.report(old, catalog);
  BOOST_TEST(ask(0).target->node == node_id{"n3"});
}
