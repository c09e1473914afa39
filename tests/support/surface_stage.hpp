#pragma once

/// The actors that face people (console, event_publisher, metrics_exporter) under a scheduler that
/// only runs when told, with their real sockets, and what talks to them from outside.

#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include <arpa/inet.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.hpp>
#include <zmq_addon.hpp>

#include "actors/console.hpp"
#include "actors/event_publisher.hpp"
#include "actors/metrics_exporter.hpp"
#include "actors/names.hpp"
#include "actors/tree.hpp"
#include "messages/catalog.hpp"
#include "net/requester.hpp"
#include "wire/codec.hpp"
#include "tests/support/stepped_scheduler.hpp"

namespace harbinger::testing {

inline sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// A port of the loopback interface that somebody listens on until release().
struct taken_port {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uint16_t number = 0;

  taken_port() {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    BOOST_REQUIRE(::bind(fd, plain, size) == 0);
    BOOST_REQUIRE(::listen(fd, 1) == 0);
    BOOST_REQUIRE(::getsockname(fd, plain, &size) == 0);
    number = ntohs(address.sin_port);
  }
  ~taken_port() { release(); }
  void release() {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(number); }
};

inline uint16_t free_port() { return taken_port{}.number; }

/// The whole answer, header and all; empty when nobody listens there.
inline std::string http_get(uint16_t port, const std::string& path) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  auto address = loopback(port);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    auto request = "GET " + path + " HTTP/1.0\r\n\r\n";
    BOOST_REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL)
                  == static_cast<ssize_t>(request.size()));
    char part[4096];
    for (ssize_t got = 0; (got = ::recv(fd, part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<size_t>(got));
  }
  ::close(fd);
  return answer;
}

/// Keeps whatever is published on the topics.
struct subscriber {
  net::reactor socket;
  std::mutex mutex;
  std::vector<wire::frame> received;

  explicit subscriber(const std::string& endpoint, std::vector<std::string> topics = {}) {
    BOOST_REQUIRE(socket.add(
        {.kind = net::socket_kind::subscriber, .endpoint = endpoint, .topics = std::move(topics)}));
    socket.start([this](net::incoming&& in) {
      std::lock_guard guard(mutex);
      received.push_back(std::move(in.message));
    });
  }
  ~subscriber() { socket.stop(); }
  template <class T>
  std::vector<T> all() {
    std::lock_guard guard(mutex);
    std::vector<T> found;
    for (const auto& frame : received)
      if (auto message = wire::read_frame<T>(frame)) found.push_back(std::move(*message));
    return found;
  }
};

/// What an actor that stands for another one answers to show_request.
struct script {
  result<std::string> document{"{}"};
  bool silent = false; ///< keeps the question; answers all it kept when it is asked again
  size_t asked = 0;
  std::vector<caf::typed_response_promise<show_reply>> kept = {};
};
struct script_state {
  static constexpr const char* name = "scripted";
};
using scripted_actor = caf::typed_actor<caf::replies_to<show_request>::with<show_reply>>;
inline scripted_actor::behavior_type scripted(scripted_actor::stateful_pointer<script_state> self,
                                              std::shared_ptr<script> how) {
  return {[=](const show_request&) -> caf::result<show_reply> {
    ++how->asked;
    auto promise = self->make_response_promise<show_reply>();
    how->kept.push_back(promise);
    if (how->silent) return promise;
    for (auto& each : std::exchange(how->kept, {})) each.deliver(show_reply{how->document});
    return promise;
  }};
}

