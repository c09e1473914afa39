#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <mutex>
#include <thread>

#include "actors/catalog_keeper.hpp"
#include "actors/head_node_bridge.hpp"
#include "actors/names.hpp"
#include "actors/recovery_coordinator.hpp"
#include "actors/resources.hpp"
#include "messages/at_risk.hpp"
#include "messages/ping.hpp"
#include "net/reactor.hpp"
#include "wire/codec.hpp"
#include "tests/support/stepped_scheduler.hpp"

using namespace harbinger;

namespace {

/// A node's side of the control socket: sends what it is told to, obeys configure and seal, keeps
/// every answer.
struct fake_head_node {
  std::string name;
  incarnation life{1};
  net::reactor socket;
  std::mutex mutex;
  std::vector<wire::frame> received;
  std::map<partition_id, replica_report> replicas;
  bool obedient = true;

  fake_head_node(std::string id, const std::string& endpoint) : name(std::move(id)) {
    net::socket_options options;
    options.kind = net::socket_kind::dealer;
    options.endpoint = endpoint;
    BOOST_REQUIRE(socket.add(options));
    socket.start([this](net::incoming&& in) { take(std::move(in.message)); });
  }
  ~fake_head_node() { socket.stop(); }

  void forget() {
    std::lock_guard guard(mutex);
    received.clear();
  }
  void send(wire::frame frame) { socket.send(0, "", std::move(frame)); }
  void take(wire::frame frame) {
    std::lock_guard guard(mutex);
    if (auto c = wire::read_frame<configure_replica>(frame); c && obedient) {
      auto& r = replicas[c->partition];
      r.partition = c->partition;
      if (c->revision > r.revision)
        r.epoch = c->epoch, r.revision = c->revision, r.role = c->role,
        r.state = replica_state::following;
      send(wire::make_frame(frame.id, r));
    } else if (auto s = wire::read_frame<seal_replica>(frame); s && obedient) {
      auto& r = replicas[s->partition];
      r.partition = s->partition, r.epoch = s->epoch, r.role = replica_role::sealed,
      r.state = replica_state::detached;
      send(wire::make_frame(frame.id, r));
    }
    received.push_back(std::move(frame));
  }
  void hello() {
    node_hello m;
    m.node = node_id{name};
    m.life = life;
    m.data_endpoint = "tcp://" + name;
    m.attributes = {{"rack", name}, {"odd", "\xff\xfe"}};
    send(wire::make_frame(1, m));
  }
  void beat(uint64_t seq = 1) {
    send(wire::make_frame(seq, node_heartbeat{node_id{name}, life, seq}));
  }
  template <class T>
  std::optional<T> last() {
    std::lock_guard guard(mutex);
    for (auto it = received.rbegin(); it != received.rend(); ++it)
      if (it->type == T::wire_name)
        if (auto m = wire::decode<T>(it->body)) return *m;
    return std::nullopt;
  }
};

struct centre {
  std::string dir = (std::filesystem::temp_directory_path() / "harbinger_centre_").string()
                    + std::to_string(::getpid());
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<testing::stepped_scheduler>()};
  testing::stepped_scheduler& sched = testing::stepped_scheduler::of(sys);
  caf::scoped_actor self{sys, true};
  context_ptr ctx = std::make_shared<context>();
  std::string endpoint;

