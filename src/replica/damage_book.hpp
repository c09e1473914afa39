#pragma once

/// Replicas of this node whose records are known to be damaged, and how. It outlives the actors
/// that write (scrubber) and heed it (replica_server), not the process. Thread-safe.

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/ids.hpp"

namespace harbinger {

class damage_book {
public:
  void note(partition_id partition, std::string why) {
    std::lock_guard guard(mutex_);
    known_[partition] = std::move(why);
  }
  void erase(partition_id partition) {
    std::lock_guard guard(mutex_);
    known_.erase(partition);
  }
  std::optional<std::string> find(partition_id partition) const {
    std::lock_guard guard(mutex_);
    auto it = known_.find(partition);
    return it == known_.end() ? std::nullopt : std::optional(it->second);
  }
  std::map<partition_id, std::string> all() const {
    std::lock_guard guard(mutex_);
    return known_;
  }

private:
  mutable std::mutex mutex_;
  std::map<partition_id, std::string> known_;
};

} // namespace harbinger
