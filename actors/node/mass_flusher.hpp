#pragma once

/// Writes to mass storage what this node is primary of: the log each mass_storage.flush_ms, a
/// checkpoint of what changed each mass_storage.checkpoint_s; trims the store's logs, those that
/// grow fast every few seconds. Spawn detached: it fsyncs.
///
/// Owns nothing that lasts: where it left off is found in the directory after a restart, or when a
/// partition becomes ours.

#include <map>

#include "actors/context.hpp"
#include "core/version.hpp"
#include "store/trim_pace.hpp"

namespace harbinger {

struct mass_flusher_state {
  static constexpr const char* name = "mass_flusher";
  struct row {
    harbinger::epoch epoch; ///< of the head when `flushed` was looked up
    version flushed;        ///< the log in mass storage reaches so far
    version checkpoint;     ///< newest one known
    std::string trouble;    ///< last failure; empty: none
  };
  context_ptr ctx;
  std::map<partition_id, row> rows; ///< partitions this node is primary of
  time_point checkpoint_at{};
  trim_pace trimming;
  uint64_t round = 0;
};

/// Without mass storage (no directory configured) it only trims logs. `ctx->node` must be there.
mass_flusher_actor::behavior_type
mass_flusher(mass_flusher_actor::stateful_pointer<mass_flusher_state> self, context_ptr ctx);

} // namespace harbinger