  centre() {
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
    endpoint = "ipc://" + dir + "/control.sock";
    auto config = std::make_shared<settings>();
    config->state_dir = dir;
    config->endpoints.control = endpoint;
    config->control.heartbeat_ms = 100;
    ctx->config = config;
    sched.clock().current_time += std::chrono::hours(1);
    open_database();
    keeper();
    bridge();
  }
  ~centre() {
    for (auto& [name, handle] : ctx->names.all()) kill(name);
    sched.run();
    ctx->central.reset();
    std::filesystem::remove_all(dir);
  }
  void open_database() {
    auto opened = open_central_resources(*ctx->config);
    BOOST_REQUIRE_MESSAGE(opened, (opened ? "" : to_string(opened.error())));
    ctx->central = *opened;
    ctx->term = ctx->central->catalog->term();
  }
  template <class Handle>
  void put(const char* name, Handle handle) {
    ctx->names.set(name, caf::actor_cast<caf::actor>(handle));
  }
  void keeper() { put(names::catalog_keeper, sys.spawn(catalog_keeper, ctx)), sched.run(); }
  void bridge() { put(names::head_node_bridge, sys.spawn(head_node_bridge, ctx)), sched.run(); }
  void coordinator() {
    put(names::recovery_coordinator, sys.spawn(recovery_coordinator, ctx)), sched.run();
  }
  void kill(const std::string& name) {
    auto handle = ctx->names.find(name);
    if (!handle) return;
    ctx->names.erase(name, handle);
    BOOST_CHECK_MESSAGE(sched.kill(handle), name << " does not end");
  }
  void advance(uint32_t ms) {
    for (uint32_t t = 0; t < ms; t += 50) {
      sched.advance_time(milliseconds(50));
      sched.run();
    }
  }
  /// Real sockets: gives them real time until the condition holds, and the actors as much of
  /// theirs.
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      sched.run();
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(2));
      if (i % 10 == 0) advance(50);
    }
    return false;
  }
  template <class Reply, class Interface, class Message>
  Reply ask(const char* name, Message message) {
    auto pending = self->request(caf::actor_cast<Interface>(ctx->names.find(name)), seconds(1),
                                 std::move(message));
    BOOST_REQUIRE_MESSAGE(sched.run_until_mail(self), name << " does not answer");
    std::optional<Reply> out;
    pending.receive([&](const Reply& reply) { out = reply; },
                    [&](caf::error& e) { BOOST_FAIL(sys.render(e)); });
    return *out;
  }
  bool join(fake_head_node& node) {
    node.hello();
    return eventually([&] { return node.last<node_welcome>().has_value(); });
  }
  catalog_view stored() { return *ctx->central->catalog->load(); }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(node_is_welcomed_registered_and_told_of_its_peers, centre) {
  fake_head_node a{"a", endpoint}, b{"b", endpoint};
  BOOST_REQUIRE(join(a));
  BOOST_REQUIRE(join(b));
  BOOST_TEST((a.last<node_welcome>()->term == ctx->term));
  BOOST_TEST(a.last<node_welcome>()->heartbeat_ms == 100u);
  BOOST_TEST(stored().nodes().size() == 2u);
  a.beat();
  BOOST_REQUIRE(eventually([&] { return a.last<heartbeat_ack>().has_value(); }));
  BOOST_TEST(a.last<heartbeat_ack>()->known);
  BOOST_REQUIRE(a.last<heartbeat_ack>()->peers.size() == 1u);
  BOOST_TEST(a.last<heartbeat_ack>()->peers[0].endpoint == "tcp://b");
  auto shown =
      ask<show_reply, catalog_keeper_actor>(names::catalog_keeper, show_request{"nodes", {}});
  BOOST_TEST(shown.document.has_value()); // an attribute that is not UTF-8 does no harm
}

BOOST_FIXTURE_TEST_CASE(strangers_and_old_lives_change_nothing, centre) {
  fake_head_node a{"a", endpoint}, old{"a", endpoint};
  a.beat();
  BOOST_REQUIRE(eventually([&] { return a.last<heartbeat_ack>().has_value(); }));
  BOOST_TEST(!a.last<heartbeat_ack>()->known);
  a.life = incarnation{5};
  BOOST_REQUIRE(join(a));
  old.life = incarnation{4};
  old.hello();
  BOOST_REQUIRE(eventually([&] { return old.last<error_reply>().has_value(); }));
  BOOST_TEST(old.last<error_reply>()->code == "stale_epoch");
  auto before = stored().revision();
  old.forget();
  old.send({"node.hello", 7, "no msgpack"});
  BOOST_REQUIRE(eventually([&] { return old.last<error_reply>().has_value(); }));
  BOOST_TEST(old.last<error_reply>()->code == "malformed");
  old.forget();
  old.send(wire::make_frame(8, node_ping{}));
  BOOST_REQUIRE(eventually([&] { return old.last<error_reply>().has_value(); }));
  BOOST_TEST(old.last<error_reply>()->code == "unsupported");
  BOOST_TEST((stored().revision() == before));
}

