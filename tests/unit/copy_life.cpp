#include <boost/test/unit_test.hpp>

#include "prefetch/copy_life.hpp"

using namespace harbinger;

namespace {

struct one_copy {
  prefetch_settings rules;
  prefetch_order order;
  std::unique_ptr<copy_life> life;
  time_point now{std::chrono::hours(1)};
  replica_status report;

  one_copy() {
    rules.retry_ms = 500;
    rules.retries_max = 2;
    order.partition = make_partition_id(1, 0);
    order.copy = copy_id{7};
    order.revision = revision{40};
    order.target = {node_id{"n5"}, "tcp://h:5"};
    order.sources = {{node_id{"n1"}, "tcp://h:1"}, {node_id{"n2"}, "tcp://h:2"}};
    report.node = node_id{"n5"};
    report.life = incarnation{1};
    report.report.partition = order.partition;
    report.report.copy = order.copy;
    report.report.role = replica_role::copy;
    life = std::make_unique<copy_life>(order, rules);
  }
  copy_life_actions hear(replica_state state, uint64_t copied = 0, bool caught_up = false) {
    report.report.state = state;
    report.report.copied_bytes = copied;
    report.caught_up = caught_up;
    return life->status(report, now);
  }
  copy_life_actions wait(int ms) {
    now += milliseconds(ms);
    return life->tick(now);
  }
  std::string first() { return life->sources().front().node.value; }
  /// Ticks every 100 ms; how often copy.start was sent, and the last actions.
  std::pair<int, copy_life_actions> wait_long(int ticks) {
    int sent = 0;
    copy_life_actions last;
    for (int i = 0; i < ticks && !last.gave_up; ++i) {
      last = wait(100);
      sent += last.send_start ? 1 : 0;
    }
    return {sent, last};
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_is_begun_watched_and_ready_once, one_copy) {
  BOOST_TEST(life->begin(nullptr, now).send_start);
  life->started(now);
  BOOST_TEST(!hear(replica_state::copying, 100).ready);
  auto out = hear(replica_state::following, 200, true);
  BOOST_TEST(out.report);
  BOOST_TEST(out.ready);
  BOOST_TEST(!hear(replica_state::following, 200, true).report);
  BOOST_TEST((life->now_in() == copy_life::phase::following));
}

BOOST_FIXTURE_TEST_CASE(without_progress_the_next_source_is_asked, one_copy) {
  life->begin(nullptr, now);
  BOOST_TEST(first() == "n1");
  BOOST_TEST(!wait(400).send_start);
  BOOST_TEST(wait(100).send_start);
  BOOST_TEST(first() == "n2");
}

BOOST_FIXTURE_TEST_CASE(progress_starts_the_patience_again, one_copy) {
  life->begin(nullptr, now);
  for (uint64_t i = 1; i < 200; ++i) {
    BOOST_TEST(!wait(400).send_start);
    hear(replica_state::copying, i);
  }
  BOOST_TEST(life->attempts() == 0u);
}

BOOST_FIXTURE_TEST_CASE(it_gives_up_after_the_attempts_of_all_sources, one_copy) {
  life->begin(nullptr, now);
  auto [sent, last] = wait_long(1000);
  BOOST_TEST(sent == 3); // the first one was begin's
  BOOST_TEST(last.gave_up);
  BOOST_TEST(last.detail.find("4 attempts") != std::string::npos);
  BOOST_TEST(!wait(100000).send_start);
}

BOOST_FIXTURE_TEST_CASE(a_target_that_can_not_be_reached_is_given_up_with_its_reason, one_copy) {
  life->begin(nullptr, now);
  copy_life_actions last;
  for (int i = 0; i < 1000 && !last.gave_up; ++i) {
    last = wait(100);
    if (last.send_start) last = life->start_failed("unknown_node: not connected", now);
  }
  BOOST_TEST(last.gave_up);
  BOOST_TEST(last.detail.find("unknown_node") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(
    a_copy_that_fails_again_and_again_is_given_up_although_each_try_makes_progress, one_copy) {
  life->begin(nullptr, now);
  report.report.failure = "checksum: chunk 3";
  copy_life_actions last;
  int tries = 0;
  while (!last.gave_up && tries < 100) {
    ++tries;
    hear(replica_state::copying, static_cast<uint64_t>(tries));
    last = hear(replica_state::failed);
    if (!last.gave_up) wait_long(20);
  }
  BOOST_TEST(tries == 8); // four by pull, four from mass storage
  BOOST_TEST(last.detail.find("checksum") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(where_no_replica_can_be_read_mass_storage_is_the_last_source, one_copy) {
  life->begin(nullptr, now);
  report.report.failure = "io: n2: connection lost";
  copy_life_actions out;
  for (int i = 0; i < 4; ++i) {
    BOOST_TEST(!out.fell_back);
    BOOST_TEST((life->order().method == restore_method::pull));
    hear(replica_state::copying, 0);
    out = hear(replica_state::failed);
    if (i < 3) wait_long(20);
  }
  BOOST_TEST(out.fell_back);
  BOOST_TEST(out.report);
  BOOST_TEST(out.send_start);
  BOOST_TEST(!out.gave_up);
  BOOST_TEST(out.detail.find("connection lost") != std::string::npos);
  BOOST_TEST((life->order().method == restore_method::checkpoint_tail));
  BOOST_TEST(life->sources().size() == 2u); // it follows them afterwards
  hear(replica_state::copying, 100);
  BOOST_TEST(hear(replica_state::following, 200, true).ready);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_hangs_is_made_from_mass_storage_in_the_end, one_copy) {
  life->begin(nullptr, now);
  hear(replica_state::copying, 100);
  auto out = copy_life_actions{};
  for (int i = 0; i < 1000 && !out.fell_back; ++i) out = wait(100);
  BOOST_TEST(out.fell_back);
  BOOST_TEST((life->order().method == restore_method::checkpoint_tail));
  BOOST_TEST(wait_long(1000).second.gave_up); // that hangs as well
}

BOOST_FIXTURE_TEST_CASE(a_target_without_space_is_given_up_without_a_detour, one_copy) {
  life->begin(nullptr, now);
  report.report.failure = "no_space: n5: disk full";
  copy_life_actions out;
  for (int i = 0; i < 4; ++i) {
    hear(replica_state::copying, static_cast<uint64_t>(i));
    out = hear(replica_state::failed);
    if (i < 3) wait_long(20);
  }
  BOOST_TEST(out.gave_up);
  BOOST_TEST(!out.fell_back);
}

BOOST_FIXTURE_TEST_CASE(a_complete_copy_is_not_given_up_when_its_source_is_gone, one_copy) {
  life->begin(nullptr, now);
  hear(replica_state::following, 100, true);
  life->sources_changed({}, now);
  hear(replica_state::detached, 100);
  auto [sent, last] = wait_long(2000);
  BOOST_TEST(sent == 0);
  BOOST_TEST(!last.gave_up);
  BOOST_TEST(life->sources_changed({{node_id{"n2"}, "tcp://h:2"}}, now).send_start);
  BOOST_TEST(first() == "n2");
}

BOOST_FIXTURE_TEST_CASE(a_new_primary_is_sent_at_once_and_a_new_second_source_is_not, one_copy) {
  life->begin(nullptr, now);
  hear(replica_state::following, 100, true);
  BOOST_TEST(
      !life->sources_changed({{node_id{"n1"}, "tcp://h:1"}, {node_id{"n4"}, "tcp://h:4"}}, now)
           .send_start);
  BOOST_TEST(life->sources_changed({{node_id{"n4"}, "tcp://h:4"}}, now).send_start);
}

BOOST_FIXTURE_TEST_CASE(a_restarted_target_is_begun_again, one_copy) {
  life->begin(nullptr, now);
  hear(replica_state::following, 100, true);
  report.life = incarnation{2};
  hear(replica_state::detached, 100);
  BOOST_TEST(wait_long(6).first == 1);
}

BOOST_FIXTURE_TEST_CASE(reports_of_older_lives_and_other_copies_change_nothing, one_copy) {
  life->begin(nullptr, now);
  report.life = incarnation{2};
  hear(replica_state::copying, 10);
  report.life = incarnation{1};
  BOOST_TEST(!hear(replica_state::following, 100, true).report);
  report.life = incarnation{2};
  report.report.copy = copy_id{6};
  BOOST_TEST(!hear(replica_state::following, 100, true).report);
  BOOST_TEST((life->now_in() == copy_life::phase::copying));
}

BOOST_FIXTURE_TEST_CASE(a_copy_with_another_digest_is_never_ready, one_copy) {
  life->begin(nullptr, now);
  report.digest_differs = true;
  BOOST_TEST(!hear(replica_state::following, 100, true).ready);
}

BOOST_FIXTURE_TEST_CASE(it_ends_when_the_copy_became_a_replica, one_copy) {
  life->begin(nullptr, now);
  report.report.role = replica_role::secondary;
  report.report.revision = revision{order.revision.value + 1};
  BOOST_TEST(hear(replica_state::following).finished);
  BOOST_TEST(!wait(100000).send_start);
}

BOOST_FIXTURE_TEST_CASE(an_old_replica_on_the_target_is_waited_for_and_said, one_copy) {
  report.report.role = replica_role::secondary;
  report.report.revision = revision{order.revision.value - 1};
  report.report.state = replica_state::following;
  auto out = life->begin(&report, now);
  BOOST_TEST(!out.finished);
  BOOST_TEST(out.send_start);
  BOOST_TEST(!hear(replica_state::following).finished);
  auto last = wait_long(1000).second;
  BOOST_TEST(last.gave_up);
  BOOST_TEST(last.detail.find("old replica") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_follows_already_needs_no_command, one_copy) {
  report.report.state = replica_state::following;
  report.caught_up = true;
  auto out = life->begin(&report, now);
  BOOST_TEST(!out.send_start);
  BOOST_TEST(out.ready);
}

BOOST_AUTO_TEST_CASE(
    sources_are_the_primary_then_live_members_then_suspects_never_the_dead_or_the_target) {
  std::map<node_id, node_row> nodes;
  for (auto name : {"n1", "n2", "n3", "n4"}) {
    auto& n = nodes[node_id{name}];
    n.id = node_id{name};
    n.data_endpoint = std::string("tcp://") + name;
  }
  partition_row row;
  row.primary = node_id{"n2"};
  row.sync_set = {node_id{"n1"}, node_id{"n2"}, node_id{"n3"}};
  auto names = [&](const std::string& target) {
    std::string text;
    for (const auto& s : copy_sources(row, nodes, node_id{target})) text += s.node.value + " ";
    return text;
  };
  BOOST_TEST(names("n4") == "n2 n1 n3 ");
  BOOST_TEST(names("n1") == "n2 n3 ");
  nodes[node_id{"n2"}].state = node_state::suspect;
  BOOST_TEST(names("n4") == "n1 n3 n2 ");
  nodes[node_id{"n2"}].state = node_state::dead;
  BOOST_TEST(names("n4") == "n1 n3 ");
}
