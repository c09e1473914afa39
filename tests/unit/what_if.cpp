#include "recovery/what_if.hpp"

#include <boost/test/unit_test.hpp>

#include "recovery/copy_speed.hpp"

using namespace harbinger;
using namespace harbinger::recovery;

namespace {

/// Nodes n1 to n4 in two racks; partitions of two replicas, as the tests make them.
struct cluster {
  catalog_view view;
  replica_book book;
  std::set<node_id> in_zones;
  time_point now{std::chrono::hours(1)};
  std::map<node_id, std::vector<replica_report>> reports;
  kill_assumptions assumed;
  measured_times times{3, 800.0, 20.0, 70.0, 10.0};

  cluster() {
    view.set_revision(term{1}, revision{1});
    node("n1", "r1"), node("n2", "r1"), node("n3", "r2"), node("n4", "r2");
  }
  void node(const std::string& name, const std::string& rack) {
    node_row n;
    n.id = node_id{name};
    n.life = incarnation{1};
    n.attributes = {{"rack", rack}};
    view.put(n);
  }
  partition_row& add(uint32_t index, std::vector<std::string> members) {
    partition_row row;
    row.id = make_partition_id(1, index);
    row.epoch = epoch{2};
    row.revision = revision{1};
    row.primary = node_id{members.front()};
    row.primary_life = incarnation{1};
    for (const auto& m : members) row.sync_set.push_back(node_id{m});
    std::sort(row.sync_set.begin(), row.sync_set.end());
    row.replicas_wanted = 2;
    row.history = {{epoch{2}, seq_no{1}}};
    for (const auto& m : members)
      report(m, row.id, m == members.front() ? replica_role::primary : replica_role::secondary,
             100);
    rows.push_back(row);
    view.put(row);
    return rows.back();
  }
  void copy(partition_row& row, const std::string& name, uint64_t seq, double lag_ms = 40.0) {
    row.copies.push_back({node_id{name}, copy_id{7}, true});
    view.put(row);
    auto& r = report(name, row.id, replica_role::copy, seq);
    r.copy = copy_id{7};
    r.lag_ms = lag_ms;
    tell();
  }
  replica_report& report(const std::string& name, partition_id id, replica_role role,
                         uint64_t seq) {
    replica_report r;
    r.partition = id;
    r.role = role;
    r.state = replica_state::following;
    r.epoch = epoch{2};
    r.revision = revision{1};
    r.version = {epoch{2}, seq_no{seq}};
    r.size_bytes = 64 << 20;
    r.writes_per_s = role == replica_role::primary ? 50.0 : 0.0;
    r.batch_bytes = role == replica_role::primary ? 200.0 : 0.0;
    reports[node_id{name}].push_back(r);
    return reports[node_id{name}].back();
  }
  void tell() {
    for (const auto& [id, list] : reports) book.take_all(id, incarnation{1}, list, now);
  }
  std::set<node_id> named(const std::vector<std::string>& words) {
    return *nodes_named(view, words);
  }
  kill_forecast killed(const std::vector<std::string>& words, std::optional<double> speed = {}) {
    tell();
    return what_if_killed({view, book, in_zones, now}, named(words), times, speed, assumed);
  }
  std::deque<partition_row> rows;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(a_secondary_serves_and_nothing_is_lost, cluster) {
  add(0, {"n1", "n3"});
  auto f = killed({"n1"});
  BOOST_REQUIRE(f.rows.size() == 1u);
  BOOST_TEST((f.rows[0].way == kill_way::secondary));
  BOOST_TEST(f.rows[0].server.value == "n3");
  BOOST_TEST(*f.rows[0].served_ms == 820.0);
  BOOST_TEST(*f.rows[0].lost_batches == 0u);
  BOOST_TEST(f.at_once == 1u);
  BOOST_TEST(f.summary
             == "1 partition affected: 1 served at once by their sync set, 0 late from a copy or "
                "mass storage, 0 not before a node is back; worst recovery time 820 ms, worst "
                "recovery point 0 batches or 0 ms.");
}

BOOST_FIXTURE_TEST_CASE(a_primary_whose_secondary_dies_goes_on, cluster) {
  add(0, {"n1", "n3"});
  auto f = killed({"n3"});
  BOOST_TEST((f.rows.at(0).way == kill_way::stays));
  BOOST_TEST(f.rows[0].server.value == "n1");
}

BOOST_FIXTURE_TEST_CASE(partitions_without_a_member_there_are_not_affected, cluster) {
  add(0, {"n1", "n3"});
  auto& other = add(1, {"n1", "n2"});
  copy(other, "n4", 100);
  auto f = killed({"n4"});
  BOOST_TEST(f.partitions == 0u);
  BOOST_TEST(f.copies_only == 1u);
  BOOST_TEST(f.rows.empty());
}

BOOST_FIXTURE_TEST_CASE(with_the_whole_sync_set_gone_the_copy_and_mass_storage_are_left, cluster) {
  auto& row = add(0, {"n1", "n2"});
  copy(row, "n3", 97);
  auto f = killed({"rack=r1"});
  auto& r = f.rows.at(0);
  BOOST_TEST((r.way == kill_way::copy_and_tail));
  BOOST_TEST(r.server.value == "n3");
  BOOST_TEST(*r.lost_batches == 3u, "the copy lacks 3, mass storage would lack 50");
  BOOST_TEST(*r.lost_bytes == 600u);
  BOOST_TEST(*r.lost_ms == 40.0);
  BOOST_TEST(r.by_hand);
  BOOST_TEST(f.late == 1u);
  BOOST_TEST(f.late_by_hand == 1u);
  BOOST_TEST(has(f.summary, "only by hand: harbinger rebuild"), f.summary);
  assumed.rebuild_after_s = 5;
  auto later = killed({"rack=r1"});
  BOOST_TEST(!later.rows.at(0).by_hand);
  BOOST_TEST(*later.rows[0].served_ms >= 5820.0);
}

BOOST_FIXTURE_TEST_CASE(of_a_copy_far_behind_mass_storage_makes_up_all_but_its_last_second,
                        cluster) {
  auto& row = add(0, {"n1", "n2"});
  copy(row, "n3", 10, 9000.0);
  auto f = killed({"n1", "n2"});
  BOOST_TEST(*f.rows.at(0).lost_batches == 50u);
  BOOST_TEST(*f.rows[0].lost_ms == 1000.0);
}

BOOST_FIXTURE_TEST_CASE(without_a_copy_mass_storage_is_read_at_the_measured_speed, cluster) {
  add(0, {"n1", "n2"});
  auto f = killed({"n1", "n2"}, 32 << 20);
  auto& r = f.rows.at(0);
  BOOST_TEST((r.way == kill_way::mass_storage));
  BOOST_TEST(*r.served_ms == 820.0 + 2000.0);
  BOOST_TEST(*r.lost_batches == 50u);
  BOOST_TEST(*killed({"n1", "n2"}).rows.at(0).served_ms == 820.0 + 1000.0, "assumed: 64 MiB/s");
}

BOOST_FIXTURE_TEST_CASE(an_escalated_copy_makes_the_loss_of_a_rack_harmless, cluster) {
  add(0, {"n1", "n2", "n3"});
  auto f = killed({"rack=r1"});
  BOOST_TEST((f.rows.at(0).way == kill_way::escalated));
  BOOST_TEST(f.rows[0].server.value == "n3");
  BOOST_TEST(*f.rows[0].lost_batches == 0u);
  BOOST_TEST((killed({"n1"}).rows.at(0).way == kill_way::secondary));
}

BOOST_FIXTURE_TEST_CASE(killing_everything_is_a_question_like_any_other, cluster) {
  auto& row = add(0, {"n1", "n2"});
  copy(row, "n3", 100);
  add(1, {"n3", "n4"});
  auto f = killed({"rack=r1", "rack=r2", "n1"});
  BOOST_TEST(f.killed.size() == 4u);
  BOOST_TEST(f.lost == 2u);
  BOOST_TEST(!f.worst_served_ms);
  BOOST_TEST(f.rows.at(0).text == "nobody serves before a node is back");
}

BOOST_FIXTURE_TEST_CASE(the_worst_come_first, cluster) {
  add(0, {"n1", "n3"});
  add(1, {"n1", "n2"});
  auto& with_copy = add(2, {"n1", "n2"});
  copy(with_copy, "n3", 99);
  add(3, {"n3", "n1"});
  auto f = killed({"rack=r1"});
  std::vector<uint32_t> order;
  for (const auto& r : f.rows) order.push_back(index_of(r.partition));
  BOOST_TEST(order == (std::vector<uint32_t>{1, 2, 0, 3}), boost::test_tools::per_element());
  BOOST_TEST(f.at_once + f.late + f.lost == f.partitions);
}

BOOST_FIXTURE_TEST_CASE(redundancy_waits_for_copies_in_line_and_ready_ones_join_at_once, cluster) {
  auto& row = add(0, {"n1", "n3"});
  copy(row, "n4", 100);
  BOOST_TEST(*killed({"n1"}).rows.at(0).whole_ms == 820.0 + 50.0, "70 ms less promotion");
  add(1, {"n1", "n3"});
  add(2, {"n1", "n3"});
  assumed.copies_at_once = 1;
  auto f = killed({"n1"}, 64 << 20);
  std::map<uint32_t, double> whole;
  for (const auto& r : f.rows) whole[index_of(r.partition)] = *r.whole_ms;
  BOOST_TEST(whole[0] == 870.0);
  BOOST_TEST(whole[1] == 820.0 + 1000.0 + assumed.join_ms);
  BOOST_TEST(whole[2] == 820.0 + 2000.0 + assumed.join_ms, "the second waits for the first");
}

BOOST_FIXTURE_TEST_CASE(with_too_few_nodes_left_redundancy_waits_for_one_to_come_back, cluster) {
  add(0, {"n1", "n3"});
  auto f = killed({"n1", "n2", "n4"});
  BOOST_TEST(f.rows.at(0).served_ms.has_value());
  BOOST_TEST(!f.rows[0].whole_ms);
}

BOOST_FIXTURE_TEST_CASE(a_replica_that_differs_or_failed_serves_nobody, cluster) {
  auto& row = add(0, {"n1", "n3"});
  tell();
  book.set_digest_differs(node_id{"n3"}, row.id, true);
  auto f = what_if_killed({view, book, in_zones, now}, named({"n1"}), times, {}, assumed);
  BOOST_TEST((f.rows.at(0).way == kill_way::mass_storage));
}

BOOST_FIXTURE_TEST_CASE(more_primaries_than_were_measured_take_longer_in_proportion, cluster) {
  for (uint32_t i = 0; i < 40; ++i) add(i, {"n1", "n3"});
  BOOST_TEST(*killed({"n1"}).rows.at(0).served_ms == 800.0 + 4 * 20.0);
}

BOOST_FIXTURE_TEST_CASE(what_was_not_measured_is_said_to_be_assumed, cluster) {
  add(0, {"n1", "n2"});
  times = {};
  auto f = killed({"n1", "n2"});
  std::string notes;
  for (const auto& n : f.notes) notes += n + '\n';
  BOOST_TEST(has(notes, "No outage was measured yet: detection is assumed at 900 ms"), notes);
  BOOST_TEST(has(notes, "No copy was measured yet: assumed at 64 MiB/s"), notes);
  BOOST_TEST(has(notes, "Mass storage is assumed to be there"), notes);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_is_dead_already_changes_nothing, cluster) {
  add(0, {"n3", "n1"});
  auto row = *view.node(node_id{"n1"});
  row.state = node_state::dead;
  view.put(row);
  auto f = killed({"n1"});
  BOOST_TEST(f.partitions == 0u);
  BOOST_TEST(f.notes.at(0) == "n1 is dead already");
  BOOST_TEST((killed({"n3"}).rows.at(0).way == kill_way::mass_storage));
}

BOOST_FIXTURE_TEST_CASE(words_that_name_no_node_are_refused_with_what_there_is, cluster) {
  auto refused = [&](const std::vector<std::string>& words) {
    return to_string(nodes_named(view, words).error());
  };
  BOOST_TEST(refused({"n1", "n9"}) == "unknown_node: no node n9; there are: n1, n2, n3, n4");
  BOOST_TEST(refused({"rack=r9"}) == "not_found: no node has rack=r9; rack is: r1, r2");
  BOOST_TEST(refused({"power=p1"}) == "not_found: no node has an attribute power");
  BOOST_TEST(refused({}) == "invalid_argument: no node named");
  BOOST_TEST(refused({"="}) == "not_found: no node has an attribute ");
  BOOST_TEST(named({"n1", "n1", "rack=r1"}).size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(sixteen_thousand_partitions_are_answered_for, cluster) {
  for (uint32_t i = 0; i < 16'384; ++i) add(i, {i % 2 ? "n1" : "n2", i % 3 ? "n3" : "n2"});
  auto f = killed({"rack=r1"});
  BOOST_TEST(f.partitions == 16'384u);
  BOOST_TEST(f.at_once + f.late + f.lost == f.partitions);
}

// --- speeds ---

BOOST_AUTO_TEST_CASE(a_copy_counts_from_its_first_report_to_the_one_that_it_is_complete) {
  copy_speed speed;
  replica_report r;
  r.partition = make_partition_id(1, 0);
  r.copy = copy_id{7};
  r.state = replica_state::copying;
  time_point t{std::chrono::hours(1)};
  node_id n{"n1"};
  speed.take(n, {r}, t);
  r.copied_bytes = 30 << 20;
  speed.take(n, {r}, t + seconds(1));
  BOOST_TEST(!speed.bytes_per_s());
  r.copied_bytes = 40 << 20;
  r.state = replica_state::following;
  speed.take(n, {r}, t + seconds(2));
  BOOST_TEST(*speed.bytes_per_s() == 20.0 * (1 << 20));
  speed.take(n, {r}, t + seconds(3)); // it is counted once
  BOOST_TEST(speed.measured() == 1u);
}

BOOST_AUTO_TEST_CASE(small_copies_tell_no_speed) {
  copy_speed speed;
  replica_report r;
  r.partition = make_partition_id(1, 0);
  r.copy = copy_id{7};
  r.state = replica_state::copying;
  time_point t{std::chrono::hours(1)};
  speed.take(node_id{"n1"}, {r}, t);
  r.copied_bytes = copy_speed::telling_bytes - 1;
  r.state = replica_state::following;
  speed.take(node_id{"n1"}, {r}, t + seconds(1));
  BOOST_TEST(!speed.bytes_per_s());
}

BOOST_AUTO_TEST_CASE(copies_that_fail_vanish_or_begin_anew_are_not_measured) {
  copy_speed speed;
  replica_report r;
  r.partition = make_partition_id(1, 0);
  r.copy = copy_id{7};
  r.state = replica_state::copying;
  time_point t{std::chrono::hours(1)};
  node_id n{"n1"};
  speed.take(n, {r}, t);
  speed.take(n, {}, t + seconds(1));
  r.state = replica_state::following;
  r.copied_bytes = 1 << 20;
  speed.take(n, {r}, t + seconds(2));
  BOOST_TEST(speed.measured() == 0u, "it was gone in between");
  r.state = replica_state::copying;
  speed.take(n, {r}, t + seconds(3));
  r.copy = copy_id{8};
  r.state = replica_state::following;
  speed.take(n, {r}, t + seconds(4));
  BOOST_TEST(speed.measured() == 0u, "another attempt");
}