BOOST_FIXTURE_TEST_CASE(clients_hear_which_nodes_are_at_risk, centre) {
  fake_head_node client{"client", endpoint};
  client.send(wire::make_frame(3, risk_request{}));
  BOOST_REQUIRE(eventually([&] { return client.last<nodes_at_risk>().has_value(); }));
  BOOST_TEST(!client.last<nodes_at_risk>()->known);
  zone_map map;
  map.zones.resize(2);
  map.zones[0].members = {node_id{"n3"}, node_id{"n7"}};
  map.zones[0].exposed = {node_id{"n4"}};
  map.zones[1].members = {node_id{"n1"}};
  caf::anon_send(caf::actor_cast<head_node_bridge_actor>(ctx->names.find(names::head_node_bridge)),
                 map);
  BOOST_REQUIRE(eventually([&] {
    client.send(wire::make_frame(4, risk_request{}));
    return client.last<nodes_at_risk>()->known;
  }));
  auto told = *client.last<nodes_at_risk>();
  BOOST_TEST((told.nodes == std::vector<node_id>{node_id{"n1"}, node_id{"n3"}, node_id{"n7"}}));
  BOOST_TEST((told.term == ctx->term));
}

BOOST_FIXTURE_TEST_CASE(clients_create_volumes_and_get_the_map, centre) {
  fake_head_node a{"a", endpoint}, client{"client", endpoint};
  BOOST_REQUIRE(join(a));
  client.send(wire::make_frame(3, create_volume{"vol", 4, 1}));
  BOOST_REQUIRE(eventually([&] { return client.last<partition_map>().has_value(); }));
  BOOST_TEST(client.last<partition_map>()->partitions.size() == 4u);
  client.send(wire::make_frame(4, create_volume{"vol", 4, 1}));
  BOOST_REQUIRE(eventually([&] { return client.last<error_reply>().has_value(); }));
  BOOST_TEST(client.last<error_reply>()->code == "in_use");
  client.forget();
  client.send(wire::make_frame(5, map_request{}));
  BOOST_REQUIRE(eventually([&] { return client.last<partition_map>().has_value(); }));
  BOOST_TEST(client.last<partition_map>()->whole);
}

BOOST_FIXTURE_TEST_CASE(commands_reach_their_node_and_time_out_without_an_answer, centre) {
  fake_head_node a{"a", endpoint};
  auto nobody = ask<node_command_done, head_node_bridge_actor>(
      names::head_node_bridge, node_command{node_id{"a"}, wire::make_frame(0, probe_node{})});
  BOOST_TEST((nobody.reply.error().code == errc::unknown_node));
  BOOST_REQUIRE(join(a));
  std::optional<node_command_done> answer;
  auto asker = sys.spawn([&](caf::event_based_actor* me) {
    auto to = caf::actor_cast<head_node_bridge_actor>(ctx->names.find(names::head_node_bridge));
    seal_replica seal{ctx->term, make_partition_id(1, 0), epoch{3}};
    me->request(to, seconds(10), node_command{node_id{"a"}, wire::make_frame(0, seal)})
        .then([&](const node_command_done& m) { answer = m; }, [](caf::error&) {});
  });
  BOOST_REQUIRE(eventually([&] { return answer.has_value(); }));
  BOOST_REQUIRE(answer->reply);
  BOOST_TEST((wire::read_frame<replica_report>(*answer->reply)->epoch == epoch{3}));
  answer.reset();
  a.obedient = false;
  auto second = sys.spawn([&](caf::event_based_actor* me) {
    auto to = caf::actor_cast<head_node_bridge_actor>(ctx->names.find(names::head_node_bridge));
    me->request(to, seconds(10), node_command{node_id{"a"}, wire::make_frame(0, probe_node{})})
        .then([&](const node_command_done& m) { answer = m; }, [](caf::error&) {});
  });
  sched.run();
  advance(2100);
  BOOST_REQUIRE(answer);
  BOOST_TEST((answer->reply.error().code == errc::timeout));
}

