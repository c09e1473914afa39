#pragma once

/// What the primaries of this process have sent to their members and not yet committed. It outlives
/// the actor that replicates, not the process: an actor that starts again goes on with exactly
/// these entries, so that a sequence number is never given to two different batches of one epoch. A
/// process that starts again has no memory and therefore never goes on in an epoch it was primary
/// of. Thread-safe.

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "messages/replication.hpp"

namespace harbinger {

class proposal_memory {
public:
  struct reign {
    harbinger::epoch epoch;
    std::deque<log_entry> proposed; ///< by version, none of them known to be committed
    std::set<node_id> caught_up;    ///< joiners that were waited for, and may have been reported so
  };

  /// This process is primary in `epoch` now. Clears what an earlier epoch left.
  void begin(partition_id partition, harbinger::epoch epoch) {
    std::lock_guard guard(mutex_);
    auto& r = reigns_[partition];
    if (r.epoch != epoch) r = {epoch, {}, {}};
  }
  void remember(partition_id partition, const log_entry& entry) {
    std::lock_guard guard(mutex_);
    reigns_[partition].proposed.push_back(entry);
  }
  /// Everything up to `committed` is in the store.
  void forget(partition_id partition, seq_no committed) {
    std::lock_guard guard(mutex_);
    auto it = reigns_.find(partition);
    if (it == reigns_.end()) return;
    auto& proposed = it->second.proposed;
    while (!proposed.empty() && proposed.front().version.seq <= committed) proposed.pop_front();
  }
  /// From now on every commit waits for this joiner, also after the actor starts again: the centre
  /// may already be taking it into the sync set.
  void mark_caught_up(partition_id partition, const node_id& joiner) {
    std::lock_guard guard(mutex_);
    reigns_[partition].caught_up.insert(joiner);
  }
  bool has_caught_up(partition_id partition, const node_id& joiner) const {
    std::lock_guard guard(mutex_);
    auto it = reigns_.find(partition);
    return it != reigns_.end() && it->second.caught_up.contains(joiner);
  }
  /// The joiners of the configuration in force that have caught up; others are forgotten.
  void keep_caught_up(partition_id partition, std::set<node_id> joiners) {
    std::lock_guard guard(mutex_);
    reigns_[partition].caught_up = std::move(joiners);
  }
  /// No longer primary.
  void end(partition_id partition) {
    std::lock_guard guard(mutex_);
    reigns_.erase(partition);
  }
  std::optional<reign> recall(partition_id partition) const {
    std::lock_guard guard(mutex_);
    auto it = reigns_.find(partition);
    return it == reigns_.end() ? std::nullopt : std::optional(it->second);
  }

private:
  mutable std::mutex mutex_;
  std::map<partition_id, reign> reigns_;
};

} // namespace harbinger
