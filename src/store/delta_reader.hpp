#pragma once

/// What a store can give to those who copy from it: committed state only.

#include <memory>
#include <optional>

#include "messages/copying.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

/// The newest sequence number that is known to be committed.
seq_no committed_of(const partition_head& head);

/// Opens a snapshot for copying. unavailable: being copied itself, failed, or its tail is not
/// committed yet (try again).
result<std::shared_ptr<partition_snapshot>> open_for_copy(const partition_store& store,
                                                          partition_id partition);
/// The reply to snapshot.open, without the snapshot's id.
snapshot_opened describe_snapshot(const partition_head& head);

/// The reply to delta.pull. Nothing: there is nothing new yet. log_trimmed, diverged: only a
/// snapshot helps; unavailable: not fit to serve (copying, failed, or older than the asker).
result<std::optional<delta_batch>> read_deltas(const partition_store& store, const delta_pull& ask);
/// The reply when the asker waited long enough for nothing.
result<delta_batch> no_deltas(const partition_store& store, const delta_pull& ask);

} // namespace harbinger