BOOST_FIXTURE_TEST_CASE(second_bridge_on_the_same_address_quits, centre) {
  auto second = sys.spawn(head_node_bridge, ctx);
  self->monitor(second);
  BOOST_REQUIRE(sched.run_until_mail(self));
  bool down = false;
  self->receive(
      [&](const caf::down_msg& m) { down = m.reason == caf::exit_reason::unhandled_exception; });
  BOOST_TEST(down);
}

BOOST_FIXTURE_TEST_CASE(killed_actors_go_on_where_they_were, centre) {
  coordinator();
  fake_head_node a{"a", endpoint}, b{"b", endpoint};
  BOOST_REQUIRE(join(a));
  BOOST_REQUIRE(join(b));
  auto created =
      ask<show_reply, catalog_keeper_actor>(names::catalog_keeper, create_volume{"vol", 4, 2});
  BOOST_REQUIRE(created.document);
  auto in_order = [&] {
    a.beat(), b.beat();
    for (auto* node : {&a, &b}) {
      node_report m;
      m.node = node_id{node->name};
      m.life = node->life;
      std::lock_guard guard(node->mutex);
      for (auto& [id, r] : node->replicas) m.replicas.push_back(r);
      node->send(wire::make_frame(0, m));
    }
    auto shown = ask<show_reply, recovery_coordinator_actor>(names::recovery_coordinator,
                                                             show_request{"recovery", {}});
    size_t primaries = 0;
    for (auto* node : {&a, &b}) {
      std::lock_guard guard(node->mutex);
      for (auto& [id, r] : node->replicas) primaries += r.role == replica_role::primary;
    }
    return primaries == 4 && shown.document->find("\"rows\":[]") != std::string::npos;
  };
  BOOST_TEST(eventually(in_order));
  for (auto name : {names::recovery_coordinator, names::catalog_keeper, names::head_node_bridge}) {
    kill(name);
    if (name == std::string{names::recovery_coordinator}) coordinator();
    if (name == std::string{names::catalog_keeper}) keeper();
    if (name == std::string{names::head_node_bridge}) bridge();
    BOOST_TEST(eventually(in_order));
  }
  auto epochs = stored();
  for (auto& [id, row] : epochs.partitions())
    BOOST_TEST((row.epoch == epoch{2})); // and nothing was done twice
}

BOOST_FIXTURE_TEST_CASE(silent_node_is_declared_dead_and_its_partitions_move, centre) {
  coordinator();
  fake_head_node a{"a", endpoint}, b{"b", endpoint};
  BOOST_REQUIRE(join(a));
  BOOST_REQUIRE(join(b));
  BOOST_REQUIRE(
      (ask<show_reply, catalog_keeper_actor>(names::catalog_keeper, create_volume{"vol", 4, 2})
           .document));
  uint64_t seq = 0;
  auto count = [&](fake_head_node& node) {
    std::lock_guard guard(node.mutex);
    size_t n = 0;
    for (auto& [id, r] : node.replicas) n += r.role == replica_role::primary;
    return n;
  };
  BOOST_REQUIRE(eventually([&] {
    a.beat(++seq), b.beat(seq);
    return count(a) + count(b) == 4;
  }));
  b.obedient = false; // and beats no more; "a" is asked whether it reaches it
  BOOST_TEST(eventually([&] {
    a.beat(++seq);
    std::vector<wire::frame> questions;
    {
      std::lock_guard guard(a.mutex);
      for (auto& f : a.received)
        if (f.type == probe_node::wire_name) questions.push_back(f);
      std::erase_if(a.received, [](auto& f) { return f.type == probe_node::wire_name; });
    }
    for (auto& f : questions)
      a.send(wire::make_frame(f.id, probe_result{node_id{"b"}, false, 0.0}));
    return count(a) == 4;
  }));
  auto view = stored();
  BOOST_TEST((view.node(node_id{"b"})->state == node_state::dead));
  for (auto& [id, row] : view.partitions()) BOOST_TEST((row.primary == node_id{"a"}));
}
