#pragma once

/// The partitions of a store in memory: head and write lock of each, and the space they use
/// together. Thread-safe.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "core/result.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

struct partition_slot {
  bool born = false;          // has a head; changes under `writing`
  std::mutex writing;         // held over a write of this partition
  mutable std::mutex reading; // guards `head`
  partition_head head;
  bool gone = false; // dropped; a writer that still holds the partition_slot must not use it
  partition_head get() const {
    std::lock_guard guard(reading);
    return head;
  }
};
using slot_ptr = std::shared_ptr<partition_slot>;

class partition_slots {
public:
  /// `quota_bytes`: keys and values of all partitions; 0: no quota.
  explicit partition_slots(uint64_t quota_bytes) : quota_bytes_(quota_bytes) {}

  /// A partition that was found on disk. Before any other use.
  void load(partition_head head);

  slot_ptr find(partition_id partition) const; ///< null: unknown
  /// A slot that is not in the table yet stays so until its first head is published: nobody sees
  /// an unborn partition.
  slot_ptr find_or_make(partition_id partition);
  std::vector<partition_head> heads() const; ///< by partition

  /// Once the head is durable. The caller holds `s.writing`.
  void publish(partition_slot& s, const partition_head& head);
  /// Once the partition is gone from the disk. The caller holds `s.writing`.
  void forget(partition_slot& s);

  uint64_t used_bytes() const { return used_; }
  result<void> room_for(uint64_t more_bytes) const; ///< no_space: over the quota

private:
  const uint64_t quota_bytes_;
  mutable std::shared_mutex mutex_;
  std::map<partition_id, slot_ptr> slots_;
  std::map<partition_id, slot_ptr> unborn_;
  std::atomic<uint64_t> used_{0};
};

} // namespace harbinger
