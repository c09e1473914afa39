/// Two or three nodes' data plane (store, replica_server, data_bridge, node_link) in one process
/// over real sockets, the client library, and a centre of a few lines. Nothing here asserts how
/// long something takes; waits end as soon as they can.

#include <boost/test/unit_test.hpp>

#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <set>

#include <stdlib.h>

#include "actors/names.hpp"
#include "actors/node/data_bridge.hpp"
#include "actors/node/node_link.hpp"
#include "actors/node/replica_server.hpp"
#include "actors/node/resources.hpp"
#include "app/change_feed.hpp"
#include "app/client.hpp"
#include "messages/at_risk.hpp"
#include "messages/ping.hpp"
#include "wire/codec.hpp"

using namespace harbinger;

namespace {

constexpr auto patience = seconds(20);

struct scratch {
  std::string path;
  scratch() {
    char name[] = "/tmp/harbinger-plane-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~scratch() { std::filesystem::remove_all(path); }
};

/// Knows the nodes by their hello, serves the map, sends commands and waits for their replies.
class small_centre {
public:
  small_centre() {
    socket_ = *reactor_.add(
        {.kind = net::socket_kind::router, .endpoint = "tcp://127.0.0.1:*", .bind = true});
    endpoint = reactor_.bound_endpoint(socket_);
    reactor_.start([this](net::incoming&& in) { take(std::move(in)); });
  }
  ~small_centre() { reactor_.stop(); }

  std::string endpoint;
  term current{5};

  template <class F>
  bool wait(F ready) {
    std::unique_lock guard(mutex_);
    return changed_.wait_for(guard, patience, ready);
  }
  bool wait_hello(const node_id& id) {
    return wait([&] { return hellos_.contains(id); });
  }
  bool wait_hellos(const node_id& id, size_t count) {
    return wait([&] { return hello_count_[id] >= count; });
  }
  size_t hellos(const node_id& id) {
    std::lock_guard guard(mutex_);
    return hello_count_[id];
  }
  node_address address(const node_id& id) {
    std::lock_guard guard(mutex_);
    return {id, hellos_.at(id).data_endpoint};
  }
  template <class F>
  bool wait_report(const node_id& id, F ready) {
    return wait([&] { return reports_.contains(id) && ready(reports_.at(id)); });
  }
  template <class Reply, class Command>
  result<Reply> command(const node_id& id, Command c, std::optional<term> as = {}) {
    c.term = as.value_or(current);
    uint64_t number = 0;
    {
      std::lock_guard guard(mutex_);
      number = ++last_id_;
      reactor_.send(socket_, peers_.at(id), wire::make_frame(number, c));
    }
    if (!wait([&] { return replies_.contains(number); }))
      return fail(errc::timeout, "no reply to the command");
    std::lock_guard guard(mutex_);
    return wire::read_frame<Reply>(replies_.at(number));
  }
  void set_row(partition_row row) {
    std::lock_guard guard(mutex_);
    row_ = std::move(row);
  }
  void set_at_risk(std::vector<node_id> nodes) {
    std::lock_guard guard(mutex_);
    at_risk_ = std::move(nodes);
  }

private:
  void take(net::incoming&& in) {
    std::lock_guard guard(mutex_);
    auto& m = in.message;
    if (m.type == node_hello::wire_name) {
      auto hello = *wire::decode<node_hello>(m.body);
      peers_[hello.node] = in.peer;
      ids_[in.peer] = hello.node;
      ++hello_count_[hello.node];
      hellos_[hello.node] = std::move(hello);
      reactor_.send(socket_, in.peer, wire::make_frame(m.id, node_welcome{current, 50, 100}));
    } else if (m.type == node_heartbeat::wire_name) {
      auto beat = *wire::decode<node_heartbeat>(m.body);
      reactor_.send(
          socket_, in.peer,
          wire::make_frame(m.id, heartbeat_ack{current, beat.seq, ids_.contains(in.peer), {}}));
    } else if (m.type == node_report::wire_name) {
      auto report = *wire::decode<node_report>(m.body);
      reports_[report.node] = std::move(report);
    } else if (m.type == map_request::wire_name) {
      partition_map map;
      map.whole = true;
      map.term = current;
      map.revision = row_.revision;
      for (const auto& [id, h] : hellos_)
        map.nodes.push_back({id, h.life, node_state::up, h.data_endpoint, {}, 0, {}});
      map.volumes.push_back({"v", 1, 1, 2});
      map.partitions.push_back(row_);
      reactor_.send(socket_, in.peer, wire::make_frame(m.id, map));
    } else if (m.type == risk_request::wire_name) {
      reactor_.send(socket_, in.peer,
                    wire::make_frame(m.id, nodes_at_risk{current, true, at_risk_, 0}));
    } else {
      replies_[m.id] = m;
    }
    changed_.notify_all();
  }

