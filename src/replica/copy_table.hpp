#pragma once

/// How far the copies of this node are: written by copy_receiver, read into reports by
/// replica_server. It outlives both, not the process. Thread-safe.

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "core/time.hpp"
#include "messages/common.hpp"

namespace harbinger {

class copy_table {
public:
  struct row {
    copy_id copy;
    uint64_t copied_bytes = 0;
    node_id source;      ///< whom it copies from or follows; empty: nobody
    double lag_ms = 0.0; ///< when it was set; see `as_of`
    time_point as_of;    ///< the lag grows from here on while nothing new is written
    std::string failure; ///< errc name and detail once it failed
    bool following =
        false; ///< deltas are being pulled now; false and complete: reported as detached
    std::vector<node_address> sources; ///< by the centre's newest command, in order of preference
  };
  void set(partition_id partition, row value) {
    std::lock_guard guard(mutex_);
    auto& kept = rows_[partition];
    bool news = kept.copy != value.copy || kept.following != value.following
                || kept.failure != value.failure;
    kept = std::move(value);
    if (news) ++changes_;
  }
  void erase(partition_id partition) {
    std::lock_guard guard(mutex_);
    if (rows_.erase(partition) > 0) ++changes_;
  }
  /// Grows whenever a copy begins, ends, fails, starts or stops following: worth a report at once.
  uint64_t changes() const { return changes_; }
  std::map<partition_id, row> all() const {
    std::lock_guard guard(mutex_);
    return rows_;
  }
  /// Of a copy of this node; empty: it is none, or the centre did not name any yet.
  std::vector<node_address> sources(partition_id partition) const {
    std::lock_guard guard(mutex_);
    auto it = rows_.find(partition);
    return it == rows_.end() ? std::vector<node_address>{} : it->second.sources;
  }

private:
  mutable std::mutex mutex_;
  std::map<partition_id, row> rows_;
  std::atomic<uint64_t> changes_{0};
};

} // namespace harbinger
