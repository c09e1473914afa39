#include <boost/test/unit_test.hpp>

#include "replica/replica_host.hpp"

using namespace harbinger;
using namespace harbinger::replication;

namespace {

constexpr auto partition = make_partition_id(1, 0);

/// One replica host; the test plays its store, its peers and the centre.
struct host_fixture {
  time_point now{std::chrono::hours(1)};
  proposal_memory memory;
  limits bounds;
  replica_host host{node_id{"n1"}, bounds, memory, 0};
  partition_head stored;
  actions last;

  template <class T>
  std::vector<T> of() const {
    std::vector<T> found;
    for (const auto& a : last)
      if (auto* x = std::get_if<T>(&a)) found.push_back(*x);
    return found;
  }
  node_address at(std::string name) { return {node_id{name}, "tcp://" + name}; }
  /// Carries out all writes among the last actions.
  void write_all() {
    for (auto todo = of<write_store>(); !todo.empty(); todo = of<write_store>()) {
      actions next;
      for (const auto& w : todo) {
        std::vector<entry_outcome> outcomes;
        stored.partition = partition;
        stored.epoch = std::max(stored.epoch, w.write.epoch);
        if (w.write.change && w.write.change->role) stored.role = *w.write.change->role;
        if (w.write.change && w.write.change->state) stored.state = *w.write.change->state;
        if (w.write.change && w.write.change->revision) stored.revision = *w.write.change->revision;
        if (w.write.change && w.write.change->configuration)
          stored.configuration = *w.write.change->configuration;
        for (const auto& e : w.write.entries) {
          if (stored.history.empty() || stored.history.back().epoch != e.version.epoch)
            stored.history.push_back({e.version.epoch, e.version.seq});
          stored.version = e.version;
          outcomes.push_back({e.version, entry_verdict::applied, e.version, {}});
        }
        stored.committed = std::max(stored.committed, w.write.committed);
        for (auto& a : host.written(w.id, store_written{stored, outcomes}, now))
          next.push_back(std::move(a));
      }
      last = std::move(next);
    }
  }
  void configure(uint64_t epoch, uint64_t revision, replica_role role,
                 std::vector<std::string> members, std::vector<std::string> joiners = {}) {
    configure_replica c;
    c.partition = partition;
    c.epoch.value = epoch;
    c.revision.value = revision;
    c.role = role;
    c.primary = at("n1");
    for (auto& m : members) c.sync_set.push_back(at(m));
    for (auto& j : joiners) c.joiners.push_back(at(j));
    last = host.configure(1, c, std::nullopt, now);
  }
  void put(token from) {
    last = host.put(from, {partition, {{{op_kind::put, {"k"}, {"v"}}}}}, now);
  }
  void acknowledge(uint64_t request, version durable) {
    last = host.append_answered(request, append_ok{partition, durable.epoch, durable}, now);
  }
  append_request from_primary(uint64_t epoch, version previous, std::vector<version> entries,
                              uint64_t committed = 0) {
    append_request r{partition, harbinger::epoch{epoch}, node_id{"n9"}, previous,
                     {},        seq_no{committed}};
    for (auto v : entries) r.entries.push_back({v, {{{op_kind::put, {"k"}, {"v"}}}}});
    return r;
  }
};

version v(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

} // namespace

BOOST_FIXTURE_TEST_SUITE(replica_, host_fixture)

BOOST_AUTO_TEST_CASE(
    the_client_hears_of_a_write_only_after_every_member_and_the_own_store_have_it) {
  configure(1, 1, replica_role::primary, {"n1", "n2", "n3"});
  write_all();
  last = host.tick(now);
  // Both members are asked for their state before anything is proposed.
  std::vector<send_append> hellos;
  configure(1, 1, replica_role::primary, {"n1", "n2", "n3"}); // again: nothing changes
  now += bounds.append_timeout;
  last = host.tick(now);
  hellos = of<send_append>();
  BOOST_REQUIRE_EQUAL(hellos.size(), 2u);
  put(7);
  BOOST_TEST(of<send_append>().empty());
  acknowledge(hellos[0].request, {});
  BOOST_TEST(of<send_append>().empty());
  acknowledge(hellos[1].request, {});
  auto appends = of<send_append>();
  BOOST_REQUIRE_EQUAL(appends.size(), 2u);
  BOOST_REQUIRE_EQUAL(appends[0].message.entries.size(), 1u);
  acknowledge(appends[0].request, v(1, 1));
  BOOST_TEST(of<write_store>().empty());
  acknowledge(appends[1].request, v(1, 1));
  BOOST_TEST(of<answer_put>().empty());
  auto commit = of<write_store>();
  BOOST_REQUIRE_EQUAL(commit.size(), 1u);
  stored.version = v(1, 1);
  stored.committed = seq_no{1};
  last = host.written(commit[0].id,
                      store_written{stored, {{v(1, 1), entry_verdict::applied, v(1, 1), {}}}}, now);
  BOOST_REQUIRE_EQUAL(of<answer_put>().size(), 1u);
  BOOST_TEST(of<answer_put>()[0].answer->version == v(1, 1));
}

BOOST_AUTO_TEST_CASE(a_primary_reports_how_soon_it_served_clients) {
  auto told = [this] { return host.reports(now).at(partition); };
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  now += milliseconds(20);
  BOOST_TEST(told().first_read_ms == 0.0);
  host.note_read(partition, now);
  now += milliseconds(10);
  host.note_read(partition, now);
  put(7);
  write_all();
  BOOST_TEST(told().first_read_ms == 20.0);
  BOOST_TEST(told().first_write_ms == 30.0);
  configure(2, 2, replica_role::primary, {"n1"}); // another epoch, another beginning
  write_all();
  BOOST_TEST(told().first_read_ms == 0.0);
  BOOST_TEST(told().first_write_ms == 0.0);
}

BOOST_AUTO_TEST_CASE(puts_that_come_in_together_go_out_in_one_append) {
  configure(1, 1, replica_role::primary, {"n1", "n2"});
  write_all();
  now += bounds.append_timeout;
  last = host.tick(now);
  acknowledge(of<send_append>().at(0).request, {});
  replica_host::put_requests together;
  for (token client : {7, 8, 9})
    together.emplace_back(client, put_request{partition, {{{op_kind::put, {"k"}, {"v"}}}}});
  last = host.put(std::move(together), now);
  auto appends = of<send_append>();
  BOOST_REQUIRE_EQUAL(appends.size(), 1u);
  BOOST_TEST(appends[0].message.entries.size() == 3u);
  acknowledge(appends[0].request, v(1, 3));
  auto commits = of<write_store>();
  BOOST_REQUIRE_EQUAL(commits.size(), 1u);
  write_all();
  std::vector<token> answered;
  for (const auto& a : of<answer_put>()) answered.push_back(a.to);
  BOOST_TEST(answered == (std::vector<token>{7, 8, 9}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_client_is_told_what_its_own_entry_came_to) {
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  std::vector<uint64_t> writes_of_puts;
  for (token client : {7, 8, 9}) {
    put(client);
    for (const auto& w : of<write_store>()) writes_of_puts.push_back(w.id);
  }
  BOOST_REQUIRE_EQUAL(writes_of_puts.size(), 3u);
  std::vector<entry_outcome> outcomes{{v(1, 1), entry_verdict::applied, v(1, 1), {}},
                                      {v(1, 2), entry_verdict::condition_failed, v(1, 2), "k"},
                                      {v(1, 3), entry_verdict::applied, v(1, 1), {}}};
  std::map<token, result<put_ok>> told;
  for (uint64_t seq = 1; seq <= 3; ++seq) {
    stored.version = v(1, seq);
    last =
        host.written(writes_of_puts.at(seq - 1), store_written{stored, {outcomes[seq - 1]}}, now);
    for (const auto& a : of<answer_put>()) told.emplace(a.to, a.answer);
  }
  BOOST_REQUIRE_EQUAL(told.size(), 3u);
  BOOST_TEST(told.at(7)->version == v(1, 1));
  BOOST_TEST(!told.at(7)->repeated);
  BOOST_CHECK((told.at(8).error() == error{errc::condition_failed, "k"}));
  BOOST_TEST(told.at(9)->version == v(1, 1));
  BOOST_TEST(told.at(9)->repeated);
}

BOOST_AUTO_TEST_CASE(a_joiner_is_reported_only_when_it_has_everything) { // P2
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  for (token t = 1; t <= 3; ++t) {
    put(t);
    write_all();
  }
  configure(1, 2, replica_role::primary, {"n1"}, {"n4"});
  write_all();
  last = host.tick(now += milliseconds(1));
  auto caught_up = [&] { return host.find(partition)->report(now).caught_up.size(); };
  now += bounds.append_timeout;
  last = host.tick(now);
  auto probe = of<send_append>();
  BOOST_REQUIRE(!probe.empty());
  acknowledge(probe.back().request, v(1, 1)); // a copy that is behind
  BOOST_TEST(caught_up() == 0u);
  auto read = of<read_log>();
  BOOST_REQUIRE_EQUAL(read.size(), 1u);
  BOOST_TEST(read[0].after == v(1, 1));
  last = host.log_read(partition, node_id{"n4"}, v(1, 1),
                       std::vector<log_entry>{{v(1, 2), {}}, {v(1, 3), {}}}, now);
  acknowledge(of<send_append>().at(0).request, v(1, 3));
  BOOST_TEST(caught_up() == 1u);
  put(9); // from now on it is waited for
  BOOST_TEST(of<write_store>().empty());
  acknowledge(of<send_append>().at(0).request, v(1, 4));
  BOOST_TEST(of<write_store>().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_joiner_that_caught_up_is_waited_for_after_a_restart_of_the_actor) { // P2
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  configure(1, 2, replica_role::primary, {"n1"}, {"n4"});
  write_all();
  last = host.tick(now += bounds.append_timeout);
  auto probe = of<send_append>();
  BOOST_REQUIRE(!probe.empty());
  acknowledge(probe.back().request, {});
  BOOST_REQUIRE_EQUAL(host.find(partition)->report(now).caught_up.size(), 1u);
  // The centre has that report and may be swapping n4 in; the actor dies and starts again.
  replica_host again{node_id{"n1"}, bounds, memory, 1'000'000};
  again.load({stored}, now);
  last = again.put(3, {partition, {{{op_kind::put, {"k"}, {"v"}}}}}, now);
  BOOST_TEST(of<write_store>().empty());
  BOOST_TEST(again.find(partition)->report(now).caught_up.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_seal_is_answered_when_no_lease_can_run_any_more) {
  configure(1, 1, replica_role::secondary, {"n9", "n1"});
  write_all();
  last = host.append(5, from_primary(1, {}, {v(1, 1)}), stored, now);
  write_all();
  seal_replica seal;
  seal.partition = partition;
  seal.epoch = epoch{2};
  last = host.seal(6, seal, stored, now += milliseconds(10));
  write_all();
  BOOST_TEST(of<answer_report>().empty());
  last = host.tick(now + bounds.lease - milliseconds(11));
  BOOST_TEST(of<answer_report>().empty());
  last = host.tick(now + bounds.lease);
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].answer->version == v(1, 1));
  last = host.append(8, from_primary(1, v(1, 1), {v(1, 2)}), stored, now); // P1
  BOOST_CHECK(of<answer_append>().at(0).answer.error().code == errc::stale_epoch);
}

BOOST_AUTO_TEST_CASE(a_member_told_that_the_primary_is_sealed_waits_for_no_lease) {
  configure(1, 1, replica_role::secondary, {"n9", "n1"});
  write_all();
  last = host.append(5, from_primary(1, {}, {v(1, 1)}), stored, now);
  write_all();
  seal_replica seal{{}, partition, epoch{2}, true};
  last = host.seal(6, seal, stored, now += milliseconds(10));
  BOOST_TEST(of<answer_report>().empty()); // it must be durable first
  write_all();
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].answer->version == v(1, 1));
  BOOST_CHECK(host.find(partition)->role() == replica_role::sealed);
}

/// n1 leads n2, which has everything so far.
struct leading_fixture : host_fixture {
  leading_fixture() {
    configure(1, 1, replica_role::primary, {"n1", "n2"});
    write_all();
    last = host.tick(now += bounds.append_timeout);
    acknowledge(of<send_append>().at(0).request, {});
  }
  void hand_over(token asker, uint64_t epoch = 2) {
    last = host.seal(asker, {{}, partition, harbinger::epoch{epoch}, true}, stored, now);
  }
};

BOOST_FIXTURE_TEST_CASE(a_primary_that_hands_over_finishes_what_is_under_way_first,
                        leading_fixture) { // P2
  put(7);
  auto append = of<send_append>().at(0);
  hand_over(6);
  BOOST_TEST(of<write_store>().empty());
  put(8);
  BOOST_CHECK(of<answer_put>().at(0).answer.error().code == errc::not_primary);
  acknowledge(append.request, v(1, 1));
  BOOST_TEST(of<write_store>().size() == 1u); // the batch
  actions all;
  for (int i = 0; i < 3; ++i) { // one write of the store at a time, to see who is answered when
    auto todo = of<write_store>();
    if (todo.empty()) break;
    if (!todo[0].write.entries.empty()) stored.version = todo[0].write.entries.back().version;
    std::vector<entry_outcome> outcomes;
    for (const auto& e : todo[0].write.entries)
      outcomes.push_back({e.version, entry_verdict::applied, e.version, {}});
    last = host.written(todo[0].id, store_written{stored, outcomes}, now);
    all.insert(all.end(), last.begin(), last.end());
  }
  last = all;
  BOOST_REQUIRE_EQUAL(of<answer_put>().size(), 1u);
  BOOST_TEST(of<answer_put>()[0].answer->version == v(1, 1));
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].to == 6u);
  BOOST_TEST(of<answer_report>()[0].answer->version == v(1, 1));
  BOOST_CHECK(host.find(partition)->role() == replica_role::sealed);
}