  net::reactor reactor_;
  size_t socket_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<node_id, std::string> peers_;
  std::map<std::string, node_id> ids_;
  std::map<node_id, node_hello> hellos_;
  std::map<node_id, size_t> hello_count_;
  std::map<node_id, node_report> reports_;
  std::map<uint64_t, wire::frame> replies_;
  partition_row row_;
  std::vector<node_id> at_risk_;
  uint64_t last_id_ = 1'000'000'000'000;
};

struct quiet_config : caf::actor_system_config {
  quiet_config() { set("scheduler.max-threads", size_t{2}); }
};

class plane_node {
public:
  plane_node(caf::actor_system& system, const small_centre& centre, std::string name,
             const std::string& directory)
      : system_(system), centre_(centre), directory_(directory), id(std::move(name)) {
    start();
  }
  ~plane_node() { stop(); }

  void start() {
    auto config = std::make_shared<settings>();
    config->state_dir = directory_ + "/" + id.value;
    config->node.id = id;
    config->node.data = "tcp://127.0.0.1:*";
    config->node.central_control = centre_.endpoint;
    config->control.report_ms = 50;
    config->replica.sync_writes = false;
    std::filesystem::create_directories(config->state_dir);
    ctx = std::make_shared<context>();
    ctx->config = config;
    ctx->life = incarnation{++life_};
    auto opened = open_node_resources(*config);
    BOOST_REQUIRE(opened.has_value());
    ctx->node = *opened;
    spawn(names::data_bridge, data_bridge);
    spawn(names::replica_server, replica_server);
    start_link();
  }
  void start_link() {
    ctx->names.set(names::node_link,
                   caf::actor_cast<caf::actor>(system_.spawn<caf::detached>(node_link, ctx)));
  }
  template <class F>
  void spawn(const char* name, F f) {
    ctx->names.set(name, caf::actor_cast<caf::actor>(system_.spawn(f, ctx)));
  }
  void kill(const char* name) {
    auto found = ctx->names.find(name);
    caf::scoped_actor self{system_};
    self->monitor(found);
    ctx->names.erase(name, found);
    caf::anon_send_exit(found, caf::exit_reason::kill);
    self->receive([](const caf::down_msg&) {});
  }
  /// As kill -9: nothing is told to anybody.
  void stop() {
    if (!ctx) return;
    for (auto* name : {names::node_link, names::replica_server, names::data_bridge})
      if (ctx->names.find(name)) kill(name);
    ctx.reset();
  }

private:
  caf::actor_system& system_;
  const small_centre& centre_;
  std::string directory_;
  uint64_t life_ = 0;

public:
  node_id id;
  context_ptr ctx;
};

struct plane {
  scratch directory;
  small_centre centre;
  quiet_config config;
  caf::actor_system system{config};
  std::vector<std::unique_ptr<plane_node>> nodes;
  partition_row row;

  plane() {
    for (int i = 1; i <= 3; ++i) {
      nodes.push_back(
          std::make_unique<plane_node>(system, centre, "n" + std::to_string(i), directory.path));
      BOOST_REQUIRE(centre.wait_hello(nodes.back()->id));
    }
    row.id = make_partition_id(1, 0);
  }

