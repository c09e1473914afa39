/// snapshot_server, copy_receiver and mass_flusher of two nodes, with the two data bridges
/// short-circuited.

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <random>
#include <thread>

#include <unistd.h>

#include "actors/names.hpp"
#include "actors/node/copy_receiver.hpp"
#include "actors/node/mass_flusher.hpp"
#include "actors/node/resources.hpp"
#include "actors/node/snapshot_server.hpp"
#include "store/mass_storage.hpp"
#include "wire/codec.hpp"
#include "tests/support/stepped_scheduler.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

const partition_id part = make_partition_id(2, 1);

/// Stands in for a node's data_bridge: requests go to the other node's snapshot_server, replies
/// come back.
caf::behavior loopback(caf::event_based_actor* self, context_ptr theirs, bool* cut) {
  return {
      [=](const peer_request& r) {
        if (!*cut)
          tell<snapshot_server_actor>(self, theirs, names::snapshot_server,
                                      data_request{0, "peer", r.message});
      },
      [=](const data_reply& r) {
        if (!*cut)
          tell<copy_receiver_actor>(self, theirs, names::copy_receiver,
                                    peer_reply{"tcp://source", r.message});
      },
  };
}

/// Stands in for node_link: keeps what would go to the centre.
caf::behavior answers(caf::event_based_actor*, std::vector<wire::frame>* kept) {
  return {[=](const send_to_centre& m) { kept->push_back(m.message); }};
}

struct two_nodes {
  std::string root =
      (fs::temp_directory_path() / ("hb-copies-" + std::to_string(::getpid()))).string();
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
  context_ptr source = make_node("source"), target = make_node("target");
  std::vector<wire::frame> replies;
  bool cut = false;
  std::mt19937_64 random{42};
  caf::actor receiver;
  start_copy command;

  two_nodes() {
    sched.clock().current_time += std::chrono::hours(1);
    auto mass = mass_storage::open(root + "/mass");
    source->node->mass = target->node->mass = *mass;
    add(source, names::data_bridge, sys.spawn(loopback, target, &cut));
    add(target, names::data_bridge, sys.spawn(loopback, source, &cut));
    add(target, names::node_link, sys.spawn(answers, &replies));
    add(source, names::snapshot_server,
        caf::actor_cast<caf::actor>(sys.spawn(snapshot_server, source)));
    spawn_receiver();
    store_write made;
    made.partition = part;
    made.epoch = epoch{1};
    made.create = true;
    made.change.emplace();
    made.change->role = replica_role::primary;
    made.change->state = replica_state::following;
    BOOST_REQUIRE(source->node->store->write_one(made));
    command.partition = part;
    command.copy = copy_id{1};
    command.sources = {{node_id{"source"}, "tcp://source"}};
  }
  ~two_nodes() {
    for (auto& ctx : {source, target})
      for (auto& [name, handle] : ctx->names.all()) {
        ctx->names.erase(name, handle);
        BOOST_CHECK_MESSAGE(sched.kill(handle), name << " does not end");
      }
    receiver = nullptr;
    sched.run();
    source->node.reset();
    target->node.reset();
    fs::remove_all(root);
  }