struct surface_stage {
  std::filesystem::path directory = std::filesystem::temp_directory_path()
                                    / ("harbinger-test-surface-" + std::to_string(::getpid()));
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg.load<stepped_scheduler>()};
  stepped_scheduler& sched = stepped_scheduler::of(sys);
  caf::scoped_actor self{sys, true};
  context_ptr ctx = std::make_shared<context>();
  std::shared_ptr<settings> config = std::make_shared<settings>();
  std::string events_endpoint = "ipc://" + (directory / "events.sock").string();

  surface_stage() {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    config->state_dir = directory.string();
    config->endpoints.events = events_endpoint;
    ctx->config = config;
    ctx->wall_clock = [] { return unix_ms{1'000}; };
    sched.clock().current_time += std::chrono::hours(1);
  }
  ~surface_stage() {
    kill("root"); // before those whom it would start again
    for (const auto& [name, handle] : ctx->names.all()) kill(name);
    advance(seconds(20)); // timers that are still armed hold the system
    std::filesystem::remove_all(directory);
  }

  template <class Behavior, class Self>
  void start(const char* name, Behavior (*actor)(Self*, context_ptr)) {
    ctx->names.set(name, caf::actor_cast<caf::actor>(sys.spawn(actor, ctx)));
    sched.run();
  }
  std::shared_ptr<script> start_scripted(const char* name, script how = {}) {
    auto shared = std::make_shared<script>(std::move(how));
    ctx->names.set(name, caf::actor_cast<caf::actor>(sys.spawn(scripted, shared)));
    sched.run();
    return shared;
  }
  void kill(const std::string& name) {
    auto handle = ctx->names.find(name);
    if (!handle) return;
    ctx->names.erase(name, handle);
    BOOST_CHECK_MESSAGE(sched.kill(handle), name << " does not end");
  }
  /// Why a child that is started now ends at once.
  std::string end_of(const child_plan& plan) {
    auto started = plan.start(sys);
    self->monitor(started);
    if (!sched.run_until_mail(self)) return "still there";
    std::string reason;
    self->receive([&](const caf::down_msg& down) { reason = sys.render(down.reason); });
    return reason;
  }
  void advance(duration time) {
    sched.advance_time(std::chrono::duration_cast<caf::timespan>(time));
    sched.run();
  }
  /// Real sockets: gives them real time until the condition holds; the actors' clock stands still.
  template <class Condition>
  bool eventually(Condition condition, size_t turns = stepped_scheduler::turns_max) {
    return sched.run_until(condition, turns);
  }
  template <class Interface, class Message>
  void tell(const char* name, Message message) {
    BOOST_REQUIRE(tell_from_outside<Interface>(ctx, name, std::move(message)));
    sched.run();
  }
  void raise(const std::string& kind, severity level = severity::info) {
    tell<event_publisher_actor>(
        names::event_publisher,
        event{0, {}, level, kind, "n1", kind + " at n1", {{"why", "test"}}});
  }
  /// What the actor itself shows, past the console.
  result<std::string> show(const char* name, const std::string& topic,
                           std::vector<std::string> words = {}) {
    auto pending =
        self->request(ctx->names.find(name), seconds(1), show_request{topic, std::move(words)});
    BOOST_REQUIRE_MESSAGE(sched.run_until_mail(self), name << " does not answer");
    result<std::string> answer = fail(errc::timeout);
    pending.receive([&](const show_reply& reply) { answer = reply.document; },
                    [&](caf::error& e) { BOOST_FAIL(sys.render(e)); });
    return answer;
  }
  nlohmann::json listed_events(std::vector<std::string> words = {}) {
    auto document = show(names::event_publisher, "events", std::move(words));
    BOOST_REQUIRE_MESSAGE(document, (document ? "" : to_string(document.error())));
    return nlohmann::json::parse(*document)["rows"];
  }
};

using words = std::vector<std::string>;

inline wire::frame line_frame(words line) {
  return wire::make_frame(0, console_request{std::move(line)});
}

/// The console with its real socket, and somebody at it.
struct console_stage : surface_stage {
  std::string endpoint = console_endpoint(directory.string());
  std::optional<net::requester> person;

  console_stage() {
    start(names::console, console);
    sit_down();
  }
  void sit_down() {
    auto connected = net::requester::connect(endpoint);
    BOOST_REQUIRE(connected);
    person.emplace(std::move(*connected));
  }
  /// The answer to what was sent as `id`; an error without an id is meant for it too.
  result<std::string> answer_to(uint64_t id, size_t turns = stepped_scheduler::turns_max) {
    result<std::string> answer = fail(errc::internal, "no answer came at all");
    eventually(
        [&] {
          auto frame = person->receive(duration::zero());
          while (frame && frame->id != id && frame->id != 0)
            frame = person->receive(duration::zero());
          if (!frame) return false;
          auto reply = wire::read_frame<console_reply>(*frame);
          if (reply)
            answer = std::move(reply->document);
          else
            answer = tl::unexpected<error>(reply.error());
          return true;
        },
        turns);
    return answer;
  }
  /// After a restart, for what is not refused: a question may go down with the old connection.
  result<std::string> ask_anew(const words& line) {
    result<std::string> answer = fail(errc::internal, "not asked");
    for (int i = 0; i < 10 && !answer; ++i) answer = answer_to(person->send(line_frame(line)), 500);
    return answer;
  }
  result<std::string> ask(words line) { return answer_to(person->send(line_frame(line))); }
  /// "errc: detail" of the refusal.
  std::string refusal(words line) { return refusal_of(ask(std::move(line))); }
  static std::string refusal_of(const result<std::string>& answer) {
    return answer ? "not refused: " + *answer : to_string(answer.error());
  }
  /// 0: no socket is there.
  mode_t socket_mode() const {
    struct stat found {};
    auto path = directory / "console.sock";
    return ::stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode) ? found.st_mode & 07777 : 0;
  }
  bool still_answers() {
    auto answer = ask({"show", names::console, "status"});
    return answer && answer->find("\"role\":\"central\"") != std::string::npos;
  }
};

