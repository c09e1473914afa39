#include "net/reactor.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.hpp>

#include "core/ensure.hpp"
#include "net/endpoint.hpp"
#include "wire/codec.hpp"

namespace harbinger::net {
namespace {

constexpr int burst_max = 256; // messages taken from one socket before the others get their turn
constexpr size_t copied_bytes_max =
    4096; // parts up to here are copied into ZeroMQ, larger ones are handed over
constexpr size_t parts_max = 4; // with the routing id or topic in front

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
  auto code = errc::io;
  if (e.num() == EADDRINUSE) code = errc::in_use;
  if (e.num() == EINVAL || e.num() == EPROTONOSUPPORT || e.num() == ENODEV
      || e.num() == ENAMETOOLONG)
    code = errc::invalid_argument;
  return {code, endpoint + ": " + e.what()};
}

/// The socket file is born without rights for others; 0077 and not 0177, because the mask is the
/// whole process's for that moment, and a directory that another thread makes must stay usable.
void bind_private(zmq::socket_t& socket, const std::string& endpoint) {
  struct restore {
    mode_t before;
    ~restore() { ::umask(before); }
  } mask{::umask(0077)};
  socket.bind(endpoint);
  ::chmod(ipc_path(endpoint).c_str(), 0600);
}

/// Bytes handed to ZeroMQ for one socket and not yet sent; shared with messages that may outlive
/// the socket.
using byte_count = std::shared_ptr<std::atomic<size_t>>;

struct handed_over {
  blob part;
  byte_count pending;
};

zmq::message_t as_message(blob part, const byte_count& pending) {
  auto data = part.view();
  if (data.size() <= copied_bytes_max) return zmq::message_t(data.data(), data.size());
  auto owned = std::make_unique<handed_over>(handed_over{std::move(part), pending});
  auto size = data.size();
  zmq::message_t message(
      const_cast<char*>(data.data()), size, // ZeroMQ only reads what is sent
      [](void*, void* hint) {
        std::unique_ptr<handed_over> owner(static_cast<handed_over*>(hint));
        *owner->pending -= owner->part.size();
      },
      owned.get());
  *pending += size;
  (void)owned.release();
  return message;
}

/// What was received, as it lies in ZeroMQ's memory.
blob as_blob(zmq::message_t&& part) {
  auto owned = std::make_shared<zmq::message_t>(std::move(part));
  return {owned, owned->to_string_view()};
}

size_t bytes_of(const wire::frame& message) { return message.body.size() + message.bulk.size(); }

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
    byte_count pending = std::make_shared<std::atomic<size_t>>(0);
    time_point heard_at = std::chrono::steady_clock::now(); // of peers only: when one last answered
  };

  const duration peer_idle;
  zmq::context_t context{1};
  std::vector<open_socket> sockets;
  std::vector<std::string> bound; // kept after stop()
  std::map<std::string, open_socket> peers;
  std::mutex mutex;
  std::deque<outgoing> queue;
  size_t queue_bytes = 0;
  int wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::atomic<bool> stopping{false};
  std::thread thread;
  handler on_message;
  reactor_counters counters;

  explicit impl(duration idle) : peer_idle(idle) {
    ENSURE(wake >= 0);
    context.set(zmq::ctxopt::max_sockets, static_cast<int>(peers_max) + 64);
  }
  ~impl() { ::close(wake); }

  void configure(zmq::socket_t& socket, const socket_options& options) {
    socket.set(zmq::sockopt::linger, 100);
    socket.set(zmq::sockopt::sndhwm, options.queue_max);
    socket.set(zmq::sockopt::rcvhwm, options.queue_max);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(options.message_bytes_max));
    socket.set(zmq::sockopt::reconnect_ivl, 20);
    socket.set(zmq::sockopt::reconnect_ivl_max, 500);
    // A host that lost power sends no FIN: without these a connection to it would look open for
    // ever.
    socket.set(zmq::sockopt::heartbeat_ivl, 5000);
    socket.set(zmq::sockopt::heartbeat_timeout, 15000);
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
    bool was_empty = false;
    {
      std::lock_guard guard(mutex);
      auto bytes = bytes_of(item.message);
      bool forget = item.where == outgoing::to::forget;
      if (stopping
          || (!forget
              && (queue.size() >= outgoing_max || queue_bytes + bytes > outgoing_bytes_max))) {
        ++counters.undelivered;
        return;
      }
      was_empty = queue.empty();
      queue_bytes += bytes;
      queue.push_back(std::move(item));
    }
    if (was_empty) kick(); // else a kick is under way: flush() takes everything at once
  }

  void kick() {
    uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wake, &one, sizeof one);
  }

  void send_parts(open_socket& to, const std::string* lead, wire::frame message) {
    if (*to.pending + bytes_of(message) > pending_bytes_max) {
      ++counters.undelivered;
      return;
    }
    try {
      auto header = wire::encode_header(message.type, message.id);
      auto body = message.body.size() <= copied_bytes_max
                      ? zmq::message_t(message.body.data(), message.body.size())
                      : as_message(blob(std::move(message.body)), to.pending);
      bool more = !message.bulk.empty();
      // Only the first part can be refused: once it is taken, ZeroMQ takes (or drops) the message
      // as a whole.
      auto flags = zmq::send_flags::sndmore | zmq::send_flags::dontwait;
      bool taken = (!lead || to.socket.send(zmq::buffer(*lead), flags))
                   && to.socket.send(zmq::buffer(header), flags)
                   && to.socket.send(body, more ? flags : zmq::send_flags::dontwait)
                   && (!more
                       || to.socket.send(as_message(std::move(message.bulk), to.pending),
                                         zmq::send_flags::dontwait));
      ++(taken ? counters.sent : counters.undelivered); // not taken: the peer's queue is full
    } catch (const zmq::error_t&) {
      ++counters.undelivered;
    } // EHOSTUNREACH: the peer is gone
  }

  open_socket* peer(const std::string& endpoint) {
    if (auto it = peers.find(endpoint); it != peers.end()) return &it->second;
    if (peers.size() >= peers_max) return nullptr;
    try {
      zmq::socket_t socket(context, zmq::socket_type::dealer);
      configure(socket,
                {.kind = socket_kind::dealer, .endpoint = endpoint, .queue_max = peer_queue_max});
      socket.connect(endpoint);
      auto made =
          peers.emplace(endpoint, open_socket{socket_kind::dealer, std::move(socket), endpoint});
      counters.peers = peers.size();
      return &made.first->second;
    } catch (const zmq::error_t&) {
      return nullptr;
    }
  }

  template <class Predicate>
  void forget_peers(Predicate which) {
    for (auto it = peers.begin(); it != peers.end();) {
      if (which(it->first, it->second)) {
        it->second.socket.set(zmq::sockopt::linger, 0);
        it = peers.erase(it);
      } else {
        ++it;
      }
    }
    counters.peers = peers.size();
  }

  void deliver(outgoing& item) {
    switch (item.where) {
    case outgoing::to::socket: {
      auto& target = sockets[item.socket];
      bool addressed = target.kind == socket_kind::router || target.kind == socket_kind::publisher;
      send_parts(target, addressed ? &item.peer : nullptr, std::move(item.message));
      break;
    }
    case outgoing::to::endpoint:
      if (auto* to = peer(item.peer))
        send_parts(*to, nullptr, std::move(item.message));
      else
        ++counters.undelivered;
      break;
    case outgoing::to::forget:
      forget_peers(
          [&](const std::string& endpoint, const open_socket&) { return endpoint == item.peer; });
      break;
    }
  }

  void flush() {
    std::deque<outgoing> batch;
    {
      std::lock_guard guard(mutex);
      batch.swap(queue);
      queue_bytes = 0;
    }
    for (auto& item : batch) deliver(item);
  }

  /// The parts of the next message, at most parts_max + 1 of them (another is read and dropped);
  /// empty when none waits.
  static std::vector<zmq::message_t> take_parts(zmq::socket_t& socket) {
    std::vector<zmq::message_t> parts;
    bool more = true;
    while (more) {
      zmq::message_t part;
      if (!socket.recv(part, zmq::recv_flags::dontwait)) break;
      more = part.more();
      if (parts.size() <= parts_max) parts.push_back(std::move(part));
    }
    return parts;
  }

  /// False when nothing waits.
  bool take_one(size_t number, open_socket& from) {
    auto parts = take_parts(from.socket);
    if (parts.empty()) return false;
    bool led = from.kind == socket_kind::router || from.kind == socket_kind::subscriber;
    std::string sender = led ? parts[0].to_string() : from.bound;
    size_t first = led ? 1 : 0; // header, body, and perhaps bulk data
    if (parts.size() != first + 2 && parts.size() != first + 3) {
      refuse(from, sender, {errc::malformed, "expected a header part and a body part"});
      return true;
    }
    auto head = wire::decode_header(parts[first].to_string_view());
    if (!head) {
      refuse(from, sender, head.error());
      return true;
    }
    ++counters.received;
    try {
      auto bulk = parts.size() > first + 2 ? as_blob(std::move(parts[first + 2])) : blob{};
      on_message(
          {number,
           sender,
           {std::move(head->type), head->id, parts[first + 1].to_string(), std::move(bulk)}});
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception&
                 e) { // a defect of the handler's, but one message must not stop the service (P10)
      ++counters.failed;
      if (from.kind == socket_kind::router)
        send_parts(from, &sender, wire::make_error(head->id, {errc::internal, e.what()}));
    }
    return true;
  }

  void refuse(open_socket& from, const std::string& sender, const error& why) {
    ++counters.malformed;
    if (from.kind == socket_kind::router) send_parts(from, &sender, wire::make_error(0, why));
  }

  void drain(size_t number, open_socket& from) {
    try {
      for (int i = 0; i < burst_max && take_one(number, from); ++i) {
      }
    } catch (const zmq::error_t& e) {
      if (e.num() != EINTR) throw;
    }
  }

  /// Level-triggered: what a burst left waiting is found by the next poll. An exception that comes
  /// this far (no memory, or ZeroMQ refusing what it never may) ends the process (std::terminate),
  /// not just this thread without a word.
  void run() {
    ::pthread_setname_np(::pthread_self(), "reactor");
    auto swept_at = std::chrono::steady_clock::now();
    while (!stopping) {
      std::vector<zmq::pollitem_t> items;
      items.push_back({nullptr, wake, ZMQ_POLLIN, 0});
      for (auto& s : sockets) items.push_back({s.socket.handle(), 0, ZMQ_POLLIN, 0});
      for (auto& [endpoint, p] : peers) items.push_back({p.socket.handle(), 0, ZMQ_POLLIN, 0});
      try {
        zmq::poll(items, std::chrono::milliseconds(500));
      } catch (const zmq::error_t& e) {
        if (e.num() == EINTR) continue;
        throw;
      }
      uint64_t count = 0;
      [[maybe_unused]] auto got = ::read(wake, &count, sizeof count); // sets it back to 0
      size_t next = 1;
      for (size_t i = 0; i < sockets.size(); ++i, ++next)
        if (items[next].revents & ZMQ_POLLIN) drain(i, sockets[i]);
      for (auto& [endpoint, p] : peers)
        if (items[next++].revents & ZMQ_POLLIN) {
          p.heard_at = std::chrono::steady_clock::now();
          drain(peer_socket, p);
        }
      flush();
      auto now = std::chrono::steady_clock::now();
      if (now - swept_at < peer_idle / 4) continue;
      swept_at = now;
      forget_peers(
          [&](const std::string&, const open_socket& p) { return now - p.heard_at >= peer_idle; });
    }
    flush();
  }
};

