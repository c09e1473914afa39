#pragma once

/// One thread that owns ZeroMQ sockets. Everything that arrives is checked for frame and size and
/// handed to one callback on that thread; everything to be sent is queued from any thread. Nothing
/// here knows what messages mean.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "wire/frame.hpp"

namespace harbinger::net {

enum class socket_kind : uint8_t { router, dealer, publisher, subscriber };

struct socket_options {
  socket_kind kind = socket_kind::router;
  std::string endpoint; ///< "tcp://127.0.0.1:7000" or "ipc:///run/harbinger/console.sock"
  bool bind = false;    ///< else connect (and reconnect for ever)
  size_t message_bytes_max = 9 << 20;
  /// Messages kept each way; beyond it ZeroMQ drops (PUB) or refuses (counted)
  int queue_max = 10'000;
  std::vector<std::string> topics = {}; ///< subscriber: prefixes; empty: all
  bool owner_only = false;              ///< ipc: mode 0600
};

/// `peer` identifies the sender for a reply: the routing id at a router, the endpoint for
/// send_to_endpoint's replies, the topic for a subscriber.
struct incoming {
  size_t socket = 0;
  std::string peer;
  wire::frame message;
};

struct reactor_counters {
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> malformed{0};   ///< frames refused before decoding
  std::atomic<uint64_t> undelivered{0}; ///< peer gone, a queue full, or stopped
  std::atomic<uint64_t> failed{0};      ///< the handler threw
  std::atomic<uint64_t> peers{0};       ///< connections of send_to_endpoint that are open now
};

class reactor {
public:
  using handler = std::function<void(incoming&&)>;
  /// `socket` of messages that come back on a connection opened by send_to_endpoint.
  static constexpr size_t peer_socket = SIZE_MAX;
  static constexpr size_t peers_max = 4096;
  /// Queued sends; beyond it the newest is dropped and counted
  static constexpr size_t outgoing_max = 200'000;
  static constexpr size_t outgoing_bytes_max = 512 << 20; ///< and this many bytes of bodies
  /// Messages kept for an endpoint that does not take them
  static constexpr int peer_queue_max = 1000;
  /// And bytes of large bodies, for each socket or endpoint
  static constexpr size_t pending_bytes_max = 128 << 20;

  /// A connection of send_to_endpoint on which nothing has come back for `peer_idle` is closed,
  /// with what still waits there; the next message opens it anew. So a dead peer costs nothing for
  /// long.
  explicit reactor(duration peer_idle = seconds(60));
  ~reactor(); ///< stops
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// Before start. in_use when the address is taken (for ipc: when somebody listens there; a dead
  /// process's socket file is replaced), invalid_argument for a bad endpoint, io otherwise. Returns
  /// the socket's number.
  result<size_t> add(const socket_options& options);
  /// The address that was bound, with the port that "tcp://127.0.0.1:*" got.
  std::string bound_endpoint(size_t socket) const;
  /// Once, after all add()s. The handler runs on the reactor's thread; it must not block and must
  /// not stop() or destroy the reactor. When it throws, the message is counted as failed, and a
  /// router's peer gets errc::internal.
  void start(handler on_message);
  /// Sends from any thread, without waiting, in order; never fails: what can not go out is counted
  /// as undelivered. `peer`: routing id (router), topic (publisher), unused (dealer). Dealers keep
  /// messages while there is no connection.
  void send(size_t socket, std::string peer, wire::frame message);
  /// Sends to another node's router, opening the connection on first use.
  void send_to_endpoint(std::string endpoint, wire::frame message);
  /// Closes the connection to an endpoint (a dead node's), if there is one.
  void forget_endpoint(std::string endpoint);
  /// Ends the thread; what is queued is sent first if that takes no more than 100 ms. Afterwards
  /// the handler is not called any more, bound addresses are free and sends are dropped.
  /// Idempotent; not for two threads at once.
  void stop();

  const reactor_counters& counters() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger::net
