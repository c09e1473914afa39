#pragma once

/// What every actor is born with: whom it can find, what it is configured with, where it counts.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include <caf/all.hpp>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "app/config.hpp"
#include "core/settings.hpp"
#include "core/time.hpp"
#include "messages/interfaces.hpp"

namespace harbinger {

/// Name -> the actor's current incarnation. Thread-safe. The supervisor writes it, everybody looks
/// up at each send, so that a restarted actor is found at once.
class directory {
public:
  void set(const std::string& name, caf::actor handle);
  void erase(const std::string& name, const caf::actor& handle); ///< only if it is still that one
  caf::actor find(const std::string& name) const;                ///< null handle: not running now
  std::map<std::string, caf::actor> all() const;

private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, caf::actor> actors_;
};

// The store and the mass storage of a node (actors/node/resources.hpp); central: null
struct node_resources;
struct central_resources; // the catalog's database (actors/resources.hpp); node: null

struct context {
  directory names;
  /// The settings the process started with; later ones come as config_changed.
  std::shared_ptr<const settings> config;
  std::shared_ptr<prometheus::Registry> metrics = std::make_shared<prometheus::Registry>();
  std::function<unix_ms()> wall_clock;
  /// The term of this life of the centre (central) and the incarnation of this life of the node
  /// (node).
  harbinger::term term;
  incarnation life;
  std::shared_ptr<node_resources> node;
  std::shared_ptr<central_resources> central;
  /// How the process was started; what config_keeper reads again at SIGHUP.
  daemon_role role = daemon_role::central;
  std::string config_file; ///< empty: none (tests)
  /// Of the command line; they win over file and journal
  std::vector<config_change> config_changes;
  std::string version; ///< of the program, for the journal; empty: nothing is said of the start
  std::atomic<bool> start_told{false}; ///< the journal of events has the start of this life
  /// Batches of telemetry published in this life; outlives a restarted publisher.
  std::atomic<uint64_t> telemetry_seq{0};
  /// Messages of samples sent to history_keeper and not taken by it.
  std::atomic<int64_t> history_waiting{0};
};
using context_ptr = std::shared_ptr<context>;

/// Sends `message` to the actor that is called `name` now. False when it is not running: messages
/// that must arrive are requests with a timeout, or are sent again from state.
template <class Interface, class Self, class Message>
bool tell(Self* self, const context_ptr& ctx, const char* name, Message message) {
  auto found = ctx->names.find(name);
  if (!found) return false;
  self->send(caf::actor_cast<Interface>(found), std::move(message));
  return true;
}

/// The same from a thread that is no actor (a reactor's handler).
template <class Interface, class Message>
bool tell_from_outside(const context_ptr& ctx, const char* name, Message message) {
  auto found = ctx->names.find(name);
  if (!found) return false;
  caf::anon_send(caf::actor_cast<Interface>(found), std::move(message));
  return true;
}

/// Makes an actor that no supervisor started known as `name` for as long as it lives.
template <class Self>
void name_while_alive(Self* self, const context_ptr& ctx, std::string name) {
  ctx->names.set(name, caf::actor_cast<caf::actor>(self->ctrl()));
  self->attach_functor([ctx, name = std::move(name), address = self->address()] {
    if (auto known = ctx->names.find(name); known && known.address() == address)
      ctx->names.erase(name, known);
  });
}

/// Publishes an event (P9); `fields` are the inputs, rule, result and rejected options.
template <class Self>
void raise_event(Self* self, const context_ptr& ctx, severity level, std::string kind,
                 std::string subject, std::string text,
                 std::map<std::string, std::string> fields = {}) {
  tell<event_publisher_actor>(
      self, ctx, "event_publisher",
      event{0, {}, level, std::move(kind), std::move(subject), std::move(text), std::move(fields)});
}

/// A counter of the process, made on first use: count(ctx, "harbinger_telemetry_lost_total",
/// "samples lost on the way").
prometheus::Counter& counter(const context_ptr& ctx, const std::string& name,
                             const std::string& help,
                             const std::map<std::string, std::string>& labels = {});
prometheus::Gauge& gauge(const context_ptr& ctx, const std::string& name, const std::string& help,
                         const std::map<std::string, std::string>& labels = {});

} // namespace harbinger