reactor::reactor(duration peer_idle) : impl_(std::make_unique<impl>(peer_idle)) {}

reactor::~reactor() { stop(); }

result<size_t> reactor::add(const socket_options& options) {
  ENSURE(!impl_->thread.joinable() && !impl_->stopping);
  if (port_too_large(options.endpoint))
    return fail(errc::invalid_argument, options.endpoint + ": no such port");
  if (options.bind && listened_to(ipc_path(options.endpoint)))
    return fail(errc::in_use, options.endpoint + ": somebody listens there");
  try {
    zmq::socket_t socket(impl_->context, zmq_type(options.kind));
    impl_->configure(socket, options);
    if (!options.bind)
      socket.connect(options.endpoint);
    else if (options.owner_only && options.endpoint.starts_with("ipc://"))
      bind_private(socket, options.endpoint);
    else
      socket.bind(options.endpoint);
    auto bound = options.bind ? socket.get(zmq::sockopt::last_endpoint) : options.endpoint;
    impl_->sockets.push_back({options.kind, std::move(socket), bound});
    impl_->bound.push_back(std::move(bound));
    return impl_->sockets.size() - 1;
  } catch (const zmq::error_t& e) {
    return tl::unexpected<error>(from_zmq(e, options.endpoint));
  }
}

std::string reactor::bound_endpoint(size_t socket) const { return impl_->bound.at(socket); }

void reactor::start(handler on_message) {
  ENSURE(!impl_->thread.joinable() && !impl_->stopping);
  impl_->on_message = std::move(on_message);
  impl_->thread = std::thread([this] { impl_->run(); });
}

void reactor::send(size_t socket, std::string peer, wire::frame message) {
  ENSURE(socket < impl_->bound.size());
  impl_->push({outgoing::to::socket, socket, std::move(peer), std::move(message)});
}

void reactor::send_to_endpoint(std::string endpoint, wire::frame message) {
  impl_->push({outgoing::to::endpoint, 0, std::move(endpoint), std::move(message)});
}

void reactor::forget_endpoint(std::string endpoint) {
  impl_->push({outgoing::to::forget, 0, std::move(endpoint), {}});
}

void reactor::stop() {
  {
    std::lock_guard guard(impl_->mutex); // no push() after the last flush()
    impl_->stopping = true;
  }
  impl_->kick();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->peers.clear();
  impl_->sockets.clear();
  impl_->context.close(); // waits for the sockets to linger and for their ports to be free
}

const reactor_counters& reactor::counters() const { return impl_->counters; }

} // namespace harbinger::net
