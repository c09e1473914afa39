#pragma once

/// A group of writes on its way into one batch: heads and records as they will be once the batch is
/// written. Internal, like every rocks_*.hpp.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "store/partition_slots.hpp"
#include "store/partition_store.hpp"
#include "store/record_overlay.hpp"
#include "store/rocks_records.hpp"

namespace harbinger::rocks {

/// The slots of a group's partitions, their write locks held; null: unknown partition.
using held_slots = std::map<partition_id, slot_ptr>;

class staged_writes {
public:
  /// All three must outlive it.
  staged_writes(rocksdb::DB& db, const partition_slots& slots, const held_slots& held)
      : db_(db), slots_(slots), held_(held) {}

  /// Adds a write; a refused one leaves nothing. The rules are those of partition_store::write.
  result<store_written> apply(const store_write& write);

  /// After the last apply(): each partition's head goes into the batch once, as it is then.
  void finish();

  rocksdb::WriteBatch& batch() { return batch_; }
  /// Whether the batch has to be on disk before the group is answered.
  bool durable() const { return !lasting_.empty(); }
  /// Of the partitions that were written to, after their last write.
  const std::map<partition_id, partition_head>& heads() const { return heads_; }

private:
  /// A partition's records in the database and, over them, those of this group.
  struct staged_records {
    stored_records stored;
    record_overlay staged{&stored};
    staged_records(rocksdb::DB& db, partition_id partition) : stored(db, partition) {}
  };

  result<partition_head> head_of(const store_write& w);
  /// `committed`: entries after it leave undo information.
  result<entry_outcome> append(partition_head& h, const log_entry& e, seq_no committed,
                               record_overlay& records, int64_t& grown);
  void forget_undo(partition_head& h, seq_no before);
  result<store_written> roll_back(error why);

  rocksdb::DB& db_;
  const partition_slots& slots_;
  const held_slots& held_;
  std::map<partition_id, partition_head> heads_;
  std::map<partition_id, staged_records> records_;
  rocksdb::WriteBatch batch_;
  std::set<partition_id> lasting_; ///< partitions whose heads have to be written
  int64_t growth_ = 0;             ///< in bytes, of all writes together
};

} // namespace harbinger::rocks