BOOST_FIXTURE_TEST_CASE(a_primary_whose_member_is_silent_hands_over_without_it, leading_fixture) {
  put(7);
  hand_over(6);
  last = host.tick(now += bounds.append_timeout - milliseconds(1));
  BOOST_CHECK(host.find(partition)->role() == replica_role::primary);
  last = host.tick(now += milliseconds(1));
  BOOST_REQUIRE_EQUAL(of<answer_put>().size(), 1u); // nobody knows whether it is kept
  BOOST_CHECK(of<answer_put>()[0].answer.error().code == errc::not_primary);
  write_all();
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_CHECK(host.find(partition)->role() == replica_role::sealed);
}

BOOST_FIXTURE_TEST_CASE(a_hand_over_ends_with_the_epoch_it_was_asked_in, leading_fixture) {
  put(7);
  hand_over(6);
  hand_over(9);
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].to == 6u);
  BOOST_CHECK(of<answer_report>()[0].answer.error().code == errc::conflict);
  last = host.seal(10, {{}, partition, epoch{3}, false}, stored, now); // a failover meanwhile
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].to == 9u);
  BOOST_CHECK(!of<answer_report>()[0].answer);
  hand_over(11, 2);
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::stale_epoch);
}

BOOST_FIXTURE_TEST_CASE(a_hand_over_goes_on_when_a_member_leaves_meanwhile, leading_fixture) {
  put(7);
  hand_over(6);
  configure(1, 2, replica_role::primary, {"n1"}); // n2 is dead: nobody is waited for any more
  write_all();
  BOOST_CHECK(host.find(partition)->role() == replica_role::sealed);
  BOOST_TEST(stored.version == v(1, 1));
}

