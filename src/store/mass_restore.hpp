#pragma once

/// Makes a copy from mass storage: what recovery costs when nothing was prefetched.

#include <atomic>

#include "messages/common.hpp"
#include "store/mass_storage.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

struct mass_restored {
  harbinger::version
      version; ///< zero: mass storage has nothing of this partition, the copy is empty
  harbinger::version checkpoint; ///< it began from; zero: from the beginning of the log
  uint64_t entries = 0;          ///< log entries replayed
  uint64_t rows = 0;             ///< taken from the checkpoint
  uint64_t bytes_read = 0;
};

/// Largest partition that full_rebuild folds in memory. A larger one is replayed entry by entry
/// into the store, which takes longer and no memory.
inline constexpr uint64_t fold_bytes_max = 2ull << 30;

/// * full_rebuild: reads the whole log from its beginning, folds it (up to `fold_max` bytes) and
///   stores what is left. Where the beginning was trimmed, or has a hole that a checkpoint bridges,
///   it begins from the oldest whole checkpoint.
/// * checkpoint_tail: stores the newest whole checkpoint, then replays the log after it; without a
///   checkpoint the same as full_rebuild.
/// * pull is invalid_argument.
///
/// The partition is then a copy of attempt `copy` in state following, its digest checked against
/// the writer's wherever the writer left one. Fails as mass_storage and partition_store do;
/// cancelled when `stop` becomes true. Blocks; to be called where blocking is allowed.
result<mass_restored> restore_from_mass(const mass_storage& mass, partition_store& store,
                                        partition_id partition, copy_id copy, restore_method method,
                                        const std::atomic<bool>& stop,
                                        uint64_t fold_max = fold_bytes_max);

/// Brings a complete copy (role copy, attempt `copy`) up to the end of the log in mass storage, its
/// digest checked where the writer left one. not_found: no such copy; conflict: it is not complete,
/// or of another attempt; diverged: the log's history does not contain its version; else as
/// restore_from_mass. Repeating it changes nothing.
result<mass_restored> replay_from_mass(const mass_storage& mass, partition_store& store,
                                       partition_id partition, copy_id copy,
                                       const std::atomic<bool>& stop);

} // namespace harbinger
