#include "net/reactor.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.hpp>
#include <zmq_addon.hpp>

#include "core/ensure.hpp"
#include "wire/codec.hpp"

namespace harbinger::net {
namespace {

constexpr int burst_max = 256; // messages taken from one socket before the others get their turn

zmq::socket_type zmq_type(socket_kind kind) {
  switch (kind) {
  case socket_kind::router: return zmq::socket_type::router;
  case socket_kind::dealer: return zmq::socket_type::dealer;
  case socket_kind::publisher: return zmq::socket_type::pub;
  case socket_kind::subscriber: return zmq::socket_type::sub;
  }
  return zmq::socket_type::router;
}

error from_zmq(const zmq::error_t& e, const std::string& endpoint) {
  auto code = e.num() == EADDRINUSE ? errc::in_use : e.num() == EINVAL ? errc::invalid_argument : errc::io;
  return {code, endpoint + ": " + e.what()};
}

struct outgoing {
  enum class to : uint8_t { socket, endpoint, forget } where = to::socket;
  size_t socket = 0;
  std::string peer;
  wire::frame message;
};

} // namespace

struct reactor::impl {
  struct open_socket {
    socket_kind kind;
    zmq::socket_t socket;
    std::string bound;
  };

  zmq::context_t context{1};
  std::vector<open_socket> sockets;
  std::map<std::string, zmq::socket_t> peers;
  std::mutex mutex;
  std::deque<outgoing> queue;
  int wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::atomic<bool> stopping{false};
  std::thread thread;
  handler on_message;
  reactor_counters counters;

  ~impl() { ::close(wake); }

  void configure(zmq::socket_t& socket, const socket_options& options) {
    socket.set(zmq::sockopt::linger, 100);
    socket.set(zmq::sockopt::sndhwm, options.queue_max);
    socket.set(zmq::sockopt::rcvhwm, options.queue_max);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(options.message_bytes_max));
    socket.set(zmq::sockopt::reconnect_ivl, 20);
    socket.set(zmq::sockopt::reconnect_ivl_max, 500);
    if (options.kind == socket_kind::router) {
      socket.set(zmq::sockopt::router_mandatory, true);
      socket.set(zmq::sockopt::router_handover, true);
    }
    if (options.kind == socket_kind::subscriber) {
      if (options.topics.empty()) socket.set(zmq::sockopt::subscribe, "");
      for (const auto& topic : options.topics) socket.set(zmq::sockopt::subscribe, topic);
    }
  }

  void push(outgoing item) {
    {
      std::lock_guard guard(mutex);
      if (queue.size() >= outgoing_max) {
        ++counters.undelivered;
        return;
      }
      queue.push_back(std::move(item));
    }
    kick();
  }