BOOST_FIXTURE_TEST_CASE(whoever_asked_for_a_hand_over_hears_when_it_can_not_be, leading_fixture) {
  put(7);
  hand_over(6);
  last = host.append(9, from_primary(3, {}, {}), stored, now); // another primary has begun
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].to == 6u);
  BOOST_CHECK(of<answer_report>()[0].answer.error().code == errc::not_primary);
}

BOOST_FIXTURE_TEST_CASE(a_replica_that_is_dropped_answers_whoever_asked_for_a_hand_over,
                        leading_fixture) {
  put(7);
  hand_over(6);
  last = host.drop(8, {{}, partition, revision{9}, {}}, stored, now);
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_TEST(of<answer_report>()[0].to == 6u);
  BOOST_CHECK(!of<answer_report>()[0].answer);
}

BOOST_AUTO_TEST_CASE(holes_and_other_histories_are_told_apart) {
  configure(1, 1, replica_role::secondary, {"n9", "n1"});
  write_all();
  last = host.append(5, from_primary(1, {}, {v(1, 1), v(1, 2)}), stored, now);
  write_all();
  last = host.append(6, from_primary(1, v(1, 5), {v(1, 6)}), stored, now);
  BOOST_CHECK(of<answer_append>().at(0).answer.error() == (error{errc::gap, "1:2"}));
  last = host.append(7, from_primary(2, v(1, 1), {v(2, 2)}), stored,
                     now); // our (1,2) is not part of that history
  BOOST_CHECK(of<answer_append>().at(0).answer.error().code == errc::diverged);
  BOOST_CHECK(host.find(partition)->report(now).state == replica_state::failed);
}

