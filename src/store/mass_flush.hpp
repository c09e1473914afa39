#pragma once

/// One round of writing a partition to mass storage; what the flusher does each flush_ms and each
/// checkpoint_s.

#include "core/ids.hpp"
#include "store/mass_storage.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

inline constexpr size_t flush_segment_bytes = 8 << 20; ///< a segment ends when it has this much
inline constexpr size_t flush_segments_max =
    8; ///< per partition and round, so that others get their turn

struct flushed_log {
  uint64_t segments = 0, entries = 0;
  bool hole = false; ///< the store's log no longer reached back: full_rebuild begins from the
                     ///< checkpoint that bridges it
};

/// Writes the committed entries after `flushed` (advanced as segments become durable) of a
/// partition that this node is primary of. After log_trimmed a checkpoint is written and the log
/// goes on behind it.
result<flushed_log> flush_log(mass_storage& mass, partition_store& store,
                              const partition_head& head, const node_id& writer, version& flushed);

/// How much of its log a replica keeps for deltas; whichever is less.
struct log_keep {
  uint64_t entries = 0, bytes = 0;
};
/// How many entries that is, in a log of about `log_bytes` that reaches up to the head; at least
/// one.
uint64_t entries_to_keep(const partition_head& head, uint64_t log_bytes, const log_keep& keep);

/// Which entries of the store's log may go: all but the newest `keep`, and never one that mass
/// storage lacks. Nothing when there is nothing to trim yet.
std::optional<seq_no> trim_point(const partition_head& head, std::optional<version> flushed,
                                 uint64_t keep);

} // namespace harbinger
