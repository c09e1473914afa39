#include <algorithm>
#include <boost/test/unit_test.hpp>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <zmq.hpp>
#include <zmq_addon.hpp>

#include "net/reactor.hpp"
#include "net/requester.hpp"
#include "messages/client.hpp"
#include "messages/ping.hpp"
#include "wire/types.hpp"

using namespace harbinger;
using namespace harbinger::net;
using namespace std::chrono_literals;

namespace {

constexpr auto loopback = "tcp://127.0.0.1:*";
constexpr auto patience =
    10s; // how long a test waits for what must come; passing tests wait only as long as it takes

/// Keeps what a reactor hands over.
class inbox {
public:
  reactor::handler handler() {
    return [this](incoming&& m) {
      std::lock_guard guard(mutex_);
      messages_.push_back(std::move(m));
      changed_.notify_all();
    };
  }
  /// The first `n` messages, when they have come.
  std::vector<incoming> wait(size_t n) {
    std::unique_lock lock(mutex_);
    BOOST_TEST_REQUIRE(changed_.wait_for(lock, patience, [&] { return messages_.size() >= n; }),
                       "only " << messages_.size() << " of " << n << " messages came");
    return messages_;
  }
  size_t size() {
    std::lock_guard guard(mutex_);
    return messages_.size();
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<incoming> messages_;
};

template <class Condition>
bool eventually(Condition condition) {
  auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// A router on loopback that answers every message with its own body, as "echo".
struct echo_server {
  reactor net;
  std::string endpoint;
  explicit echo_server(socket_options options = {
                           .kind = socket_kind::router, .endpoint = loopback, .bind = true}) {
    auto socket = net.add(options);
    BOOST_TEST_REQUIRE(socket.has_value());
    endpoint = net.bound_endpoint(*socket);
    net.start([this](incoming&& m) {
      if (m.message.type == "throw") throw std::runtime_error("the handler is broken");
      net.send(m.socket, m.peer,
               {"echo", m.message.id, std::move(m.message.body), std::move(m.message.bulk)});
    });
  }
  ~echo_server() { net.stop(); }
};

struct scratch_directory {
  std::filesystem::path path;
  scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "harbinger-XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~scratch_directory() { std::filesystem::remove_all(path); }
};

/// A dealer without any of our code: sends what no client of ours would.
struct raw_dealer {
  zmq::context_t context;
  zmq::socket_t socket{context, zmq::socket_type::dealer};
  explicit raw_dealer(const std::string& endpoint) {
    socket.set(zmq::sockopt::linger, 1000);
    socket.set(zmq::sockopt::rcvtimeo, 10000);
    socket.connect(endpoint);
  }
  void send(const std::vector<std::string>& parts) {
    for (size_t i = 0; i < parts.size(); ++i)
      (void)socket.send(zmq::buffer(parts[i]),
                        i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
  error receive_error() {
    std::vector<zmq::message_t> parts;
    BOOST_TEST_REQUIRE(zmq::recv_multipart(socket, std::back_inserter(parts)).has_value());
    BOOST_TEST_REQUIRE(parts.size() == 2u);
    auto head = wire::decode_header(parts[0].to_string_view());
    BOOST_TEST_REQUIRE(head.has_value());
    return wire::read_frame<done>({head->type, head->id, parts[1].to_string()}).error();
  }
};

wire::frame request(uint64_t id, std::string body = "body") { return {"ask", id, std::move(body)}; }

} // namespace

BOOST_AUTO_TEST_CASE(a_router_answers_a_dealer) {
  echo_server server;
  inbox replies;
  reactor client;
  auto socket = client.add({.kind = socket_kind::dealer, .endpoint = server.endpoint}).value();
  client.start(replies.handler());
  for (uint64_t id = 1; id <= 100; ++id)
    client.send(socket, "", request(id, std::string(id * 1000, 'x')));
  auto got = replies.wait(100);
  for (uint64_t id = 1; id <= 100; ++id) {
    const auto& m = got[id - 1].message;
    BOOST_TEST(m.type == "echo");
    BOOST_TEST(m.id == id); // in order
    BOOST_TEST(m.body.size() == id * 1000);
  }
  BOOST_TEST(client.counters().sent == 100u);
  BOOST_TEST(client.counters().received == 100u);
}

BOOST_AUTO_TEST_CASE(connections_to_endpoints_open_themselves_and_name_the_sender) {
  echo_server one, two;
  inbox replies;
  reactor client;
  client.start(replies.handler());
  client.send_to_endpoint(one.endpoint, request(1));
  client.send_to_endpoint(two.endpoint, request(2));
  auto got = replies.wait(2);
  for (const auto& m : got) {
    BOOST_TEST(m.socket == reactor::peer_socket);
    BOOST_TEST(m.peer == (m.message.id == 1 ? one.endpoint : two.endpoint));
  }
}

BOOST_AUTO_TEST_CASE(a_message_waits_for_a_peer_that_comes_up_later) {
  std::string endpoint = echo_server().endpoint; // free again
  inbox replies;
  reactor client;
  client.start(replies.handler());
  client.send_to_endpoint(endpoint, request(1));
  echo_server late({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
  BOOST_TEST(replies.wait(1)[0].message.id == 1u);
}

BOOST_AUTO_TEST_CASE(a_forgotten_endpoint_gets_nothing_that_was_queued_for_it) {
  std::string endpoint = echo_server().endpoint;
  inbox replies;
  reactor client;
  client.start(replies.handler());
  client.send_to_endpoint(endpoint, request(1));
  client.forget_endpoint(endpoint);
  client.forget_endpoint("tcp://127.0.0.1:1"); // never known
  client.send_to_endpoint(endpoint, request(2));
  echo_server late({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
  BOOST_TEST(replies.wait(1)[0].message.id == 2u);
}

BOOST_AUTO_TEST_CASE(a_peer_that_has_long_not_answered_is_closed_and_opened_again_when_needed) {
  std::string endpoint = echo_server().endpoint; // nobody there
  inbox replies;
  reactor client(milliseconds(40));
  client.start(replies.handler());
  client.send_to_endpoint(endpoint, request(1));
  auto peers = [&] { return client.counters().peers.load(); };
  while (peers() == 0) std::this_thread::yield();
  while (peers() != 0) std::this_thread::sleep_for(milliseconds(5));
  echo_server late({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
  client.send_to_endpoint(endpoint, request(2));
  BOOST_TEST(replies.wait(1)[0].message.id == 2u); // the first went with the connection
}

BOOST_AUTO_TEST_CASE(a_taken_tcp_address_is_in_use) {
  echo_server server;
  reactor second;
  auto taken = second.add({.kind = socket_kind::router, .endpoint = server.endpoint, .bind = true});
  BOOST_TEST_REQUIRE(!taken.has_value());
  BOOST_TEST((taken.error().code == errc::in_use));
  BOOST_TEST(taken.error().detail.find(server.endpoint) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_taken_ipc_address_is_in_use_and_stays_with_its_owner) {
  scratch_directory dir;
  auto endpoint = "ipc://" + (dir.path / "s").string();
  echo_server server({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
  {
    reactor second;
    auto taken = second.add({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
    BOOST_TEST_REQUIRE(!taken.has_value());
    BOOST_TEST((taken.error().code == errc::in_use));
  }
  auto client = requester::connect(endpoint).value();
  auto id = client.send(request(0));
  BOOST_TEST(client.receive_id(id, patience).has_value());
}

BOOST_AUTO_TEST_CASE(the_socket_file_of_a_dead_process_is_replaced) {
  scratch_directory dir;
  auto path = (dir.path / "s").string();
  { // bound, then closed without unlink, as kill -9 leaves it
    int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    BOOST_TEST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
  }
  echo_server server({.kind = socket_kind::router, .endpoint = "ipc://" + path, .bind = true});
  auto client = requester::connect(server.endpoint).value();
  auto id = client.send(request(0));
  BOOST_TEST(client.receive_id(id, patience).has_value());
}

BOOST_AUTO_TEST_CASE(an_owner_only_socket_has_mode_0600) {
  scratch_directory dir;
  auto path = (dir.path / "s").string();
  auto mask = ::umask(0);
  echo_server server(
      {.kind = socket_kind::router, .endpoint = "ipc://" + path, .bind = true, .owner_only = true});
  BOOST_TEST(::umask(mask) == 0u); // put back
  struct stat info {};
  BOOST_TEST_REQUIRE(::stat(path.c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600u);
}

BOOST_AUTO_TEST_CASE(a_bad_endpoint_is_an_invalid_argument) {
  for (auto endpoint :
       {std::string("nonsense"), std::string("tcp://"), std::string("http://127.0.0.1:1"),
        std::string("tcp://127.0.0.1:99999"), "ipc:///" + std::string(300, 'x')}) {
    reactor net;
    auto added = net.add({.kind = socket_kind::router, .endpoint = endpoint, .bind = true});
    BOOST_TEST_REQUIRE(!added.has_value(), endpoint);
    BOOST_TEST((added.error().code == errc::invalid_argument), endpoint);
  }
}

BOOST_AUTO_TEST_CASE(bulk_data_travels_as_a_part_of_its_own) {
  echo_server server;
  reactor asker;
  std::mutex mutex;
  std::map<uint64_t, wire::frame> answers;
  asker.start([&](incoming&& in) {
    std::lock_guard guard(mutex);
    answers[in.message.id] = std::move(in.message);
  });
  std::vector<size_t> sizes{0, 1, 4096, 4097, 1 << 20}; // copied into ZeroMQ, or handed over
  for (size_t i = 0; i < sizes.size(); ++i)
    asker.send_to_endpoint(server.endpoint, {"ask", i, "body", blob(std::string(sizes[i], 'b'))});
  BOOST_TEST_REQUIRE(eventually([&] {
    std::lock_guard guard(mutex);
    return answers.size() == sizes.size();
  }));
  asker.stop(); // what was received outlives the sockets
  server.net.stop();
  for (size_t i = 0; i < sizes.size(); ++i) {
    BOOST_TEST(answers[i].body == "body");
    BOOST_TEST((answers[i].bulk == blob(std::string(sizes[i], 'b'))), sizes[i] << " bytes");
  }
}

BOOST_AUTO_TEST_CASE(a_malformed_message_gets_an_error_and_is_counted_and_service_goes_on) {
  echo_server server;
  raw_dealer stranger(server.endpoint);
  auto good = wire::encode_header("ask", 1);
  std::vector<std::vector<std::string>> malformed{{""},
                                                  {"hello"},
                                                  {"GET / HTTP/1.1\r\n\r\n", ""},
                                                  {good},
                                                  {good, "b", "c", "d"},
                                                  std::vector<std::string>(1000, "part"),
                                                  {std::string(300, 'x'), ""}};
  for (const auto& parts : malformed) stranger.send(parts);
  for (size_t i = 0; i + 1 < malformed.size(); ++i)
    BOOST_TEST((stranger.receive_error().code == errc::malformed));
  BOOST_TEST((stranger.receive_error().code == errc::oversize));
  stranger.send({std::string("\x94\xa2HB\x07\xa1x\x05", 8), ""});
  BOOST_TEST((stranger.receive_error().code == errc::unsupported));
  BOOST_TEST(server.net.counters().malformed == malformed.size() + 1);
  BOOST_TEST(server.net.counters().received == 0u);

  auto client = requester::connect(server.endpoint).value();
  auto id = client.send(request(0));
  BOOST_TEST(client.receive_id(id, patience).has_value());
}

BOOST_AUTO_TEST_CASE(an_oversize_message_cuts_only_its_sender) {
  echo_server server({.kind = socket_kind::router,
                      .endpoint = loopback,
                      .bind = true,
                      .message_bytes_max = 10'000});
  raw_dealer greedy(server.endpoint);
  greedy.send({wire::encode_header("ask", 1), std::string(10'001, 'x')});
  auto client = requester::connect(server.endpoint).value();
  auto id = client.send(request(0, std::string(10'000, 'x')));
  BOOST_TEST(client.receive_id(id, patience).has_value());
  BOOST_TEST(server.net.counters().received == 1u);
}

BOOST_AUTO_TEST_CASE(a_reply_to_a_peer_that_is_gone_is_counted) {
  echo_server server;
  server.net.send(0, "nobody", request(1));
  server.net.send(0, "", request(1));
  BOOST_TEST(eventually([&] { return server.net.counters().undelivered == 2u; }));
}

BOOST_AUTO_TEST_CASE(a_queue_that_nobody_reads_is_bounded_by_bytes) {
  reactor net;
  auto socket = net.add({.kind = socket_kind::dealer, .endpoint = "tcp://127.0.0.1:1"})
                    .value(); // nobody there
  net.start([](incoming&&) {});
  constexpr uint64_t count = reactor::pending_bytes_max / (8 << 20) + 3;
  for (uint64_t i = 0; i < count; ++i) {
    net.send(socket, "", request(i, std::string(8 << 20, 'x')));
    BOOST_TEST_REQUIRE(
        eventually([&] { return net.counters().sent + net.counters().undelivered == i + 1; }));
  }
  BOOST_TEST(net.counters().undelivered == 3u);
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_costs_one_message) {
  echo_server server;
  auto client = requester::connect(server.endpoint).value();
  auto id = client.send({"throw", 0, ""});
  auto reply = client.receive_id(id, patience);
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST(
      (wire::read_frame<done>(*reply).error() == error{errc::internal, "the handler is broken"}));
  BOOST_TEST(server.net.counters().failed == 1u);
  id = client.send(request(0));
  BOOST_TEST(client.receive_id(id, patience)->type == "echo");
}

BOOST_AUTO_TEST_CASE(subscribers_get_their_topics_only) {
  reactor source;
  auto out =
      source.add({.kind = socket_kind::publisher, .endpoint = loopback, .bind = true}).value();
  inbox some, all;
  reactor picky, greedy;
  auto endpoint = source.bound_endpoint(out);
  source.start([](incoming&&) {});
  (void)picky
      .add({.kind = socket_kind::subscriber, .endpoint = endpoint, .topics = {"zones", "map"}})
      .value();
  (void)greedy.add({.kind = socket_kind::subscriber, .endpoint = endpoint}).value();
  picky.start(some.handler());
  greedy.start(all.handler());
  // A subscription takes a moment to arrive: publish until it has.
  BOOST_TEST(eventually([&] {
    source.send(out, "map", request(0));
    return some.size() > 0 && all.size() > 0;
  }));
  auto before = some.size();
  source.send(out, "event", request(1));
  source.send(out, "zones", request(2));
  BOOST_TEST(eventually(
      [&] { return some.wait(1).back().message.id == 2u && all.wait(1).back().message.id == 2u; }));
  auto got = some.wait(before + 1);
  for (const auto& m : got) BOOST_TEST(m.peer == (m.message.id == 2 ? "zones" : "map"));
  auto everything = all.wait(1);
  auto of_event = [](const incoming& m) { return m.peer == "event" && m.message.id == 1; };
  BOOST_TEST(std::count_if(everything.begin(), everything.end(), of_event) == 1);
}

BOOST_AUTO_TEST_CASE(many_threads_and_many_peers_lose_nothing) {
  constexpr size_t servers = 20, threads = 4, each = 500;
  std::vector<std::unique_ptr<echo_server>> fleet;
  for (size_t i = 0; i < servers; ++i) fleet.push_back(std::make_unique<echo_server>());
  inbox replies;
  reactor client;
  client.start(replies.handler());
  std::vector<std::thread> senders;
  for (size_t t = 0; t < threads; ++t)
    senders.emplace_back([&, t] {
      for (size_t i = 0; i < each; ++i)
        client.send_to_endpoint(fleet[i % servers]->endpoint, request(t * each + i));
    });
  for (auto& s : senders) s.join();
  std::vector<int> seen(threads * each);
  for (const auto& m : replies.wait(threads * each)) ++seen.at(m.message.id);
  BOOST_TEST((seen == std::vector<int>(threads * each, 1)));
  BOOST_TEST(client.counters().undelivered == 0u);
}

BOOST_AUTO_TEST_CASE(stopping_sends_what_is_queued_frees_the_address_and_can_be_repeated) {
  inbox received;
  reactor server;
  auto in = server.add({.kind = socket_kind::router, .endpoint = loopback, .bind = true}).value();
  auto endpoint = server.bound_endpoint(in);
  server.start(received.handler());
  {
    reactor client;
    auto out = client.add({.kind = socket_kind::dealer, .endpoint = endpoint}).value();
    client.start([](incoming&&) {});
    client.send(out, "", request(1));
    BOOST_TEST(received.wait(1).size() == 1u); // connected
    for (uint64_t i = 2; i <= 50; ++i) client.send(out, "", request(i));
    client.stop();
    client.stop();
    client.send(out, "", request(99));
    client.send_to_endpoint(endpoint, request(99));
    BOOST_TEST(client.counters().undelivered == 2u);
  }
  BOOST_TEST(received.wait(50).back().message.id == 50u);
  server.stop();
  reactor next;
  BOOST_TEST(
      next.add({.kind = socket_kind::router, .endpoint = endpoint, .bind = true}).has_value());
}

BOOST_AUTO_TEST_CASE(a_reactor_that_never_started_stops_too) {
  reactor net;
  BOOST_TEST(
      net.add({.kind = socket_kind::router, .endpoint = loopback, .bind = true}).has_value());
  net.stop();
}

// --- requester ---

BOOST_AUTO_TEST_CASE(a_request_without_an_answer_times_out) {
  auto client = requester::connect("tcp://127.0.0.1:1").value();
  auto reply = client.call<node_pong>(node_ping{}, 20ms);
  BOOST_TEST_REQUIRE(!reply.has_value());
  BOOST_TEST((reply.error().code == errc::timeout));
  BOOST_TEST(!requester::connect("nonsense").has_value());
}

BOOST_AUTO_TEST_CASE(a_late_reply_does_not_answer_the_next_request) {
  reactor server;
  auto socket =
      server.add({.kind = socket_kind::router, .endpoint = loopback, .bind = true}).value();
  std::vector<incoming> kept;      // on the reactor's thread only
  server.start([&](incoming&& m) { // answers a request only when the next one comes: first the old,
                                   // then the new
    kept.push_back(m);
    if (kept.size() < 2) return;
    for (const auto& k : kept)
      server.send(
          socket, k.peer,
          wire::make_frame(k.message.id,
                           node_pong{node_id{"n" + std::to_string(k.message.id)}, incarnation{1}}));
  });
  auto client = requester::connect(server.bound_endpoint(socket)).value();
  BOOST_TEST(!client.call<node_pong>(node_ping{}, 50ms).has_value());
  auto reply = client.call<node_pong>(node_ping{}, patience);
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST(reply->node.value == "n2");
  server.stop();
}

BOOST_AUTO_TEST_CASE(an_error_reply_becomes_its_code_and_a_wrong_type_is_unsupported) {
  reactor server;
  auto socket =
      server.add({.kind = socket_kind::router, .endpoint = loopback, .bind = true}).value();
  server.start([&](incoming&& m) {
    auto reply = m.message.type == "node.ping"
                     ? wire::make_error(m.message.id, {errc::overloaded, "later"})
                     : wire::make_frame(m.message.id, done{});
    server.send(socket, m.peer, reply);
  });
  auto client = requester::connect(server.bound_endpoint(socket)).value();
  BOOST_TEST(
      (client.call<node_pong>(node_ping{}, patience).error() == error{errc::overloaded, "later"}));
  BOOST_TEST((client.call<put_ok>(put_request{}, patience).error().code == errc::unsupported));
  server.stop();
}