BOOST_AUTO_TEST_CASE(a_damaged_replica_is_neither_sealed_for_nor_made_primary) {
  configure(1, 1, replica_role::secondary, {"n9", "n1"});
  write_all();
  seal_replica seal{{}, partition, harbinger::epoch{2}};
  last = host.seal(5, seal, stored, now, "bucket 3");
  BOOST_CHECK(of<answer_report>().at(0).answer.error()
              == (error{errc::checksum, "its records are damaged: "
                                        "bucket 3"}));
  BOOST_TEST(of<write_store>().empty());
  configure_replica lead{{}, partition, revision{9}, harbinger::epoch{2}, replica_role::primary,
                         {}, {},        {}};
  last = host.configure(6, lead, stored, now, "bucket 3");
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::stale_epoch);
  BOOST_CHECK(host.find(partition)->role() == replica_role::secondary);
  last = host.seal(7, seal, stored, now); // mended meanwhile
  write_all();
  BOOST_CHECK(host.find(partition)->role() == replica_role::sealed);
}

BOOST_AUTO_TEST_CASE(a_replica_that_is_given_up_is_failed_and_acknowledges_nothing_more) {
  configure(1, 1, replica_role::secondary, {"n9", "n1"});
  write_all();
  last = host.give_up(partition, "checksum: bucket 3", stored, now);
  BOOST_REQUIRE_EQUAL(of<write_store>().size(), 1u);
  BOOST_CHECK(of<write_store>()[0].write.change->state == replica_state::failed);
  write_all();
  auto told = host.find(partition)->report(now);
  BOOST_CHECK(told.state == replica_state::failed);
  BOOST_TEST(told.failure == "checksum: bucket 3");
  last = host.append(5, from_primary(1, {}, {v(1, 1)}), stored, now);
  BOOST_CHECK(of<answer_append>().at(0).answer.error().code == errc::unavailable);
  last = host.give_up(partition, "again", stored, now);
  BOOST_TEST(last.empty());
}