/// Speaks ZeroMQ, but not the protocol.
struct stranger {
  zmq::context_t context{1};
  zmq::socket_t socket{context, zmq::socket_type::dealer};
  explicit stranger(const std::string& endpoint) {
    socket.set(zmq::sockopt::linger, 0);
    socket.connect(endpoint);
  }
  void send(const words& parts) {
    for (size_t i = 0; i < parts.size(); ++i)
      (void)socket.send(zmq::buffer(parts[i]),
                        i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
  std::optional<error_reply> refused() {
    std::vector<zmq::message_t> parts;
    if (!zmq::recv_multipart(socket, std::back_inserter(parts), zmq::recv_flags::dontwait)
        || parts.size() != 2)
      return std::nullopt;
    auto reply = wire::decode<error_reply>(parts[1].to_string_view());
    return reply ? std::optional{*reply} : std::nullopt;
  }
};

struct events_stage : surface_stage {
  std::filesystem::path file = directory / "events.jsonl";

  void restart() {
    kill(names::event_publisher);
    start(names::event_publisher, event_publisher);
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> found;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
      if (!line.empty()) found.push_back(line);
    return found;
  }
  /// A subscription needs a moment: raises events until one comes through. Forgets them.
  void wait_for(subscriber& heard) {
    BOOST_REQUIRE(eventually([&] {
      raise("warm_up");
      return !heard.all<event>().empty();
    }));
    auto last = listed_events().back()[0].get<uint64_t>();
    BOOST_REQUIRE(eventually([&] { return heard.all<event>().back().id == last; }));
    std::lock_guard guard(heard.mutex);
    heard.received.clear();
  }
  double count_of(const std::string& name) const {
    double sum = 0;
    for (const auto& family : ctx->metrics->Collect())
      for (const auto& metric : family.metric)
        if (family.name == name) sum += metric.counter.value;
    return sum;
  }
};

/// "3 zone_formed".
inline words ids_and_kinds(const nlohmann::json& rows) {
  words found;
  for (const auto& row : rows) found.push_back(row[0].dump() + " " + row[3].get<std::string>());
  return found;
}

struct metrics_stage : surface_stage {
  void serve_at(const std::string& address) {
    config->endpoints.metrics = address;
    start(names::metrics_exporter, metrics_exporter);
  }
  nlohmann::json shown() {
    return nlohmann::json::parse(show(names::metrics_exporter, "metrics").value());
  }
  /// The lines of a scrape that begin so.
  static words scraped(uint16_t port, const std::string& begin) {
    std::istringstream answer(http_get(port, "/metrics"));
    words found;
    for (std::string line; std::getline(answer, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.starts_with(begin)) found.push_back(line);
    }
    return found;
  }
};

} // namespace harbinger::testing
