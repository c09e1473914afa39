#pragma once

/// Target side of the copies of this node: one copy_pull per partition (src/prefetch/copy_pull.hpp
/// decides). Spawn detached: it writes the store. Restores from mass storage run in detached
/// children, so that they do not hold up deltas.
///
/// After a restart it knows nothing: copies stay at the version they have until the centre repeats
/// copy.start, which takes up what the store holds of that very copy.

#include <atomic>
#include <deque>
#include <map>
#include <memory>

#include "actors/context.hpp"
#include "prefetch/copy_pull.hpp"

namespace harbinger {

struct copy_receiver_state {
  static constexpr const char* name = "copy_receiver";
  static constexpr size_t pulls_max =
      65'536; ///< partitions copied to this node; beyond it copy.start is overloaded
  static constexpr size_t restores_max = 2;     ///< from mass storage at once; the others wait
  static constexpr size_t replays_max = 65'536; ///< waiting; beyond it copy.replay is overloaded

  struct entry {
    std::unique_ptr<copy_pull> pull;
    std::vector<node_address> sources = {};      ///< of the newest command
    uint32_t slot = 0;                           ///< upper half of the ids of its requests
    replica_state told = replica_state::copying; ///< last state that was logged
    uint64_t counted_bytes = 0, counted_checksums = 0, counted_restarts = 0;
  };
  struct restore {
    partition_id partition;
    copy_id copy;
    restore_method method = restore_method::full_rebuild;
    std::optional<uint64_t> replay_for; ///< id of the copy.replay: only the log after what is there
  };

  context_ptr ctx;
  std::map<partition_id, entry> pulls;
  std::map<uint32_t, partition_id> slots;
  uint32_t next_slot = 1;
  std::shared_ptr<token_bucket> bucket = std::make_shared<token_bucket>();
  std::shared_ptr<token_bucket> yielding = std::make_shared<token_bucket>();
  std::deque<restore> restores_waiting;
  size_t restores_running = 0;
  /// True once this actor is gone: its restores stop.
  std::shared_ptr<std::atomic<bool>> stop = std::make_shared<std::atomic<bool>>(false);
  uint64_t round = 0;
  uint64_t counted_backoffs = 0;

  ~copy_receiver_state() { *stop = true; }
};

/// `ctx->node` must be there.
copy_receiver_actor::behavior_type
copy_receiver(copy_receiver_actor::stateful_pointer<copy_receiver_state> self, context_ptr ctx);

} // namespace harbinger
