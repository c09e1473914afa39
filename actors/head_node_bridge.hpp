#pragma once

/// The centre's control socket: nodes say hello, beat and report; commands go out to them; clients
/// get the map and who is at risk, and create volumes. Nothing that comes in here changes state by
/// itself: hellos and volumes go through catalog_keeper.

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "net/reactor.hpp"

namespace harbinger {

struct head_node_bridge_state {
  static constexpr const char* name = "head_node_bridge";
  static constexpr size_t commands_max = 10'000; ///< without an answer; beyond it errc::overloaded
  static constexpr int64_t waiting_max =
      20'000; ///< frames taken off the socket and not looked at; beyond it dropped, counted

  struct pending_command {
    node_id node;
    std::string peer;
    caf::typed_response_promise<node_command_done> answer;
    time_point deadline;
  };
  ~head_node_bridge_state();

  catalog_view view;
  std::map<node_id, std::string>
      peers; ///< routing id a node was last heard from, in its current life
  std::map<uint64_t, pending_command> commands;
  uint64_t last_command = 0;
  std::string encoded_map; ///< the whole map at encoded_revision
  revision encoded_revision;
  time_point asked_for_map{};
  std::vector<node_id> at_risk; ///< sorted; in zones at `zones_at`
  std::optional<time_point> zones_at;
  std::shared_ptr<std::atomic<int64_t>> waiting = std::make_shared<std::atomic<int64_t>>(0);
  std::unique_ptr<net::reactor> reactor;
  size_t socket = 0;
};

/// Binds settings.endpoints.control; when that fails it says why and quits. "control" shows
/// connected nodes and counters. What is malformed, unknown, of an older life or too much is
/// counted and, where somebody waits for it, answered with an error.
head_node_bridge_actor::behavior_type
head_node_bridge(head_node_bridge_actor::stateful_pointer<head_node_bridge_state> self,
                 context_ptr ctx);

} // namespace harbinger
