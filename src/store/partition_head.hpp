#pragma once

/// What a store knows of one partition without looking at its records.

#include <optional>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "messages/common.hpp"
#include "messages/replication.hpp"

namespace harbinger {

/// The durable head of a partition; changed only by partition_store, atomically with the records it
/// describes.
struct partition_head {
  partition_id partition;
  replica_role role = replica_role::copy;
  replica_state state = replica_state::copying;
  harbinger::epoch
      epoch; ///< newest epoch it was configured, sealed or written with: older senders are refused
  harbinger::revision revision; ///< newest catalog revision it was configured with
  harbinger::version version;   ///< newest entry applied
  seq_no committed; ///< entries up to here are known to be committed; a lower bound after a restart
  seq_no undo_start;        ///< entries after this one, and no others, have undo information
  harbinger::digest digest; ///< of all records at `version`
  uint64_t records = 0;
  uint64_t size_bytes = 0;      ///< keys and values
  harbinger::version log_start; ///< the log holds every entry after this one
  epoch_history history;        ///< of the entries applied; ascending
  std::string configuration;    ///< newest configure_replica, as encoded; empty: never configured
  // copies
  harbinger::copy_id copy; ///< the attempt that makes, or made, it
  uint64_t chunks = 0;     ///< chunks of this attempt that are in, counted from 0
  std::string cursor;      ///< the copier's own note of where to go on (e.g. the snapshot's id)
  std::string failure;     ///< errc name and detail when state is failed
};

/// The epoch that wrote `seq` in a history; 0 when the history does not reach back so far.
inline epoch epoch_at(const epoch_history& history, seq_no seq) {
  epoch found;
  for (const auto& start : history)
    if (start.first_seq <= seq) found = start.epoch;
  return found;
}

/// What to change in a head besides its data; what is absent stays.
struct head_change {
  std::optional<replica_role> role;
  std::optional<replica_state> state;
  std::optional<harbinger::epoch> epoch; ///< never lowers it
  std::optional<harbinger::revision> revision;
  std::optional<std::string> configuration;
  std::optional<std::string> failure;
};

/// One change of one partition. Entries follow directly on `previous`.
struct store_write {
  partition_id partition;
  harbinger::epoch epoch; ///< on whose authority; older than the head's: errc::stale_epoch. Newer:
                          ///< the head takes it over
  bool create =
      false; ///< make the partition, empty, when it is not there (role and state from `change`)
  std::optional<head_change> change;
  harbinger::version previous;
  std::vector<log_entry> entries;
  seq_no committed; ///< everything up to here is committed; 0: nothing new is known
};

} // namespace harbinger