BOOST_AUTO_TEST_CASE(a_primary_is_not_given_up) {
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  last = host.give_up(partition, "checksum: bucket 3", stored, now);
  BOOST_TEST(last.empty());
}

BOOST_AUTO_TEST_CASE(
    while_a_tail_is_taken_back_nothing_else_happens_and_then_it_follows_again) { // P4
  configure(1, 5, replica_role::secondary, {"n9", "n1"});
  write_all();
  last = host.append(5, from_primary(1, {}, {v(1, 1), v(1, 2)}), stored, now);
  write_all();
  last = host.append(6, from_primary(1, v(1, 2), {v(1, 3)}), stored, now); // its write is under way
  epoch_history truth{{epoch{1}, seq_no{1}}, {epoch{2}, seq_no{2}}};
  rewind_replica command{{}, partition, revision{4}, truth};
  auto late = host.rewind(9, command, stored, now);
  BOOST_CHECK(std::get<answer_report>(late.at(0)).answer.error().code == errc::stale_epoch);
  command.revision = revision{6};
  last = host.rewind(9, command, stored, now);
  BOOST_REQUIRE_EQUAL(of<answer_append>().size(), 1u);
  BOOST_CHECK(of<answer_append>()[0].answer.error().code == errc::unavailable);
  auto task = of<rewind_store>().at(0);
  BOOST_CHECK(task.truth == truth);
  last = host.append(7, from_primary(2, v(1, 1), {v(2, 2)}), stored, now);
  BOOST_CHECK(of<answer_append>().at(0).answer.error().code == errc::unknown_partition);
  last = host.rewind(10, command, stored, now);
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::unavailable);
  stored.version = v(1, 1);
  last = host.rewound(task.id, store_rewound{stored, v(1, 1), 2, 2}, now);
  BOOST_TEST(of<answer_report>().at(0).answer->version == v(1, 1));
  BOOST_TEST(of<notice>().at(0).kind == "replica_rewound");
  last = host.append(8, from_primary(2, v(1, 1), {v(2, 2)}), stored, now);
  write_all();
  BOOST_TEST(of<answer_append>().at(0).answer->version == v(2, 2));
}

