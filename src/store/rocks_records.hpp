#pragma once

/// The records of one partition as they are in the database now. Internal, like every rocks_*.hpp.

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "store/partition_head.hpp"
#include "store/record_overlay.hpp"

namespace harbinger::rocks {

class stored_records : public record_reader {
public:
  /// `db` outlives it.
  stored_records(rocksdb::DB& db, partition_id partition) : db_(db), partition_(partition) {}

  result<std::optional<std::string>> get(std::string_view key) const override;
  result<void> range(std::string_view from, std::string_view to,
                     const visitor& visit) const override;

private:
  rocksdb::DB& db_;
  partition_id partition_;
};

/// Puts the changes into the batch and counts them in the head (digest, records, bytes); by how
/// many bytes the partition grows.
int64_t stage_changes(rocksdb::WriteBatch& batch, partition_head& h, const record_changes& changes);

} // namespace harbinger::rocks
