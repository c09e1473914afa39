#pragma once

/// A group of writes on its way into one batch: heads and records as they will be once the batch is
/// written. Internal, like every rocks_*.hpp.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "store/partition_slots.hpp"

namespace harbinger::rocks {

/// The slots of a group's partitions, their write locks held; null: unknown partition.
using held_slots = std::map<partition_id, slot_ptr>;

/// Records as they will be once the batch under construction is written.
class staged_records {
public:
  explicit staged_records(rocksdb::DB& db) : db_(db) {}

  rocksdb::Status read(const std::string& key, std::optional<std::string>& value);
  void set(std::string key, std::optional<std::string> value) {
    pending_[std::move(key)] = std::move(value);
  }

private:
  rocksdb::DB& db_;
  std::unordered_map<std::string, std::optional<std::string>> pending_;
};

class staged_writes {
public:
  /// All three must outlive it.
  staged_writes(rocksdb::DB& db, const partition_slots& slots, const held_slots& held)
      : slots_(slots), held_(held), records_(db) {}

  /// Adds a write; a refused one leaves nothing. The rules are those of partition_store::write.
  result<partition_head> apply(const store_write& write);

  rocksdb::WriteBatch& batch() { return batch_; }
  /// Whether the batch has to be on disk before the group is answered.
  bool durable() const { return durable_; }
  /// Of the partitions that were written to, after their last write.
  const std::map<partition_id, partition_head>& heads() const { return heads_; }

private:
  using undo_list = std::vector<std::pair<std::string, std::optional<std::string>>>;

  result<partition_head> head_of(const store_write& w);
  result<void> append(partition_head& h, const log_entry& e, undo_list& undo, int64_t& grown);
  result<partition_head> roll_back(undo_list& undo, error why);

  const partition_slots& slots_;
  const held_slots& held_;
  std::map<partition_id, partition_head> heads_;
  staged_records records_;
  rocksdb::WriteBatch batch_;
  bool durable_ = false;
  int64_t growth_ = 0; ///< in bytes, of all writes together
};

} // namespace harbinger::rocks