  context_ptr make_node(const std::string& name) {
    auto ctx = std::make_shared<context>();
    auto config = std::make_shared<settings>();
    config->node.id = node_id{name};
    config->prefetch.chunk_bytes = 4096;
    config->mass_storage.checkpoint_s = 3;
    ctx->config = config;
    ctx->life = incarnation{1};
    ctx->node = std::make_shared<node_resources>();
    ctx->node->store = partition_store::open({root + '/' + name, false, 0}).value();
    return ctx;
  }
  void add(const context_ptr& ctx, const char* name, caf::actor handle) {
    ctx->names.set(name, std::move(handle));
  }
  void spawn_receiver() {
    receiver = caf::actor_cast<caf::actor>(sys.spawn(copy_receiver, target));
    add(target, names::copy_receiver, receiver);
  }
  void advance(milliseconds total) {
    for (milliseconds t{0}; t < total; t += milliseconds(5)) {
      sched.run();
      sched.advance_time(milliseconds(5));
      sched.run();
    }
  }
  void write(int count, size_t value_bytes = 200) {
    for (int i = 0; i < count; ++i) {
      auto head = source->node->store->head(part).value();
      store_write item;
      item.partition = part;
      item.epoch = epoch{1};
      item.previous = head.version;
      version next{epoch{1}, seq_no{head.version.seq.value + 1}};
      auto key = "key" + std::to_string(next.seq.value % 500);
      std::string value(value_bytes, '\0'); // nothing that could be compressed
      for (auto& c : value) c = static_cast<char>(random());
      item.entries = {{next, {{{op_kind::put, bytes{key}, bytes{value}}}}}};
      item.committed = next.seq;
      BOOST_REQUIRE(source->node->store->write_one(item));
      tell_of_commit(source, part); // as replica_server does
    }
  }
  std::string start(uint64_t id = 1) {
    auto before = replies.size();
    caf::anon_send(caf::actor_cast<copy_receiver_actor>(receiver),
                   centre_command{wire::make_frame(id, command)});
    sched.run();
    BOOST_REQUIRE(replies.size() == before + 1);
    BOOST_TEST(replies.back().id == id);
    return replies.back().type;
  }
  partition_head copy_head() { return target->node->store->head(part).value_or(partition_head{}); }
  copy_table::row row() { return target->node->copies.all()[part]; }
  void expect_equal() {
    auto primary = source->node->store->head(part).value();
    BOOST_TEST(copy_head().version == primary.version);
    BOOST_TEST(copy_head().digest.total() == primary.digest.total());
    BOOST_CHECK(copy_head().state == replica_state::following);
    BOOST_CHECK(target->node->store->verify(part).has_value());
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_is_made_and_follows_every_write, two_nodes) {
  write(500);
  BOOST_TEST(start() == "done");
  advance(milliseconds(100));
  expect_equal();
  write(20);
  advance(milliseconds(20));
  expect_equal();
  BOOST_TEST(row().following);
  BOOST_TEST(row().source.value == "source");
  BOOST_TEST(row().copied_bytes > 100'000u);
}

BOOST_FIXTURE_TEST_CASE(a_following_copy_has_a_commit_before_any_clock_ticks, two_nodes) {
  write(10);
  start();
  advance(milliseconds(300)); // it waits for deltas now
  for (int i = 0; i < 3; ++i) {
    write(2);
    sched.run();
    expect_equal();
  }
}

BOOST_FIXTURE_TEST_CASE(an_empty_partition_is_copied_too, two_nodes) {
  start();
  advance(milliseconds(100));
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(a_killed_receiver_goes_on_after_the_command_is_repeated, two_nodes) {
  write(500);
  command.rate_bytes_per_s = 50'000;
  start();
  advance(milliseconds(100));
  BOOST_CHECK(copy_head().state == replica_state::copying);
  BOOST_TEST(copy_head().chunks > 5u);
  auto cursor = copy_head().cursor;
  BOOST_REQUIRE(sched.kill(receiver));
  spawn_receiver();
  sched.run();
  command.rate_bytes_per_s = 0;
  start(2);
  advance(milliseconds(150));
  expect_equal();
  BOOST_TEST(copy_head().cursor == cursor);     // the same snapshot
  BOOST_TEST(row().copied_bytes < 500u * 200u); // not all of it again
}

BOOST_FIXTURE_TEST_CASE(a_cut_connection_heals, two_nodes) {
  write(500);
  command.rate_bytes_per_s = 50'000;
  start();
  advance(milliseconds(50));
  cut = true;
  advance(milliseconds(3000));
  cut = false;
  advance(milliseconds(8000));
  expect_equal();
}

BOOST_FIXTURE_TEST_CASE(an_attempt_that_failed_and_was_withdrawn_is_no_longer_reported, two_nodes) {
  cut = true; // nothing can be stored
  start();
  advance(milliseconds(60'000));
  BOOST_REQUIRE(!row().failure.empty());
  drop_replica withdrawn;
  withdrawn.partition = part;
  caf::anon_send(caf::actor_cast<copy_receiver_actor>(receiver),
                 centre_command{wire::make_frame(7, withdrawn)});
  advance(milliseconds(1000));
  BOOST_TEST(target->node->copies.all().empty());
}

BOOST_FIXTURE_TEST_CASE(a_promoted_copy_is_let_alone, two_nodes) {
  write(10);
  start();
  advance(milliseconds(100));
  store_write promoted;
  promoted.partition = part;
  promoted.epoch = epoch{2};
  promoted.previous = copy_head().version;
  promoted.change.emplace().role = replica_role::secondary;
  BOOST_REQUIRE(target->node->store->write_one(promoted));
  write(10);
  advance(milliseconds(500));
  BOOST_TEST(copy_head().version.seq == seq_no{10});
  BOOST_TEST(target->node->copies.all().empty());
  command.copy = copy_id{5};
  BOOST_TEST(start(9) == "error");
}

BOOST_FIXTURE_TEST_CASE(a_tail_that_is_not_committed_is_not_given_away, two_nodes) {
  write(10);
  start();
  advance(milliseconds(100));
  store_write demoted;
  demoted.partition = part;
  demoted.epoch = epoch{1};
  demoted.previous = source->node->store->head(part)->version;
  demoted.change.emplace().role = replica_role::secondary;
  BOOST_REQUIRE(source->node->store->write_one(demoted));
  version next{epoch{1}, seq_no{11}};
  store_write tail;
  tail.partition = part;
  tail.epoch = epoch{1};
  tail.previous = {epoch{1}, seq_no{10}};
  tail.entries = {{next, {{{op_kind::put, bytes{"open"}, bytes{"?"}}}}}};
  tail.committed = seq_no{10};
  BOOST_REQUIRE(source->node->store->write_one(tail));
  advance(milliseconds(300));
  BOOST_TEST(copy_head().version.seq == seq_no{10});
  command.copy = copy_id{2};
  start(2);
  advance(milliseconds(300));
  BOOST_CHECK(copy_head().version.seq < seq_no{11}); // no snapshot of it either
  store_write news;
  news.partition = part;
  news.epoch = epoch{1};
  news.previous = next;
  news.committed = seq_no{11};
  BOOST_REQUIRE(source->node->store->write_one(news));
  BOOST_TEST(source->node->store->head(part)->committed == seq_no{11});
  advance(milliseconds(1000));
  BOOST_TEST(copy_head().version.seq == seq_no{11});
}

BOOST_FIXTURE_TEST_CASE(malformed_requests_get_an_error, two_nodes) {
  caf::anon_send(caf::actor_cast<copy_receiver_actor>(receiver),
                 centre_command{wire::frame{"copy.start", 4, "junk"}});
  sched.run();
  BOOST_TEST(replies.back().type == "error");
  caf::anon_send(caf::actor_cast<copy_receiver_actor>(receiver),
                 peer_reply{"x", wire::frame{"junk", ~0ull, "junk"}});
  sched.run();
  command.sources.clear();
  BOOST_TEST(start(5) == "error");
}

BOOST_FIXTURE_TEST_CASE(mass_storage_gives_back_what_the_flusher_wrote, two_nodes) {
  add(source, names::mass_flusher, caf::actor_cast<caf::actor>(sys.spawn(mass_flusher, source)));
  write(100);
  advance(milliseconds(4500)); // log, and a checkpoint
  write(50);
  advance(milliseconds(1100));
  BOOST_TEST(source->node->mass->newest_checkpoint(part)->last.seq == seq_no{100});
  write(5); // only by deltas
  for (auto method : {restore_method::full_rebuild, restore_method::checkpoint_tail}) {
    command.method = method;
    command.copy = copy_id{command.copy.value + 1};
    start();
    auto there = [&] {
      return copy_head().copy == command.copy && copy_head().version.seq == seq_no{155};
    };
    for (int i = 0; i < 2000 && !there(); ++i) { // the helper is a thread of its own
      std::this_thread::sleep_for(milliseconds(1));
      advance(milliseconds(5));
    }
    expect_equal();
    BOOST_TEST(copy_head().copy == command.copy);
  }
}

BOOST_FIXTURE_TEST_CASE(a_restarted_flusher_goes_on_where_the_directory_ends, two_nodes) {
  for (int life = 0; life < 3; ++life) {
    auto flusher = caf::actor_cast<caf::actor>(sys.spawn(mass_flusher, source));
    write(10);
    advance(milliseconds(1100));
    BOOST_REQUIRE(sched.kill(flusher));
  }
  uint64_t entries = 0;
  auto end = source->node->mass->read_log(part, {}, [&](const log_entry&) -> result<void> {
    ++entries;
    return {};
  });
  BOOST_REQUIRE(end);
  BOOST_TEST(entries == 30u);
  BOOST_TEST(end->version == source->node->store->head(part)->version);
}