  configure_replica command(replica_role role) {
    configure_replica c;
    c.partition = row.id;
    c.revision = row.revision;
    c.epoch = row.epoch;
    c.role = role;
    c.primary = centre.address(row.primary);
    for (const auto& n : row.sync_set) c.sync_set.push_back(centre.address(n));
    return c;
  }
  void configure(uint64_t epoch, int primary, std::vector<int> sync_set) {
    row.epoch.value = epoch;
    ++row.revision.value;
    row.primary = nodes[primary]->id;
    row.sync_set.clear();
    for (int n : sync_set) row.sync_set.push_back(nodes[n]->id);
    for (int n : sync_set) {
      auto role = n == primary ? replica_role::primary : replica_role::secondary;
      auto done = centre.command<replica_report>(nodes[n]->id, command(role));
      BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
    }
    centre.set_row(row);
  }
  client connect() {
    auto made = client::connect(centre.endpoint);
    BOOST_REQUIRE(made.has_value());
    return std::move(*made);
  }
};

errc code_of(const auto& r) {
  BOOST_REQUIRE(!r.has_value());
  return r.error().code;
}

} // namespace

BOOST_AUTO_TEST_CASE(requests_beyond_the_limits_are_refused_and_one_that_is_large_alone_is_not) {
  using outcome = request_inbox::outcome;
  auto of_size = [](size_t bytes) {
    data_request r;
    r.message.body.resize(bytes);
    return r;
  };
  request_inbox inbox;
  BOOST_TEST((inbox.put(of_size(request_inbox::waiting_bytes_max)) == outcome::first));
  BOOST_TEST((inbox.put(of_size(0)) == outcome::waits));
  BOOST_TEST((inbox.put(of_size(1)) == outcome::full));
  BOOST_TEST(inbox.take().size() == 2u);
  for (size_t i = 0; i < request_inbox::waiting_max; ++i)
    if (inbox.put(of_size(1)) == outcome::full) BOOST_FAIL("full after " << i);
  BOOST_TEST((inbox.put(of_size(1)) == outcome::full));
  BOOST_TEST(inbox.refused() == 2u);
}

BOOST_FIXTURE_TEST_SUITE(data_plane, plane)

BOOST_AUTO_TEST_CASE(a_client_writes_and_reads_back_and_both_replicas_hold_it) {
  configure(1, 0, {0, 1});
  auto c = connect();
  for (int i = 0; i < 50; ++i)
    BOOST_REQUIRE(c.put("v", "key" + std::to_string(i), std::to_string(i)).has_value());
  BOOST_REQUIRE(c.erase("v", "key7").has_value());
  BOOST_TEST(c.get("v", "key42")->value.data == "42");
  BOOST_TEST(!c.get("v", "key7")->found);
  auto rows = c.scan(row.id, "key4", 100);
  BOOST_REQUIRE(rows.has_value());
  BOOST_TEST(rows->rows.front().key.data == "key4");
  auto first = *nodes[0]->ctx->node->store->head(row.id);
  BOOST_TEST(centre.wait_report(nodes[1]->id, [&](const node_report& r) {
    return !r.replicas.empty() && r.replicas[0].version == first.version
           && r.replicas[0].digest == first.digest.total();
  }));
}

BOOST_AUTO_TEST_CASE(a_record_is_set_only_if_it_is_what_is_expected) {
  configure(1, 0, {0, 1});
  auto c = connect();
  BOOST_REQUIRE(c.compare_and_set("v", "k", std::nullopt, "1").has_value());
  auto refused = c.compare_and_set("v", "k", std::nullopt, "2");
  BOOST_CHECK(code_of(refused) == errc::condition_failed);
  BOOST_TEST(refused.error().detail == "k");
  BOOST_CHECK(code_of(c.compare_and_set("v", "k", "0", "2")) == errc::condition_failed);
  BOOST_TEST(c.get("v", "k")->value.data == "1");
  BOOST_REQUIRE(c.compare_and_set("v", "k", "1", "2").has_value());
  BOOST_TEST(c.get("v", "k")->value.data == "2");
  BOOST_TEST(c.retries().empty());
}

BOOST_AUTO_TEST_CASE(puts_side_by_side_are_answered_each_and_follow_their_primary) {
  configure(1, 0, {0, 1});
  auto c = connect();
  auto one = [&](std::string value) {
    return partition_write{row.id, {{op_kind::put, {"k"}, {std::move(value)}}}};
  };
  auto twice = c.put_each({one("1"), one("2")});
  BOOST_REQUIRE_EQUAL(twice.size(), 2u);
  BOOST_REQUIRE(twice[0].has_value());
  BOOST_CHECK(code_of(twice[1]) == errc::invalid_argument);
  auto refused = one("3");
  refused.conditions = {{condition_kind::absent, {"k"}, {}}};
  BOOST_CHECK(code_of(c.put_each({refused})[0]) == errc::condition_failed);
  BOOST_TEST(c.retries().empty());
  configure(2, 1, {0, 1}); // the client does not know yet
  auto moved = c.put_each({one("4")});
  BOOST_REQUIRE(moved[0].has_value());
  BOOST_CHECK(moved[0]->epoch == epoch{2});
  BOOST_TEST(c.get("v", "k")->value.data == "4");
}

BOOST_AUTO_TEST_CASE(a_range_is_erased_and_what_the_service_keeps_is_neither_seen_nor_touched) {
  configure(1, 0, {0});
  auto c = connect();
  for (auto key : {"a", "b", "c", "d"}) BOOST_REQUIRE(c.put("v", key, key).has_value());
  BOOST_REQUIRE(c.erase_range(row.id, "b", "d").has_value());
  auto rows = c.scan(row.id, "", 100);
  BOOST_REQUIRE(rows.has_value());
  BOOST_REQUIRE_EQUAL(rows->rows.size(), 2u);
  BOOST_TEST(rows->rows[0].key.data == "a");
  BOOST_REQUIRE(c.erase_range(row.id, "", "").has_value());
  BOOST_TEST(c.scan(row.id, "", 100)->rows.empty());
  BOOST_TEST(nodes[0]->ctx->node->store->head(row.id)->records
             == 2u); // session, number of sessions
  BOOST_CHECK(code_of(c.put("v", std::string("\0c", 2), "x")) == errc::invalid_argument);
  BOOST_CHECK(code_of(c.get("v", std::string("\0n", 2))) == errc::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_request_that_comes_twice_is_applied_once_even_by_the_next_primary) {
  configure(1, 0, {0, 1});
  auto twice = [&](int node) {
    auto socket = net::requester::connect(centre.address(nodes[node]->id).endpoint);
    put_request request{row.id, {{{op_kind::put, {"k"}, {"first"}}}, {}, "somebody", 1}};
    auto answer = socket->call<put_ok>(request, patience);
    BOOST_REQUIRE_MESSAGE(answer.has_value(), (answer ? "" : to_string(answer.error())));
    return *answer;
  };
  auto first = twice(0);
  BOOST_TEST(!first.repeated);
  auto c = connect();
  BOOST_REQUIRE(c.put("v", "k", "second").has_value());
  auto again = twice(0);
  BOOST_TEST(again.repeated);
  BOOST_TEST(again.version == first.version);
  nodes[0]->stop();
  configure(2, 1, {1});
  BOOST_TEST(twice(1).repeated);
  BOOST_TEST(c.get("v", "k")->value.data == "second");
}

BOOST_AUTO_TEST_CASE(an_older_state_is_read_from_a_copy_when_the_asker_allows_it) {
  configure(1, 0, {0, 1});
  auto c = connect();
  BOOST_REQUIRE(c.put("v", "k", "old").has_value());
  // A copy on n3, as copy_receiver makes it.
  auto& from = *nodes[0]->ctx->node->store;
  auto& to = *nodes[2]->ctx->node->store;
  auto head = *from.head(row.id);
  auto page = (*from.open_snapshot(row.id))->read("", false, 1 << 20, 1000);
  BOOST_REQUIRE(to.begin_copy(row.id, copy_id{7}, "").has_value());
  BOOST_REQUIRE(to.ingest_rows(row.id, copy_id{7}, 0, page->rows).has_value());
  BOOST_REQUIRE(to.finish_copy(row.id, copy_id{7}, head.version, head.digest, head.history,
                               replica_state::following)
                    .has_value());
  row.copies = {{nodes[2]->id, copy_id{7}, true}};
  ++row.revision.value;
  centre.set_row(row);
  auto newer = c.put("v", "k", "new");
  BOOST_REQUIRE(newer.has_value());
  BOOST_REQUIRE(c.refresh().has_value());

  auto old = c.get_from_copy("v", "k", {});
  BOOST_REQUIRE_MESSAGE(old.has_value(), (old ? "" : to_string(old.error())));
  BOOST_TEST(old->value.data == "old");
  BOOST_TEST(old->version == head.version);
  BOOST_TEST(c.scan_from_copy(row.id, "", 10, {})->rows.size() == 1u);
  BOOST_CHECK(code_of(c.get_from_copy("v", "k", {*newer, 0})) == errc::gap);
  BOOST_CHECK(code_of(c.get_from_copy("v", "k", {{}, 60'000})) == errc::gap); // follows nobody
  nodes[2]->ctx->node->copies.set(
      row.id, {copy_id{7}, 0, nodes[0]->id, 5.0, std::chrono::steady_clock::now(), "", true, {}});
  BOOST_TEST(c.get_from_copy("v", "k", {{}, 60'000})->value.data == "old");
  BOOST_CHECK(code_of(c.get_from_copy("v", std::string("\0c", 2), {})) == errc::invalid_argument);

  // The primary is gone: a client that allows it reads on.
  client_options options;
  options.deadline = seconds(2);
  options.stale_reads = staleness{};
  auto patient = client::connect(centre.endpoint, options);
  BOOST_REQUIRE(patient.has_value());
  auto first = patient->get("v", "k");
  BOOST_REQUIRE_MESSAGE(first.has_value(), (first ? "" : to_string(first.error())));
  BOOST_TEST(first->value.data == "new");
  nodes[0]->stop();
  BOOST_TEST(patient->get("v", "k")->value.data == "old");

  // It was told that the primary is at risk: it does not wait for it as long as for others.
  centre.set_at_risk({nodes[0]->id});
  options.slow = std::chrono::hours(1); // or this test ends by its time-out
  options.slow_at_risk = milliseconds(10);
  auto warned = client::connect(centre.endpoint, options);
  BOOST_REQUIRE(warned.has_value());
  BOOST_REQUIRE(warned->refresh_risks(patience).has_value());
  BOOST_TEST(warned->get("v", "k")->value.data == "old");
  BOOST_TEST(warned->retries().at("primary at risk") == 1u);
}

/// Everything the feed has until `count` changes were seen, as "version key=value".
std::vector<std::string> follow(change_feed& feed, size_t count) {
  std::vector<std::string> seen;
  auto until = std::chrono::steady_clock::now() + patience;
  while (seen.size() < count && std::chrono::steady_clock::now() < until) {
    auto changes = feed.next(milliseconds(100));
    BOOST_REQUIRE_MESSAGE(changes.has_value(), (changes ? "" : to_string(changes.error())));
    for (const auto& c : *changes)
      for (const auto& op : c.batch.ops)
        seen.push_back(to_string(c.batch.version) + ' ' + op.key.data + '=' + op.value.data);
  }
  return seen;
}

BOOST_AUTO_TEST_CASE(changes_are_followed_across_a_failover_without_a_gap_or_a_repetition) {
  configure(1, 0, {0, 1});
  auto writer = connect(), reader = connect();
  std::vector<std::string> written;
  auto put = [&](const std::string& key) {
    auto done = writer.put("v", key, "x");
    BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
    written.push_back(to_string(*done) + ' ' + key + "=x");
  };
  for (int i = 0; i < 20; ++i) put("key" + std::to_string(i));
  BOOST_CHECK(code_of(writer.compare_and_set("v", "key1", "y", "z")) == errc::condition_failed);
  auto feed = change_feed::open(reader, "v", {{row.id, version{}}});
  BOOST_REQUIRE(feed.has_value());
  BOOST_TEST(follow(*feed, 20) == written, boost::test_tools::per_element());
  nodes[0]->stop();
  seal_replica seal;
  seal.partition = row.id;
  seal.epoch = epoch{2};
  BOOST_REQUIRE(centre.command<replica_report>(nodes[1]->id, seal).has_value());
  configure(2, 1, {1});
  written.clear();
  for (int i = 20; i < 40; ++i) put("key" + std::to_string(i));
  BOOST_TEST(follow(*feed, 20) == written, boost::test_tools::per_element());
  BOOST_TEST(feed->next(milliseconds(50))->empty());
  BOOST_TEST(feed->positions().at(row.id) == (version{epoch{2}, seq_no{41}}));
}

BOOST_AUTO_TEST_CASE(a_watcher_hears_of_a_write_while_it_waits_and_of_the_restart_of_the_server) {
  configure(1, 0, {0, 1});
  auto writer = connect(), reader = connect();
  BOOST_REQUIRE(writer.put("v", "old", "x").has_value());
  auto feed = change_feed::open(reader, "v"); // from now on
  BOOST_REQUIRE(feed.has_value());
  BOOST_TEST(feed->next(milliseconds(20))->empty());
  BOOST_REQUIRE(writer.put("v", "new", "x").has_value());
  BOOST_TEST(follow(*feed, 1).front().ends_with("new=x"));
  (void)feed->next(milliseconds(1)); // its question waits there
  nodes[0]->kill(names::replica_server);
  nodes[0]->spawn(names::replica_server, replica_server);
  BOOST_REQUIRE(writer.put("v", "newer", "x").has_value());
  BOOST_TEST(follow(*feed, 1).front().ends_with("newer=x"));
}

BOOST_AUTO_TEST_CASE(a_feed_that_fell_behind_the_log_says_so_and_goes_on_where_it_is_told) {
  configure(1, 0, {0});
  auto c = connect();
  for (int i = 0; i < 10; ++i) BOOST_REQUIRE(c.put("v", std::to_string(i), "x").has_value());
  BOOST_REQUIRE(nodes[0]->ctx->node->store->trim_log(row.id, seq_no{6}));
  auto feed = change_feed::open(c, "v", {{row.id, version{epoch{1}, seq_no{2}}}});
  BOOST_REQUIRE(feed.has_value());
  auto failed = feed->next(patience);
  BOOST_CHECK(code_of(failed) == errc::log_trimmed);
  BOOST_REQUIRE(feed->lost().has_value());
  feed->go_on(*feed->lost(), c.scan(row.id, "", 100)->version);
  BOOST_REQUIRE(c.put("v", "last", "x").has_value());
  BOOST_TEST(follow(*feed, 1).front() == "1:11 last=x");
}

BOOST_AUTO_TEST_CASE(a_bad_batch_is_refused_at_once) {
  configure(1, 0, {0});
  auto c = connect();
  BOOST_CHECK(code_of(c.put(row.id, {})) == errc::invalid_argument);
  BOOST_CHECK(code_of(c.put("v", "", "x")) == errc::invalid_argument);
  BOOST_CHECK(code_of(c.put("v", std::string(key_bytes_max + 1, 'k'), "x")) == errc::oversize);
  BOOST_CHECK(code_of(c.get("nothing", "x")) == errc::not_found);
}

BOOST_AUTO_TEST_CASE(
    after_a_failover_the_client_finds_the_new_primary_and_everything_acknowledged) { // P2
  configure(1, 0, {0, 1});
  auto c = connect();
  for (int i = 0; i < 30; ++i) {
    auto done = c.put("v", "key" + std::to_string(i), std::to_string(i));
    BOOST_REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
  }
  nodes[0]->stop();
  seal_replica seal;
  seal.partition = row.id;
  seal.epoch = epoch{2};
  auto sealed = centre.command<replica_report>(nodes[1]->id, seal);
  BOOST_REQUIRE(sealed.has_value());
  BOOST_TEST(sealed->version.seq.value == 30u);
  BOOST_CHECK(sealed->role == replica_role::sealed);
  configure(2, 1, {1});
  for (int i = 0; i < 30; ++i)
    BOOST_TEST(c.get("v", "key" + std::to_string(i))->value.data == std::to_string(i));
  BOOST_TEST(c.put("v", "after", "1")->epoch.value == 2u);
}

BOOST_AUTO_TEST_CASE(a_sealed_member_fences_its_old_primary) { // P1
  configure(1, 0, {0, 1});
  auto c = connect();
  BOOST_REQUIRE(c.put("v", "a", "1").has_value());
  seal_replica seal;
  seal.partition = row.id;
  seal.epoch = epoch{2};
  BOOST_REQUIRE(centre.command<replica_report>(nodes[1]->id, seal).has_value());
  client_options hurry;
  hurry.deadline = seconds(1);
  auto again = client::connect(centre.endpoint, hurry);
  auto late = again->put("v", "b", "2"); // to the old primary: nobody told it
  BOOST_CHECK(code_of(late) == errc::timeout);
  BOOST_TEST(late.error().detail.starts_with("outcome unknown"));
  BOOST_TEST(nodes[0]->ctx->node->store->head(row.id)->version.seq.value == 1u);
  BOOST_CHECK(code_of(centre.command<replica_report>(nodes[1]->id,
                                                     [&] {
                                                       auto old = command(replica_role::primary);
                                                       old.epoch = epoch{1};
                                                       return old;
                                                     }()))
              == errc::stale_epoch);
}

BOOST_AUTO_TEST_CASE(a_killed_server_goes_on_where_it_was) { // P8
  configure(1, 0, {0, 1});
  auto c = connect();
  BOOST_REQUIRE(c.put("v", "a", "1").has_value());
  for (int round = 0; round < 3; ++round) {
    for (int n : {0, 1}) {
      nodes[n]->kill(names::replica_server);
      nodes[n]->spawn(names::replica_server, replica_server);
    }
    BOOST_REQUIRE(c.put("v", "b" + std::to_string(round), "2").has_value());
  }
  BOOST_TEST(c.get("v", "a")->value.data == "1");
  BOOST_TEST(nodes[0]->ctx->node->store->head(row.id)->epoch.value == 1u);
  auto before = centre.hellos(nodes[0]->id);
  nodes[0]->kill(names::node_link);
  nodes[0]->start_link();
  BOOST_TEST(centre.wait_hellos(nodes[0]->id, before + 1));
  BOOST_TEST(
      centre.command<replica_report>(nodes[0]->id, command(replica_role::primary)).has_value());
}

BOOST_AUTO_TEST_CASE(a_restarted_process_does_not_go_on_in_the_epoch_it_was_primary_of) { // P1
  configure(1, 0, {0, 1});
  auto c = connect();
  BOOST_REQUIRE(c.put("v", "a", "1").has_value());
  auto before = centre.hellos(nodes[0]->id);
  nodes[0]->stop();
  nodes[0]->start();
  BOOST_REQUIRE(
      centre.wait_report(nodes[0]->id, [&](const node_report& r) { return r.life.value == 2; }));
  BOOST_TEST(centre.hellos(nodes[0]->id) > before);
  ++row.revision.value;
  BOOST_CHECK(code_of(centre.command<replica_report>(nodes[0]->id, command(replica_role::primary)))
              == errc::stale_epoch);
  seal_replica seal;
  seal.partition = row.id;
  seal.epoch = epoch{2};
  for (int n : {0, 1})
    BOOST_TEST(centre.command<replica_report>(nodes[n]->id, seal)->version.seq.value == 1u);
  configure(2, 0, {0, 1});
  BOOST_TEST(c.get("v", "a")->value.data == "1");
  BOOST_TEST(c.put("v", "b", "2")->epoch.value == 2u);
}

BOOST_AUTO_TEST_CASE(commands_of_an_older_centre_are_refused) {
  configure(1, 0, {0});
  BOOST_CHECK(
      code_of(centre.command<replica_report>(nodes[0]->id, command(replica_role::primary), term{4}))
      == errc::stale_term);
  drop_replica drop;
  drop.partition = make_partition_id(7, 7);
  BOOST_TEST(centre.command<done>(nodes[0]->id, drop).has_value()); // unknown partition: done
}

BOOST_AUTO_TEST_CASE(a_probe_tells_the_living_from_the_dead) {
  probe_node probe;
  probe.target = centre.address(nodes[1]->id);
  probe.timeout_ms = 5000;
  BOOST_TEST(centre.command<probe_result>(nodes[0]->id, probe)->alive);
  nodes[1]->stop();
  probe.timeout_ms = 100;
  BOOST_TEST(!centre.command<probe_result>(nodes[0]->id, probe)->alive);
}

BOOST_AUTO_TEST_CASE(unknown_requests_and_stopped_services_get_an_answer) { // P10
  auto socket = net::requester::connect(centre.address(nodes[0]->id).endpoint);
  auto answer = [&](std::string type, std::string body) {
    auto reply = socket->receive_id(socket->send({std::move(type), 0, std::move(body)}), patience);
    BOOST_REQUIRE(reply.has_value());
    return wire::read_frame<put_ok>(*reply).error().code;
  };
  BOOST_CHECK(answer("no.such.thing", "") == errc::unsupported);
  BOOST_CHECK(answer("client.put", "garbage") == errc::malformed);
  BOOST_CHECK(answer("client.put", wire::encode(put_request{row.id, {}}))
              == errc::unknown_partition);
  nodes[0]->kill(names::replica_server);
  BOOST_CHECK(answer("client.put", wire::encode(put_request{row.id, {}})) == errc::unavailable);
  BOOST_TEST(socket->call<node_pong>(node_ping{}, patience)->node == nodes[0]->id);
}

BOOST_AUTO_TEST_SUITE_END()
