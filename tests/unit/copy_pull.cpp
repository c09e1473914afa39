#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>

#include "prefetch/copy_pull.hpp"
#include "store/partition_head.hpp"
#include "wire/rows.hpp"

using namespace harbinger;

namespace {

const partition_id part{5};

/// One copy and what it asked for; the store's part is played by `local`.
struct copying {
  time_point now = time_point{} + std::chrono::hours(1);
  std::shared_ptr<token_bucket> bucket = std::make_shared<token_bucket>();
  std::shared_ptr<token_bucket> yielding = std::make_shared<token_bucket>();
  copy_pull pull{part, limits(), bucket, yielding};
  local_replica local;
  start_copy command;
  copy_actions last;

  copying() {
    command.partition = part;
    command.copy = copy_id{3};
    command.sources = {{node_id{"p"}, "tcp://p"}, {node_id{"s"}, "tcp://s"}};
  }
  static copy_limits limits() {
    copy_limits out;
    out.credits = 3;
    out.retries_max = 2;
    return out;
  }
  void begin() {
    auto begun = pull.begin(command, local, now);
    BOOST_REQUIRE(begun);
    last = *begun;
  }
  void step(const copy_event& event) { last = pull.step(event, local, now); }
  template <class T>
  std::vector<T> actions() const {
    std::vector<T> out;
    for (const auto& a : last)
      if (const auto* found = std::get_if<T>(&a)) out.push_back(*found);
    return out;
  }
  send_to_source sent(size_t i = 0) const { return actions<send_to_source>().at(i); }
  template <class T>
  T asked(size_t i = 0) const {
    return std::get<T>(sent(i).message);
  }
  void reply(uint64_t id, decltype(copy_reply::message) message) {
    step(copy_reply{id, std::move(message)});
  }
  void fail_with(errc code) { reply(sent().id, error{code, {}}); }
  void wait(duration d) {
    now += d;
    step(copy_tick{});
  }