BOOST_AUTO_TEST_CASE(a_primary_is_not_taken_back) {
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  last = host.rewind(9, {{}, partition, revision{6}, {}}, stored, now);
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::conflict);
}

/// Found by sim.cluster: a joiner answered the next primary while entries of the last one were
/// still being written, and was taken for one that had caught up.
BOOST_AUTO_TEST_CASE(a_new_primary_hears_of_everything_that_is_still_being_written) { // P2, P4
  configure(1, 1, replica_role::secondary, {"n1", "n9"});
  write_all();
  last = host.append(3, from_primary(1, {}, {v(1, 1)}), stored, now);
  auto first = of<write_store>();
  BOOST_REQUIRE_EQUAL(first.size(), 1u);
  last = host.append(4, from_primary(2, {}, {}), stored, now);
  BOOST_TEST(of<answer_append>().empty());
  auto second = of<write_store>(); // that epoch 1 is over is durable before the answer
  BOOST_REQUIRE_EQUAL(second.size(), 1u);
  BOOST_TEST((second[0].write.epoch == epoch{2}));
  stored.version = v(1, 1);
  stored.history = {{epoch{1}, seq_no{1}}};
  entry_outcome applied{v(1, 1), entry_verdict::applied, v(1, 1), {}};
  last = host.written(first[0].id, store_written{stored, {applied}}, now);
  stored.epoch = epoch{2};
  last = host.written(second[0].id, store_written{stored}, now);
  BOOST_REQUIRE_EQUAL(of<answer_append>().size(), 1u);
  BOOST_TEST(of<answer_append>()[0].answer->version == v(1, 1));
}

/// Found by sim.cluster: mass storage is fed from what the store says of a primary.
BOOST_AUTO_TEST_CASE(a_former_primary_that_follows_is_no_primary_in_the_store_either) { // P2, P4
  configure(1, 1, replica_role::primary, {"n1"});
  write_all();
  BOOST_REQUIRE((stored.role == replica_role::primary));
  last = host.append(5, from_primary(2, {}, {v(2, 1)}), stored, now);
  write_all();
  BOOST_CHECK(stored.role == replica_role::sealed);
  BOOST_TEST(stored.version == v(2, 1));
}

BOOST_AUTO_TEST_CASE(a_joiner_that_holds_more_does_not_fence_the_primary) {
  configure(1, 1, replica_role::primary, {"n1"}, {"n2"});
  write_all();
  now += bounds.append_timeout;
  last = host.tick(now);
  auto asked = of<send_append>();
  BOOST_REQUIRE_EQUAL(asked.size(), 1u);
  acknowledge(asked[0].request, v(0, 5));
  auto report = host.find(partition)->report(now);
  BOOST_TEST((report.role == replica_role::primary));
  BOOST_TEST(report.caught_up.empty());
  BOOST_TEST(report.failure.starts_with("n2: diverged")); // the centre makes it anew
}

BOOST_AUTO_TEST_CASE(an_old_configuration_changes_nothing) {
  configure(1, 5, replica_role::secondary, {"n9", "n1"});
  write_all();
  configure(1, 4, replica_role::primary, {"n1"});
  BOOST_CHECK(host.find(partition)->role() == replica_role::secondary);
  configure(3, 6, replica_role::secondary, {"n9", "n1"});
  write_all();
  configure(2, 7, replica_role::primary, {"n1"});
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::stale_epoch);
  drop_replica drop;
  drop.partition = partition;
  drop.revision = revision{5};
  last = host.drop(1, drop, stored, now);
  BOOST_CHECK(of<answer_drop>().at(0).journalled.error().code == errc::stale_epoch);
}