  void kick() {
    uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wake, &one, sizeof one);
  }

  void send_parts(zmq::socket_t& socket, const std::string* lead, const wire::frame& message) {
    try {
      auto flags = zmq::send_flags::sndmore | zmq::send_flags::dontwait;
      if (lead && !socket.send(zmq::buffer(*lead), flags)) throw zmq::error_t();
      if (!socket.send(zmq::buffer(wire::encode_header(message.type, message.id)), flags)) throw zmq::error_t();
      if (!socket.send(zmq::buffer(message.body), zmq::send_flags::dontwait)) throw zmq::error_t();
      ++counters.sent;
    } catch (const zmq::error_t&) { // EHOSTUNREACH: the peer is gone; EAGAIN: its queue is full
      ++counters.undelivered;
    }
  }

  zmq::socket_t* peer(const std::string& endpoint) {
    if (auto it = peers.find(endpoint); it != peers.end()) return &it->second;
    if (peers.size() >= peers_max) return nullptr;
    try {
      zmq::socket_t socket(context, zmq::socket_type::dealer);
      configure(socket, {.kind = socket_kind::dealer, .endpoint = endpoint});
      socket.connect(endpoint);
      return &peers.emplace(endpoint, std::move(socket)).first->second;
    } catch (const zmq::error_t&) { return nullptr; }
  }

  void deliver(outgoing& item) {
    switch (item.where) {
    case outgoing::to::socket: {
      auto& target = sockets.at(item.socket);
      bool addressed = target.kind == socket_kind::router || target.kind == socket_kind::publisher;
      send_parts(target.socket, addressed ? &item.peer : nullptr, item.message);
      break;
    }
    case outgoing::to::endpoint:
      if (auto* socket = peer(item.peer)) send_parts(*socket, nullptr, item.message);
      else ++counters.undelivered;
      break;
    case outgoing::to::forget:
      if (auto it = peers.find(item.peer); it != peers.end()) {
        it->second.set(zmq::sockopt::linger, 0);
        peers.erase(it);
      }
      break;
    }
  }

  void flush() {
    std::deque<outgoing> batch;
    {
      std::lock_guard guard(mutex);
      batch.swap(queue);
    }
    for (auto& item : batch) deliver(item);
  }

  /// False when nothing waits.
  bool take_one(size_t number, socket_kind kind, zmq::socket_t& socket, const std::string& endpoint) {
    std::vector<zmq::message_t> parts;
    if (!zmq::recv_multipart(socket, std::back_inserter(parts), zmq::recv_flags::dontwait)) return false;
    bool led = kind == socket_kind::router || kind == socket_kind::subscriber;
    std::string peer = led && !parts.empty() ? parts[0].to_string() : endpoint;
    if (parts.size() != (led ? 3u : 2u)) {
      refuse(number, kind, peer, 0, {errc::malformed, "expected a header part and a body part"});
      return true;
    }
    auto head = wire::decode_header(parts[parts.size() - 2].to_string_view());
    if (!head) {
      refuse(number, kind, peer, 0, head.error());
      return true;
    }
    ++counters.received;
    on_message({number, std::move(peer), {std::move(head->type), head->id, parts.back().to_string()}});
    return true;
  }

  void refuse(size_t number, socket_kind kind, const std::string& peer, uint64_t id, const error& why) {
    ++counters.malformed;
    if (kind == socket_kind::router) send_parts(sockets[number].socket, &peer, wire::make_error(id, why));
  }

  void drain(size_t number, socket_kind kind, zmq::socket_t& socket, const std::string& endpoint) {
    for (int i = 0; i < burst_max && take_one(number, kind, socket, endpoint); ++i) {}
  }

  void run() {
    while (!stopping) {
      std::vector<zmq::pollitem_t> items;
      items.push_back({nullptr, wake, ZMQ_POLLIN, 0});
      for (auto& s : sockets) items.push_back({s.socket.handle(), 0, ZMQ_POLLIN, 0});
      for (auto& [endpoint, socket] : peers) items.push_back({socket.handle(), 0, ZMQ_POLLIN, 0});
      try {
        zmq::poll(items, std::chrono::milliseconds(500));
      } catch (const zmq::error_t& e) {
        if (e.num() == EINTR) continue;
        break;
      }
      uint64_t count = 0;
      while (::read(wake, &count, sizeof count) > 0) {}
      size_t next = 1;
      for (size_t i = 0; i < sockets.size(); ++i, ++next)
        if (items[next].revents & ZMQ_POLLIN) drain(i, sockets[i].kind, sockets[i].socket, sockets[i].bound);
      for (auto& [endpoint, socket] : peers)
        if (items[next++].revents & ZMQ_POLLIN) drain(peer_socket, socket_kind::dealer, socket, endpoint);
      flush();
    }
    flush();
  }
};

reactor::reactor() : impl_(std::make_unique<impl>()) {}

reactor::~reactor() { stop(); }

result<size_t> reactor::add(const socket_options& options) {
  ENSURE(!impl_->thread.joinable());
  try {
    zmq::socket_t socket(impl_->context, zmq_type(options.kind));
    impl_->configure(socket, options);
    if (options.bind) socket.bind(options.endpoint);
    else socket.connect(options.endpoint);
    auto bound = options.bind ? socket.get(zmq::sockopt::last_endpoint) : options.endpoint;
    if (options.owner_only && bound.starts_with("ipc://")) ::chmod(bound.c_str() + 6, 0600);
    impl_->sockets.push_back({options.kind, std::move(socket), bound});
    return impl_->sockets.size() - 1;
  } catch (const zmq::error_t& e) { return tl::unexpected<error>(from_zmq(e, options.endpoint)); }
}

std::string reactor::bound_endpoint(size_t socket) const { return impl_->sockets.at(socket).bound; }

void reactor::start(handler on_message) {
  ENSURE(!impl_->thread.joinable());
  impl_->on_message = std::move(on_message);
  impl_->thread = std::thread([this] { impl_->run(); });
}

void reactor::send(size_t socket, std::string peer, wire::frame message) {
  impl_->push({outgoing::to::socket, socket, std::move(peer), std::move(message)});
}

void reactor::send_to_endpoint(std::string endpoint, wire::frame message) {
  impl_->push({outgoing::to::endpoint, 0, std::move(endpoint), std::move(message)});
}

void reactor::forget_endpoint(std::string endpoint) {
  impl_->push({outgoing::to::forget, 0, std::move(endpoint), {}});
}

void reactor::stop() {
  if (!impl_) return;
  impl_->stopping = true;
  impl_->kick();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->peers.clear();
  impl_->sockets.clear();
}

const reactor_counters& reactor::counters() const { return impl_->counters; }

} // namespace harbinger::net