  static snapshot_chunk chunk(uint64_t index, bool is_last) {
    return wire::make_chunk("snap", index, is_last,
                            wire::pack_rows({{bytes{"k" + std::to_string(index)}, bytes{"v"}}}));
  }
  static snapshot_chunk chunk_of(uint64_t index, size_t bytes) {
    auto name = "k" + std::to_string(1000 + index);
    std::mt19937_64 random(index);
    std::string value(bytes, '\0');
    for (auto& c : value) c = static_cast<char>(random());
    return wire::make_chunk("snap", index, false, wire::pack_rows({{bytes_of(name), {value}}}));
  }
  static harbinger::bytes bytes_of(std::string text) { return {std::move(text)}; }
  void open() {
    begin();
    snapshot_opened opened;
    opened.snapshot = "snap";
    opened.version = {epoch{1}, seq_no{10}};
    reply(sent().id, opened);
    local = {true, replica_role::copy, replica_state::copying, command.copy, {}, 0, 0, "snap"};
  }
  void follow() {
    open();
    step(copy_reply{0, chunk(0, true)});
    local.state = replica_state::following;
    local.version = {epoch{1}, seq_no{10}};
    local.digest = 77;
    step(copy_stored{});
  }
  static log_entry entry(uint64_t seq) {
    return {{epoch{1}, seq_no{seq}}, {{{op_kind::put, bytes{"a"}, bytes{"b"}}}}};
  }
  static delta_batch batch(std::vector<log_entry> entries, uint64_t head, uint64_t digest = 0) {
    return {part, std::move(entries), {epoch{1}, seq_no{head}}, digest, {}};
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(it_opens_at_the_first_source_and_keeps_its_credits_out, copying) {
  open();
  BOOST_TEST(actions<begin_copy>().size() == 1u);
  BOOST_TEST(actions<send_to_source>().size() == 3u);
  BOOST_TEST(asked<snapshot_pull>(2).index == 2u);
  BOOST_TEST(sent().endpoint == "tcp://p");
}

/// Found by sim.cluster: a copy with a tail of the last epoch was made anew from a primary that had
/// written nothing in the new one, and the tail went without a word.
BOOST_FIXTURE_TEST_CASE(what_the_snapshot_does_not_have_is_not_part_of_the_history, copying) { // P4
  begin();
  snapshot_opened opened;
  opened.snapshot = "snap";
  opened.version = {epoch{2}, seq_no{10}};
  opened.history = {{epoch{2}, seq_no{1}}}; // epoch 3 has begun and is not in it yet
  reply(sent().id, opened);
  BOOST_REQUIRE(actions<begin_copy>().size() == 1u);
  auto truth = actions<begin_copy>()[0].history;
  BOOST_TEST((epoch_at(truth, seq_no{10}) == epoch{2}));
  BOOST_TEST((epoch_at(truth, seq_no{11}) != epoch{2}));
}

BOOST_FIXTURE_TEST_CASE(chunks_are_stored_in_order, copying) {
  open();
  step(copy_reply{0, chunk(2, false)});
  BOOST_TEST(actions<ingest_chunk>().empty());
  step(copy_reply{0, chunk(0, false)});
  BOOST_TEST(actions<ingest_chunk>().size() == 1u);
  step(copy_reply{0, chunk(0, false)});
  BOOST_TEST(actions<ingest_chunk>().empty()); // a duplicate
  step(copy_reply{0, chunk(1, false)});
  BOOST_TEST(actions<ingest_chunk>().size() == 2u);
  BOOST_TEST(actions<ingest_chunk>()[1].index == 2u);
}

BOOST_FIXTURE_TEST_CASE(chunks_kept_for_their_turn_are_bounded, copying) {
  open();
  uint64_t highest = 0;
  for (uint64_t i = 1; i < 100; ++i) { // chunk 0 never comes
    step(copy_reply{0, chunk(i, false)});
    for (const auto& s : actions<send_to_source>())
      highest = std::max(highest, std::get<snapshot_pull>(s.message).index);
  }
  BOOST_TEST(highest < 6u);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_chunk_is_asked_for_again_and_counted, copying) {
  open();
  auto bad = chunk(0, false);
  std::string bytes{bad.rows.view()};
  bytes[0] ^= 1;
  bad.rows = blob(std::move(bytes));
  step(copy_reply{0, bad});
  BOOST_TEST(asked<snapshot_pull>().index == 0u);
  BOOST_TEST(pull.progress().checksum_errors == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_lost_chunk_is_asked_for_again, copying) {
  open();
  wait(seconds(2));
  BOOST_TEST(actions<send_to_source>().empty());
  wait(milliseconds(500));
  BOOST_TEST(actions<send_to_source>().size() == 3u);
  BOOST_TEST(asked<snapshot_pull>().snapshot == "snap"); // the same snapshot
}

BOOST_FIXTURE_TEST_CASE(a_snapshot_that_is_gone_is_opened_anew, copying) {
  open();
  fail_with(errc::not_found);
  wait(milliseconds(500));
  BOOST_TEST(asked<snapshot_open>().resume == "");
}

BOOST_FIXTURE_TEST_CASE(
    after_the_last_retry_the_next_source_is_asked_and_then_it_fails_with_the_reason, copying) {
  begin();
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(sent().endpoint == "tcp://p");
    fail_with(errc::unavailable);
    wait(milliseconds(500));
  }
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(sent().endpoint == "tcp://s");
    fail_with(errc::unavailable);
    wait(milliseconds(500));
  }
  BOOST_CHECK(pull.progress().state == replica_state::failed);
  BOOST_TEST(pull.progress().failure.starts_with("unavailable"));
}

BOOST_FIXTURE_TEST_CASE(a_digest_that_differs_is_never_followed, copying) {
  open();
  step(copy_reply{0, chunk(0, true)});
  BOOST_TEST(actions<finish_copy>().size() == 1u);
  step(copy_stored{fail(errc::checksum, "digest")});
  BOOST_CHECK(pull.progress().state == replica_state::copying);
  wait(milliseconds(1));
  BOOST_TEST(sent().endpoint == "tcp://s");
  BOOST_TEST(pull.progress().checksum_errors == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_was_found_damaged_is_made_anew, copying) {
  follow();
  local.state = replica_state::failed; // as the scrubber had it marked
  wait(milliseconds(1));
  BOOST_CHECK(pull.progress().state == replica_state::failed);
  BOOST_TEST(asked<snapshot_open>().resume == "");
  snapshot_opened opened;
  opened.snapshot = "another";
  reply(sent().id, opened);
  BOOST_TEST(actions<begin_copy>().size() == 1u);
  BOOST_CHECK(pull.progress().state == replica_state::copying);
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_fails_the_copy_with_that_reason, copying) {
  open();
  step(copy_reply{0, chunk(0, false)});
  step(copy_stored{fail(errc::no_space, "disk")});
  BOOST_TEST(pull.progress().failure == "no_space: disk");
  BOOST_CHECK(actions<mark_copy>().at(0).state == replica_state::failed);
}

BOOST_FIXTURE_TEST_CASE(a_following_copy_applies_deltas_in_order, copying) {
  follow();
  BOOST_CHECK(pull.progress().state == replica_state::following);
  BOOST_TEST(asked<delta_pull>().after == local.version);
  BOOST_TEST(asked<delta_pull>().digest == 77u);
  reply(sent().id, batch({entry(10), entry(11), entry(12)}, 12));
  BOOST_TEST(actions<apply_deltas>().at(0).entries.size() == 2u); // 10 is in already
  local.version.seq = seq_no{12};
  step(copy_stored{});
  BOOST_TEST(asked<delta_pull>().after.seq == seq_no{12});
}

BOOST_FIXTURE_TEST_CASE(deltas_with_a_hole_are_not_applied, copying) {
  follow();
  reply(sent().id, batch({entry(12)}, 12));
  BOOST_TEST(actions<apply_deltas>().empty());
  wait(milliseconds(500));
  BOOST_TEST(asked<delta_pull>().after.seq == seq_no{10});
}

BOOST_FIXTURE_TEST_CASE(an_answer_to_an_older_question_is_passed_over, copying) {
  follow();
  auto id = sent().id;
  reply(id, batch({}, 10, 77));
  reply(id, batch({entry(11)}, 11));
  BOOST_TEST(actions<apply_deltas>().empty());
}

/// Found by sim.cluster: a joiner was appended a batch that the next epoch gave up while an answer
/// with that epoch's batches was on its way, and it put the second of them on top of its own.
BOOST_FIXTURE_TEST_CASE(deltas_of_another_history_are_not_put_on_a_tail, copying) { // P3
  follow();
  auto request = sent().id;
  local.version = {epoch{1}, seq_no{11}}; // an append was faster
  delta_batch batch;
  batch.partition = part;
  batch.entries = {{{epoch{2}, seq_no{11}}, {}}, {{epoch{2}, seq_no{12}}, {}}};
  batch.head = {epoch{2}, seq_no{12}};
  reply(request, batch);
  BOOST_TEST(actions<apply_deltas>().empty());
  wait(seconds(1)); // and asks from where it is: the source says that this is another history
  BOOST_TEST(asked<delta_pull>().after == local.version);
  reply(sent().id, error{errc::diverged, {}});
  BOOST_TEST(asked<snapshot_open>().resume == "");
}

BOOST_FIXTURE_TEST_CASE(a_digest_that_differs_while_following_starts_over, copying) {
  follow();
  reply(sent().id, batch({}, 10, 78));
  BOOST_TEST(asked<snapshot_open>().partition == part);
  BOOST_TEST(pull.progress().checksum_errors == 1u);
}

BOOST_FIXTURE_TEST_CASE(trimmed_or_diverged_logs_start_over, copying) {
  for (auto code : {errc::log_trimmed, errc::diverged}) {
    copying c;
    c.follow();
    c.fail_with(code);
    BOOST_TEST(c.asked<snapshot_open>().resume == "");
  }
}

BOOST_FIXTURE_TEST_CASE(a_refusal_of_an_older_version_than_the_store_holds_empties_nothing,
                        copying) {
  for (auto code : {errc::log_trimmed, errc::diverged}) {
    copying c;
    c.follow();
    auto id = c.sent().id;
    c.local.version = {epoch{1}, seq_no{20}}; // appends of the primary were faster
    c.reply(id, error{code, {}});
    BOOST_TEST(c.asked<delta_pull>().after == c.local.version);
    c.fail_with(code); // and this one is about what it holds now
    BOOST_TEST(c.asked<snapshot_open>().resume == "");
  }
}

BOOST_FIXTURE_TEST_CASE(a_source_that_falls_silent_is_left_and_the_copy_says_detached, copying) {
  follow();
  std::set<std::string> asked_of;
  for (int i = 0; i < 60; ++i) {
    wait(milliseconds(500));
    for (const auto& s : actions<send_to_source>()) asked_of.insert(s.endpoint);
  }
  BOOST_CHECK(pull.progress().state == replica_state::detached);
  BOOST_TEST(asked_of.size() == 2u);
  while (actions<send_to_source>().empty()) wait(milliseconds(500)); // it goes on trying
  reply(sent().id, batch({}, 10, 77));
  BOOST_CHECK(pull.progress().state == replica_state::following);
  BOOST_CHECK(actions<mark_copy>().at(0).state == replica_state::following);
}

BOOST_FIXTURE_TEST_CASE(the_lag_begins_when_it_last_had_everything, copying) {
  follow();
  reply(sent().id, batch({}, 10, 77));
  now += milliseconds(120);
  BOOST_TEST(to_ms(pull.lag(now)) == 120.0);
}

BOOST_FIXTURE_TEST_CASE(an_append_that_was_faster_only_moves_the_question, copying) {
  follow();
  reply(sent().id, batch({entry(11)}, 11));
  local.version.seq = seq_no{11};
  step(copy_stored{fail(errc::gap)});
  BOOST_TEST(asked<delta_pull>().after.seq == seq_no{11});
}

BOOST_FIXTURE_TEST_CASE(it_ends_when_the_partition_became_something_else, copying) {
  for (int what = 0; what < 3; ++what) {
    copying c;
    c.follow();
    if (what == 0) c.local.role = replica_role::secondary;
    if (what == 1) c.local.present = false;
    if (what == 2) c.local.copy = copy_id{9};
    c.wait(milliseconds(10));
    BOOST_TEST(c.pull.progress().ended);
    BOOST_TEST(c.last.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(the_same_command_again_changes_nothing, copying) {
  open();
  begin();
  BOOST_TEST(last.empty());
}

BOOST_FIXTURE_TEST_CASE(new_sources_are_taken_over_at_once, copying) {
  follow();
  command.sources = {{node_id{"q"}, "tcp://q"}};
  begin();
  BOOST_TEST(sent().endpoint == "tcp://q");
  BOOST_TEST(asked<delta_pull>().after == local.version);
}

BOOST_FIXTURE_TEST_CASE(an_older_copy_id_is_refused_and_a_newer_starts_over, copying) {
  follow();
  command.copy = copy_id{2};
  BOOST_CHECK(pull.begin(command, local, now).error().code == errc::stale_term);
  command.copy = copy_id{4};
  begin();
  BOOST_TEST(asked<snapshot_open>().resume == "");
}

BOOST_FIXTURE_TEST_CASE(a_member_of_the_sync_set_is_not_overwritten, copying) {
  local = {true, replica_role::secondary, replica_state::following, {}, {epoch{1}, seq_no{5}}, 1, 0,
           ""};
  BOOST_CHECK(pull.begin(command, local, now).error().code == errc::conflict);
}

BOOST_FIXTURE_TEST_CASE(a_complete_copy_goes_on_with_deltas_after_a_restart, copying) {
  local = {
      true, replica_role::copy, replica_state::following, command.copy, {epoch{1}, seq_no{5}}, 1, 0,
      ""};
  begin();
  BOOST_TEST(asked<delta_pull>().after.seq == seq_no{5});
}

BOOST_FIXTURE_TEST_CASE(a_partial_copy_goes_on_with_its_snapshot_after_a_restart, copying) {
  local = {true, replica_role::copy, replica_state::copying, command.copy, {}, 0, 7, "snap"};
  begin();
  BOOST_TEST(asked<snapshot_open>().resume == "snap");
  snapshot_opened opened;
  opened.snapshot = "snap";
  reply(sent().id, opened);
  BOOST_TEST(actions<begin_copy>().empty());
  BOOST_TEST(asked<snapshot_pull>().index == 7u);
}

BOOST_FIXTURE_TEST_CASE(a_partial_copy_of_a_snapshot_that_is_gone_starts_over, copying) {
  local = {true, replica_role::copy, replica_state::copying, command.copy, {}, 0, 7, "snap"};
  begin();
  fail_with(errc::not_found);
  BOOST_TEST(asked<snapshot_open>().resume == "");
}

BOOST_FIXTURE_TEST_CASE(a_restore_ends_in_following, copying) {
  command.method = restore_method::full_rebuild;
  begin();
  BOOST_CHECK(actions<restore_copy>().at(0).method == restore_method::full_rebuild);
  local = {
      true, replica_role::copy, replica_state::following, command.copy, {epoch{1}, seq_no{8}}, 5, 0,
      ""};
  step(copy_stored{});
  BOOST_TEST(asked<delta_pull>().after.seq == seq_no{8});
  BOOST_CHECK(pull.progress().state == replica_state::following);
}

BOOST_FIXTURE_TEST_CASE(a_restore_that_fails_says_why, copying) {
  command.method = restore_method::checkpoint_tail;
  begin();
  step(copy_stored{fail(errc::checksum, "log-1")});
  BOOST_TEST(pull.progress().failure == "checksum: log-1");
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_no_source_gives_goes_on_from_mass_storage, copying) {
  auto from_mass_storage = [&] {
    command.method = restore_method::checkpoint_tail;
    begin();
    BOOST_REQUIRE(actions<restore_copy>().size() == 1u);
    step(copy_reply{0, chunk(0, true)}); // late
    BOOST_TEST(last.empty());
    begin(); // again: it is under way
    BOOST_TEST(last.empty());
    local.state = replica_state::following;
    local.version = {epoch{1}, seq_no{8}};
    step(copy_stored{});
    BOOST_TEST(asked<delta_pull>().after.seq == seq_no{8});
    BOOST_TEST(sent().endpoint == "tcp://p");
  };
  open(); // and then nothing comes
  from_mass_storage();

  local = {};
  command.copy = copy_id{4};
  command.method = restore_method::pull;
  begin();
  while (pull.progress().state != replica_state::failed) wait(seconds(60));
  from_mass_storage();
}

BOOST_FIXTURE_TEST_CASE(what_is_held_back_is_asked_for_in_small_steps_at_an_even_pace, copying) {
  open();
  BOOST_TEST(asked<snapshot_pull>().bytes_max == 0u); // without a rate as the source likes
  command.rate_bytes_per_s = 64 << 20;
  begin();
  std::vector<size_t> asked_each_tick;
  std::deque<snapshot_pull> open_pulls{{"snap", 0}, {"snap", 1}, {"snap", 2}};
  for (int tick = 0; tick < 400; ++tick) {
    size_t count = 0;
    auto note = [&] {
      for (const auto& sent : actions<send_to_source>()) {
        open_pulls.push_back(std::get<snapshot_pull>(sent.message));
        BOOST_TEST_REQUIRE(open_pulls.back().bytes_max == (64u << 20) / 200);
        ++count;
      }
    };
    wait(milliseconds(5));
    note();
    for (; !open_pulls.empty(); open_pulls.pop_front()) {
      auto bytes = open_pulls.front().bytes_max == 0 ? 1u << 20 : open_pulls.front().bytes_max;
      step(copy_reply{0, chunk_of(open_pulls.front().index, bytes)});
      note();
    }
    if (tick >= 200) asked_each_tick.push_back(count);
  }
  auto most = *std::max_element(asked_each_tick.begin(), asked_each_tick.end());
  auto all = std::accumulate(asked_each_tick.begin(), asked_each_tick.end(), size_t{0});
  BOOST_TEST(most <= 2u);  // never all credits at once
  BOOST_TEST(all >= 190u); // and the rate is used
}

BOOST_FIXTURE_TEST_CASE(the_rate_holds_requests_back, copying) {
  command.rate_bytes_per_s = 10;
  open();
  step(copy_reply{0, chunk(0, false)}); // spends more than is there
  BOOST_TEST(actions<send_to_source>().empty());
  wait(milliseconds(1900));
  BOOST_TEST(!actions<send_to_source>().empty());
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_keeps_up_does_not_wait_for_the_foreground, copying) {
  follow();
  reply(sent().id, batch({}, 10)); // it has everything
  yielding->set_rate(1);
  reply(sent().id, batch({entry(11)}, 11));
  local.version = {epoch{1}, seq_no{11}};
  step(copy_stored{});
  BOOST_TEST(actions<send_to_source>().size() == 1u);
  // Its source is far ahead: what it asks for now is as much as a snapshot.
  reply(sent().id, batch({entry(12)}, 900));
  local.version = {epoch{1}, seq_no{12}};
  step(copy_stored{});
  BOOST_TEST(actions<send_to_source>().empty());
  wait(std::chrono::hours(1));
  BOOST_TEST(actions<send_to_source>().size() == 1u);
}
