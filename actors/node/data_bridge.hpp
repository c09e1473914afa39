#pragma once

/// Owns the data ROUTER and the connections to peers. Knows who serves which type of request,
/// answers pings by itself (on the reactor's thread: never behind other work), and brings the
/// replies of peers back to whoever asked. What replica_server is to do goes into its inbox
/// (resources.hpp) and not message by message: what comes in while it works is taken at once.
///
/// Quits with errc::in_use in its reason's log line when the address is taken; its supervisor tries
/// again.

#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "actors/context.hpp"
#include "actors/node/resources.hpp"
#include "net/reactor.hpp"

namespace harbinger {

/// Ids on the wire are the bridge's own; the askers' come back with the replies. Thread-safe.
class peer_requests {
public:
  static constexpr size_t open_max =
      65'536; ///< beyond it the oldest is forgotten: its asker has long timed out

  struct asker {
    std::string name;
    uint64_t id = 0;
  };
  uint64_t open(asker who) {
    std::lock_guard guard(mutex_);
    if (open_.size() >= open_max) {
      open_.erase(open_.begin());
      ++forgotten_;
    }
    open_.emplace_hint(open_.end(), ++last_id_, std::move(who));
    return last_id_;
  }
  std::optional<asker> close(uint64_t id) {
    std::lock_guard guard(mutex_);
    auto found = open_.extract(id);
    return found.empty() ? std::nullopt : std::optional(std::move(found.mapped()));
  }
  size_t size() const {
    std::lock_guard guard(mutex_);
    return open_.size();
  }
  uint64_t forgotten() const {
    std::lock_guard guard(mutex_);
    return forgotten_;
  }

private:
  mutable std::mutex mutex_;
  std::map<uint64_t, asker> open_;
  uint64_t last_id_ = 0;
  uint64_t forgotten_ = 0;
};

/// The sockets, for who sends much: the same as telling the actor, without its turn in between.
/// Thread-safe; after the actor's end nothing goes out any more.
class bridge_port : public data_port {
public:
  void reply(data_reply message) override {
    reactor->send(message.socket, std::move(message.peer), std::move(message.message));
  }
  void request(peer_request message) override {
    message.message.id = requests.open({std::move(message.reply_to), message.message.id});
    reactor->send_to_endpoint(std::move(message.endpoint), std::move(message.message));
  }
  peer_requests requests;
  std::unique_ptr<net::reactor> reactor; ///< last: its thread ends before what it uses
};

struct data_bridge_state {
  static constexpr const char* name = "data_bridge";
  ~data_bridge_state();
  context_ptr ctx;
  size_t socket = 0;
  std::shared_ptr<bridge_port> port;
};

data_bridge_actor::behavior_type
data_bridge(data_bridge_actor::stateful_pointer<data_bridge_state> self, context_ptr ctx);

} // namespace harbinger