/// Found by sim.cluster: a full disk refused a new configuration, what was in flight was forgotten,
/// and the next configuration of the same epoch let its number be given to another batch.
BOOST_AUTO_TEST_CASE(
    a_primary_whose_configuration_was_not_written_goes_on_only_in_a_new_epoch) { // P1
  configure(1, 1, replica_role::primary, {"n1"}, {"n2"});
  write_all();
  put(7);
  auto commit = of<write_store>();
  BOOST_REQUIRE_EQUAL(commit.size(), 1u);
  last = host.written(commit[0].id, fail(errc::no_space), now); // n2 may have it already
  configure(1, 2, replica_role::primary, {"n1"}, {"n2", "n3"});
  auto change = of<write_store>();
  BOOST_REQUIRE(!change.empty());
  last = host.written(change[0].id, fail(errc::no_space), now);
  configure(1, 3, replica_role::primary, {"n1"}, {"n2", "n3"});
  BOOST_REQUIRE_EQUAL(of<answer_report>().size(), 1u);
  BOOST_REQUIRE(!of<answer_report>()[0].answer);
  BOOST_TEST((of<answer_report>()[0].answer.error().code == errc::stale_epoch));
  configure(2, 4, replica_role::primary, {"n1"}, {"n2", "n3"});
  write_all();
  BOOST_TEST((host.find(partition)->role() == replica_role::primary));
}

BOOST_AUTO_TEST_CASE(a_partition_with_a_past_is_not_made_anew_from_nothing) { // P2
  configure(2, 1, replica_role::primary, {"n1"});
  BOOST_CHECK(of<answer_report>().at(0).answer.error().code == errc::unknown_partition);
}

BOOST_AUTO_TEST_CASE(beyond_the_limits_clients_are_refused_and_nobody_is_forgotten) {
  configure(1, 1, replica_role::primary, {"n1", "n2"});
  write_all();
  size_t refused = 0;
  for (token t = 1; t <= bounds.queued_max + 5; ++t) {
    put(t);
    for (auto& a : of<answer_put>())
      if (a.answer.error().code == errc::overloaded) ++refused;
  }
  BOOST_TEST(refused == 5u);
  last = host.tick(now + bounds.append_timeout * 11);
  BOOST_TEST(of<answer_put>().size()
             == bounds.queued_max); // nobody answers: a clean refusal, nothing was proposed
}

BOOST_AUTO_TEST_CASE(watchers_and_readers_are_told_only_what_every_member_has) {
  // A secondary that holds a tail nobody acknowledged becomes primary.
  configure(1, 1, replica_role::secondary, {"n9", "n1", "n2"});
  write_all();
  last = host.append(2, from_primary(1, {}, {v(1, 1), v(1, 2)}), stored, now);
  write_all();
  BOOST_CHECK(host.committed(partition).error().code == errc::not_primary);
  configure(2, 2, replica_role::primary, {"n1", "n2", "n3"});
  BOOST_CHECK(host.committed(partition).error().code == errc::not_primary); // not durable yet
  write_all();
  last = host.tick(now);
  now += bounds.append_timeout;
  last = host.tick(now);
  auto hellos = of<send_append>();
  BOOST_REQUIRE_EQUAL(hellos.size(), 2u);
  acknowledge(hellos[0].request, v(1, 2));
  BOOST_TEST(host.committed(partition)->value == 0u);
  acknowledge(hellos[1].request, v(1, 1));
  BOOST_TEST(host.committed(partition)->value == 1u);
  // Readers neither: were this node lost now, what they read would be lost with it.
  BOOST_CHECK(host.readable(partition, now).error().code == errc::lease_expired);
  auto wanted = of<read_log>();
  BOOST_REQUIRE_EQUAL(wanted.size(), 1u);
  auto tail = from_primary(1, {}, {v(1, 2)}).entries;
  last = host.log_read(partition, wanted[0].member, wanted[0].after, tail, now);
  acknowledge(of<send_append>().at(0).request, v(1, 2));
  BOOST_TEST(host.committed(partition)->value == 2u);
  BOOST_CHECK(host.readable(partition, now).has_value());
  BOOST_CHECK(host.committed(make_partition_id(9, 9)).error().code == errc::unknown_partition);
}

BOOST_AUTO_TEST_SUITE_END()
