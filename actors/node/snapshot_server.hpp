#pragma once

/// Source side of copies: answers snapshot.open, snapshot.pull and delta.pull from the store. Spawn
/// detached: it reads much.
///
/// Gives away committed state only: a replica that is not the primary and has a tail beyond its
/// commit point answers snapshot.open with unavailable (try again) and deltas up to the commit
/// point. Snapshots of an earlier life of this actor are not_found to their users, who then open
/// new ones.

#include <deque>
#include <memory>

#include "actors/context.hpp"
#include "prefetch/copy_source.hpp"

namespace harbinger {

struct snapshot_server_state {
  static constexpr const char* name = "snapshot_server";
  static constexpr size_t waiters_max =
      4096; ///< delta.pull with nothing to give yet; beyond it overloaded
  struct waiter {
    size_t socket = 0;
    std::string peer;
    uint64_t id = 0;
    delta_pull ask;
    time_point until;
  };
  context_ptr ctx;
  std::unique_ptr<copy_source> source;
  std::deque<waiter> waiters;
  uint64_t round = 0;
  bool fast = false; ///< ticking at the pace of waiters
  uint64_t chunks = 0, deltas = 0;
};

/// From any thread: the store has committed to the partition. Who waits for its deltas gets them
/// now.
void tell_of_commit(const context_ptr& ctx, partition_id partition);

/// `ctx->node` must be there.
snapshot_server_actor::behavior_type
snapshot_server(snapshot_server_actor::stateful_pointer<snapshot_server_state> self,
                context_ptr ctx);

} // namespace harbinger
