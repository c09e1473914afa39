#pragma once

/// partition_store on RocksDB. Internal, like every rocks_*.hpp: RocksDB stays out of public
/// headers. Opening and writing: partition_store.cpp; the rest: rocks_store_*.cpp.

#include <atomic>
#include <memory>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "store/partition_slots.hpp"
#include "store/partition_store.hpp"
#include "store/rocks_copy_load.hpp"

namespace harbinger::rocks {

class store : public partition_store {
public:
  explicit store(partition_store_options options)
      : options_(std::move(options)),
        slots_(options_.quota_bytes),
        streams_(options_.directory + "/incoming") {}

  /// First, once.
  result<void> open();

  std::vector<partition_head> heads() const override { return slots_.heads(); }
  result<partition_head> head(partition_id partition) const override;
  uint64_t used_bytes() const override { return slots_.used_bytes(); }
  uint64_t conflict_count() const override { return conflicts_; }

  std::vector<result<store_written>> write(const std::vector<store_write>& group) override;

  result<value> get(partition_id partition, std::string_view key) const override;
  result<rows_reply> scan(partition_id partition, std::string_view from, uint32_t limit,
                          size_t bytes_max) const override;
  result<std::vector<logged_entry>> logged_after(partition_id partition, version after,
                                                 seq_no up_to, size_t bytes_max) const override;
  result<std::shared_ptr<partition_snapshot>> open_snapshot(partition_id partition) const override;
  result<void> verify(partition_id partition) const override;

  result<repair_outcome> repair(partition_id partition, version from, bucket_set buckets,
                                const std::vector<record_row>& rows) override;

  result<partition_head> begin_copy(partition_id partition, copy_id copy,
                                    std::string cursor) override;
  result<partition_head> ingest(partition_id partition, copy_id copy, uint64_t chunk,
                                record_views rows) override;
  result<partition_head> finish_copy(partition_id partition, copy_id copy, version v,
                                     const harbinger::digest& expected,
                                     const epoch_history& history, replica_state state) override;

  result<store_rewound> rewind(partition_id partition, const epoch_history& truth) override;
  result<uint64_t> drop(partition_id partition, const epoch_history& truth) override;
  result<std::vector<conflict_entry>> conflicts(size_t entries_max) const override;
  uint64_t log_bytes(partition_id partition) const override;
  result<void> trim_log(partition_id partition, seq_no keep_from) override;

private:
  result<void> load();
  /// The head goes into the batch, the batch to disk, then the head is what others see.
  result<partition_head> commit_head(partition_slot& s, const partition_head& h,
                                     rocksdb::WriteBatch& batch, bool durable);
  result<void> commit(rocksdb::WriteBatch& batch, bool durable);
  /// Puts the log entries that are not part of `truth` (or, without one, not committed) into the
  /// batch as lost a conflict; how many of them are new there.
  result<uint64_t> journal_lost(rocksdb::WriteBatch& batch, const partition_head& h,
                                const epoch_history& truth) const;
  /// A chunk's rows and the head that counts them, in one batch.
  result<partition_head> put_rows(partition_slot& s, const partition_head& h, record_views rows);
  /// A chunk's rows into the stream's file; a full file is sealed, the one before it counted.
  result<void> add_to_stream(partition_slot& s, copy_stream& stream, const partition_head& so_far,
                             const partition_head& counted, record_views rows);
  /// Waits until a sealed file is in the database, then the head counts it.
  result<void> count_file(partition_slot& s, std::unique_ptr<copy_load> file);
  /// What the partition's stream, if there is one, holds goes into the database; the head then.
  result<partition_head> settle_stream(partition_slot& s);
  /// Puts into the batch, and into the head, that the entries after `fork` never were.
  result<void> take_back(rocksdb::WriteBatch& batch, partition_head& h, version fork) const;
  /// Records, log and undo information.
  static void erase_data(rocksdb::WriteBatch& batch, partition_id partition);

  partition_store_options options_;
  std::shared_ptr<rocksdb::DB> db_;
  partition_slots slots_;
  copy_streams streams_;
  std::atomic<uint64_t> conflicts_{0};
};

} // namespace harbinger::rocks
