#include <boost/test/unit_test.hpp>

#include <cmath>

#include "tests/support/board_world.hpp"

using namespace harbinger;
using harbinger::test::board_world;

BOOST_FIXTURE_TEST_CASE(a_zone_brings_a_ready_copy_of_every_partition_of_its_member, board_world) {
  step();
  BOOST_TEST(prefetchers.empty());
  risk("n1", 0.9);
  step();
  BOOST_TEST(prefetchers.size() == 4u);
  BOOST_TEST(count("prefetch_started") == 4u);
  BOOST_TEST(!row(0).copies.at(0).ready);
  report_copies();
  step();
  for (uint32_t i = 0; i < 4; ++i) BOOST_TEST(row(i).copies.at(0).ready);
  BOOST_TEST(count("prefetch_ready") == 4u);
  for (int i = 0; i < 50; ++i) step();
  BOOST_TEST(events.size() == 8u);
}

BOOST_FIXTURE_TEST_CASE(the_start_event_says_why_whereto_and_who_was_rejected, board_world) {
  risk("n1", 0.9);
  step();
  const auto& f = events.at(0).fields;
  BOOST_TEST(f.at("source") == "n1");
  BOOST_TEST(f.at("bytes") == std::to_string(1 << 20));
  BOOST_TEST(f.at("reason").find("in zone 1") != std::string::npos);
  BOOST_TEST(f.at("zones") == "1");
  BOOST_TEST(f.at("terms").find("free ") != std::string::npos);
  BOOST_TEST(f.at("rejected").find("n1: in zone 1") != std::string::npos);
  BOOST_TEST(f.at("rejected").find("n2: already a replica") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_lost_compare_and_swap_is_tried_again_from_the_new_row, board_world) {
  risk("n1", 0.9);
  auto change = board->step(catalog, config, now).swap.at(0);
  auto other = *catalog.partition(change.row.id);
  other.revision = revision{++revisions};
  catalog.put(other);
  auto lost = apply(change);
  BOOST_TEST((lost.error().code == errc::conflict));
  settle(board->swapped(change.row.id, lost, catalog, now));
  BOOST_TEST(prefetchers.empty());
  now += board->answer_within;
  step();
  BOOST_TEST(prefetchers.size() == 4u);
}

BOOST_FIXTURE_TEST_CASE(one_decision_a_partition_is_under_way_at_a_time, board_world) {
  risk("n1", 0.9);
  BOOST_TEST(board->step(catalog, config, now).swap.size() == 4u);
  for (int i = 0; i < 10; ++i) BOOST_TEST(board->step(catalog, config, now).swap.empty());
}

BOOST_FIXTURE_TEST_CASE(a_view_that_lags_behind_the_reply_starts_no_second_copy, board_world) {
  risk("n1", 0.9);
  auto old_view = catalog;
  step();
  BOOST_TEST(prefetchers.size() == 4u);
  auto actions = board->step(old_view, config, now);
  BOOST_TEST(actions.swap.empty());
  BOOST_TEST(actions.cancel.empty());
}

BOOST_FIXTURE_TEST_CASE(a_restarted_board_takes_over_the_copies_with_their_ids, board_world) {
  risk("n1", 0.9);
  step();
  auto before = row(0).copies;
  restart_board();
  prefetchers.clear();
  risk("n1", 0.9);
  report_copies();
  step();
  BOOST_TEST(prefetchers.size() == 4u);
  BOOST_TEST((prefetchers.begin()->second.copy == before.at(0).copy));
  BOOST_TEST(row(0).copies.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(
    a_copy_of_another_maker_is_left_to_him_until_it_begins_or_three_seconds_passed, board_world) {
  auto r = row(0);
  r.copies = {{node_id{"n5"}, copy_id{77}, false}};
  r.revision = revision{++revisions};
  put(r);
  step();
  step(milliseconds(2900));
  BOOST_TEST(prefetchers.empty());
  step();
  BOOST_TEST(prefetchers.size() == 1u);
  r = row(1);
  r.copies = {{node_id{"n5"}, copy_id{78}, false}};
  put(r);
  tell_replica(r.id, "n5", replica_role::copy, copy_id{78}, replica_state::copying, false);
  step();
  BOOST_TEST(prefetchers.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(
    copies_on_a_dead_node_leave_the_catalog_without_a_command_and_are_made_elsewhere, board_world) {
  risk("n1", 0.9);
  step();
  auto lost = row(0).copies.at(0).node;
  set_state(lost.value, node_state::dead);
  step(), step();
  BOOST_REQUIRE(row(0).copies.size() == 1u);
  BOOST_TEST(row(0).copies[0].node != lost);
  for (const auto& d : drops) BOOST_TEST(d.node != lost);
  BOOST_TEST(prefetchers.count({row(0).id, lost}) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_was_given_up_is_dropped_and_made_on_another_node, board_world) {
  risk("n1", 0.9);
  step();
  auto bad = row(0).copies.at(0);
  auto progress = prefetch_progress{
      .partition = row(0).id, .copy = bad.copy, .gave_up = true, .detail = "no progress"};
  prefetchers.erase({row(0).id, bad.node});
  tell_replica(row(0).id, bad.node.value, replica_role::copy, bad.copy, replica_state::failed,
               false);
  settle(board->progress(progress, catalog, now));
  BOOST_TEST(count("prefetch_failed") == 1u);
  step(), step();
  BOOST_TEST(drops.at(0).node == bad.node);
  BOOST_REQUIRE(row(0).copies.size() == 1u);
  BOOST_TEST(row(0).copies[0].node != bad.node);
  BOOST_TEST(row(0).copies[0].copy > bad.copy);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_a_copy_is_not_dropped_with_its_row, board_world) { // P4
  risk("n1", 0.9);
  step();
  auto give_up = [&](uint32_t index) {
    auto bad = row(index).copies.at(0);
    auto progress =
        prefetch_progress{.partition = row(index).id,
                          .copy = bad.copy,
                          .gave_up = true,
                          .detail = "conflict: this node is secondary of the partition"};
    prefetchers.erase({row(index).id, bad.node});
    settle(board->progress(progress, catalog, now));
    return bad.node;
  };
  // A former member is back, and its copy could not begin.
  auto back = row(0).copies.at(0).node;
  tell_replica(row(0).id, back.value, replica_role::secondary, {}, replica_state::detached, false);
  give_up(0);
  // Nobody serves this one: what its members held last is not known yet.
  auto unserved = row(1);
  unserved.primary = {};
  put(unserved);
  auto copy = unserved.copies.at(0);
  tell_replica(unserved.id, copy.node.value, replica_role::copy, copy.copy, replica_state::copying,
               false);
  give_up(1);
  give_up(2); // nothing was heard of that one
  step(), step();
  BOOST_TEST(count("prefetch_evicted") == 3u);
  BOOST_TEST(drops.empty());
}

BOOST_FIXTURE_TEST_CASE(a_copy_with_another_digest_is_replaced, board_world) {
  risk("n1", 0.9);
  step();
  report_copies();
  step();
  auto bad = row(0).copies.at(0);
  auto s = *board->status({row(0).id, bad.node});
  s.digest_differs = true;
  s.caught_up = false;
  board->replicas({s});
  step(), step();
  BOOST_TEST(row(0).copies.at(0).copy > bad.copy);
}

BOOST_FIXTURE_TEST_CASE(after_a_failover_the_prefetchers_hear_of_the_new_primary, board_world) {
  risk("n1", 0.9);
  step();
  auto r = row(0);
  r.primary = node_id{"n2"};
  r.sync_set = {node_id{"n2"}};
  r.epoch = epoch{2};
  put(r);
  set_state("n1", node_state::dead);
  step();
  BOOST_TEST(prefetchers.at({r.id, r.copies[0].node}).sources.at(0).node == node_id{"n2"});
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_became_a_replica_needs_no_prefetcher_any_more, board_world) {
  risk("n1", 0.9);
  step();
  auto r = row(0);
  r.sync_set.push_back(r.copies[0].node);
  r.copies.clear();
  r.revision = revision{++revisions};
  put(r);
  step();
  BOOST_TEST(prefetchers.size() == 3u);
  BOOST_TEST(drops.empty());
}

BOOST_FIXTURE_TEST_CASE(without_a_candidate_the_failure_is_told_once_and_asked_again, board_world) {
  risk("n1", 0.9);
  for (auto n : {"n3", "n4", "n5", "n6"}) set_state(n, node_state::suspect);
  for (int i = 0; i < 100; ++i) step();
  BOOST_TEST(count("prefetch_failed") == 4u);
  BOOST_TEST(events.at(0).fields.at("rejected").find("n5: not up: suspect") != std::string::npos);
  set_state("n5", node_state::up);
  for (int i = 0; i < 20; ++i) step();
  BOOST_TEST(prefetchers.size() == 4u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_is_evicted_when_its_zone_is_long_gone, board_world) {
  risk("n1", 0.9);
  step();
  report_copies();
  step();
  risk("n1", 0);
  step();
  step(milliseconds(601'000));
  step();
  BOOST_TEST(row(0).copies.empty());
  BOOST_TEST(drops.size() == 4u);
  BOOST_TEST(prefetchers.empty());
  BOOST_TEST(count("prefetch_evicted") == 4u);
}

BOOST_FIXTURE_TEST_CASE(a_partition_whose_whole_sync_set_died_at_once_is_restored, board_world) {
  auto id = make_partition_id(1, 0);
  set_state("n1", node_state::dead);
  set_state("n2", node_state::dead); // both are still in the row: nobody was left to change it
  board->restore({id, restore_method::checkpoint_tail});
  for (int i = 0; i < 50; ++i) step();
  BOOST_REQUIRE(row(0).copies.size() == 2u);
  BOOST_TEST(prefetchers.size() == 2u);
  for (auto& [key, order] : prefetchers) {
    BOOST_CHECK(order.method == restore_method::checkpoint_tail);
    BOOST_TEST(order.sources.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(a_restore_is_made_by_its_method_before_everything_else, board_world) {
  config.prefetch.concurrent_max = 1;
  risk("n1", 0.9);
  auto r = row(3);
  r.sync_set = {node_id{"n1"}};
  put(r);
  board->restore({r.id, restore_method::checkpoint_tail});
  step();
  BOOST_REQUIRE(prefetchers.size() == 1u);
  BOOST_TEST(prefetchers.begin()->second.partition == r.id);
  BOOST_TEST((prefetchers.begin()->second.method == restore_method::checkpoint_tail));
}

BOOST_FIXTURE_TEST_CASE(what_a_drill_holds_is_left_alone_until_it_ends, board_world) {
  auto r = row(3);
  r.sync_set = {node_id{"n1"}};
  put(r);
  board->restore({r.id, restore_method::pull});
  risk("n1", 0.9);
  board->hold({{r.id}}, now);
  for (int i = 0; i < 5; ++i) step();
  BOOST_TEST(prefetchers.size() == 3u); // of the others
  for (const auto& [key, order] : prefetchers) BOOST_TEST(key.partition != r.id);
  board->hold({}, now);
  step();
  BOOST_TEST(prefetchers.size() == 4u);
}

BOOST_FIXTURE_TEST_CASE(a_hold_that_nobody_ends_is_over_some_time, board_world) {
  risk("n1", 0.9);
  board->hold({{row(3).id}}, now);
  step();
  BOOST_TEST(prefetchers.size() == 3u);
  now += protection_board::held_at_most;
  step();
  BOOST_TEST(prefetchers.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_predictor_stuck_at_one_starts_no_more_copies_than_the_budget) {
  board_world w(10, 200);
  w.config.prefetch.concurrent_max = 5;
  w.risk("n1", 1.0);
  for (int i = 0; i < 20; ++i) w.step();
  BOOST_TEST(w.prefetchers.size() <= 5u);
  for (int i = 0; i < 200; ++i) {
    w.report_copies();
    w.step();
  }
  BOOST_TEST(w.prefetchers.size() == 200u);
}

BOOST_AUTO_TEST_CASE(no_copy_begins_before_anybody_said_who_is_safe) {
  board_world w;
  w.restart_board();
  w.board->restore({w.row(0).id, restore_method::pull});
  w.set_state("n2", node_state::dead);
  w.tell_replica(w.row(0).id, "n1", replica_role::primary, {}, replica_state::following, true);
  for (int i = 0; i < 20; ++i) w.step();
  BOOST_TEST(w.prefetchers.empty());
  w.board->zones({});
  w.step();
  BOOST_TEST(w.prefetchers.size() == 1u);
}

namespace {

node_report report_of(const std::string& node, uint64_t life, uint64_t used_bytes) {
  node_report r;
  r.node = node_id{node};
  r.life = incarnation{life};
  r.used_bytes = used_bytes;
  return r;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(reports_tell_sizes_changes_usage_and_nearness, board_world) {
  step();
  auto primary = report_of("n1", 1, 0);
  replica_report r;
  r.partition = row(0).id;
  r.role = replica_role::primary;
  r.size_bytes = 7777;
  r.writes_per_s = 20;
  r.batch_bytes = 50;
  primary.replicas = {r};
  board->report(primary, catalog);
  auto full = report_of("n3", 1, 999 << 20);
  full.rtt_ms = {{"n1", 5.0}, {"nobody", 1.0}, {"n2", std::nan("")}};
  board->report(full, catalog);
  step();
  auto text = joined(board->explain(row(0).id)->lines);
  BOOST_TEST(text.find("7777 bytes, and 1000 of them change") != std::string::npos, text);
  auto nodes = joined(board->nodes_in_words(board->explain(row(0).id)->nodes));
  BOOST_TEST(nodes.find("no room: 999.0 MiB of quota 900.0 MiB: n3.") != std::string::npos, nodes);
  const auto& names = board->cluster().nodes();
  BOOST_TEST(*board->cluster().rtt_ms(*names.find(node_id{"n3"}), *names.find(node_id{"n1"}))
             == 5.0);
  BOOST_TEST(
      !board->cluster().rtt_ms(*names.find(node_id{"n3"}), *names.find(node_id{"n2"})).has_value());
}

BOOST_FIXTURE_TEST_CASE(reports_of_strangers_and_of_older_lives_change_nothing, board_world) {
  step();
  board->report(report_of("stranger", 1, 5), catalog);
  board->report(report_of("n3", 2, 100 << 20), catalog);
  board->report(report_of("n3", 1, 5), catalog);
  auto n3 = *board->cluster().nodes().find(node_id{"n3"});
  BOOST_TEST(board->cluster().load(n3).used_bytes == 100u << 20);
  BOOST_TEST(!board->cluster().nodes().find(node_id{"stranger"}).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_partition_is_explained_with_what_it_needs_and_every_node, board_world) {
  config.prefetch.concurrent_max = 1;
  risk("n1", 0.9);
  step();
  auto waiting = board->explain(row(3).id);
  BOOST_REQUIRE(waiting.has_value());
  BOOST_TEST(waiting->nodes.size() == 6u);
  auto text = joined(waiting->lines);
  BOOST_TEST(text.find("n1 (primary, in zone 1 with P = 0.90)") != std::string::npos, text);
  BOOST_TEST(text.find("It needs 1 more: n1 (primary) in zone 1") != std::string::npos, text);
  BOOST_TEST(text.find("A copy shall go to n") != std::string::npos, text);
  auto nodes = joined(board->nodes_in_words(waiting->nodes));
  BOOST_TEST(nodes.find("4 of 6 nodes could take a copy now") != std::string::npos, nodes);
  BOOST_TEST(nodes.find("Rejected, in zone 1: n1.") != std::string::npos, nodes);
  BOOST_TEST(nodes.find("Rejected, already a replica of the partition: n2.") != std::string::npos);
  BOOST_TEST((board->explain(make_partition_id(9, 9)).error().code == errc::unknown_partition));
}

BOOST_FIXTURE_TEST_CASE(other_settings_are_tried_on_a_copy_and_change_nothing, board_world) {
  config.prefetch.concurrent_max = 1;
  risk("n1", 0.9);
  step(), step(); // the second one sees the row of the copy that the first began
  auto before = board->plan().copies();
  auto other = config;
  other.prefetch.none_alive_target = 1e-8;
  auto preview = board->preview(other, now);
  BOOST_TEST(preview.now.copies == 3u);
  BOOST_TEST(preview.then.copies == 7u); // a second one each, and of the one that is being made
  BOOST_TEST(preview.changes.size() == 4u);
  BOOST_TEST(preview.changes.at(0).before == "nothing");
  BOOST_TEST(board->plan().copies().size() == before.size());
  other = config;
  other.placement.quota = 1e-6;
  auto nowhere = board->preview(other, now);
  BOOST_TEST(nowhere.then.without_target == 3u);
  BOOST_TEST(nowhere.changes.at(0).after == "to nobody");
}

BOOST_FIXTURE_TEST_CASE(a_copy_gives_way_to_one_that_is_worth_far_more, board_world) {
  config.prefetch.concurrent_max = 1;
  config.prefetch.preempt_factor = 2;
  risk("n1", 0.5);
  step();
  BOOST_REQUIRE(prefetchers.size() == 1u);
  auto first = prefetchers.begin()->first.partition;
  // Another partition has nobody outside of the zones any more: it would be gone with them.
  auto endangered = row(3);
  BOOST_REQUIRE(first != endangered.id);
  endangered.sync_set = {node_id{"n1"}};
  endangered.replicas_wanted = 1;
  put(endangered);
  step(), step(), step();
  BOOST_TEST(count("prefetch_evicted") == 1u);
  BOOST_REQUIRE(prefetchers.size() == 1u);
  BOOST_TEST(prefetchers.begin()->first.partition == endangered.id);
  for (int i = 0; i < 50; ++i) step();
  BOOST_TEST(count("prefetch_evicted") == 1u); // and it is not pushed out again
}
