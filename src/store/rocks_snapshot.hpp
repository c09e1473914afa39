#pragma once

/// A RocksDB snapshot of one partition. Internal, like every rocks_*.hpp.

#include <functional>
#include <memory>
#include <string_view>

#include <rocksdb/db.h>

#include "store/partition_store.hpp"

namespace harbinger::rocks {

class snapshot : public partition_snapshot {
public:
  snapshot(std::shared_ptr<rocksdb::DB> db, partition_id partition)
      : db_(std::move(db)), snapshot_(db_->GetSnapshot()), partition_(partition) {}
  ~snapshot() override { db_->ReleaseSnapshot(snapshot_); }
  snapshot(const snapshot&) = delete;
  snapshot& operator=(const snapshot&) = delete;

  /// Reads the head; first, once. unknown_partition: it was not there at that moment.
  result<void> load();

  const partition_head& head() const override { return head_; }
  result<page> read(std::string_view from, bool after, size_t bytes_max,
                    size_t rows_max) const override;
  std::unique_ptr<packed_reader> read_through() const override;
  /// Every record, in key order.
  result<void>
  each_record(const std::function<void(std::string_view key, std::string_view value)>& take) const;
  /// For reading anything else as of this moment.
  rocksdb::ReadOptions read_options() const;

private:
  std::shared_ptr<rocksdb::DB> db_;
  const rocksdb::Snapshot* snapshot_;
  partition_id partition_;
  partition_head head_;
};

} // namespace harbinger::rocks
