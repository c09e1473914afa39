#pragma once

/// Bulk data of copies on its way into the database as files: no log, no memtable, each byte goes to
/// disk once. Internal, like every rocks_*.hpp.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>

#include "core/result.hpp"
#include "store/partition_head.hpp"
#include "wire/packed_rows.hpp"

namespace harbinger::rocks {

/// Whether the keys of rows ascend, without a double.
bool ascend(record_views rows);

/// Counts a chunk's rows into a head.
void count_chunk(partition_head& head, record_views rows);

/// One file under construction: chunks of one partition that are not in the database yet. Used under
/// the partition's write lock.
class copy_load {
public:
  /// `so_far`: the partition's head before the load. no_space, io.
  static result<std::shared_ptr<copy_load>> open(const rocksdb::Options& options, std::string file,
                                                 const partition_head& so_far,
                                                 std::atomic<uint64_t>& loaded_bytes);
  /// Removes the file unless it was ingested.
  ~copy_load();
  copy_load(const copy_load&) = delete;
  copy_load& operator=(const copy_load&) = delete;

  /// Whether the rows ascend and lie beyond what is in.
  bool takes(record_views rows) const;
  /// The next chunk; only rows that it takes. no_space, io: the load can only be thrown away then.
  result<void> add(record_views rows);
  /// Puts the counts (chunks, records, bytes, digest) as they are with this load into a head of the
  /// same attempt.
  void count_into(partition_head& head) const;
  uint64_t file_bytes() { return writer_.FileSize(); }
  /// Makes the rows part of the database, durably. Once, last; with at least one row in it.
  result<void> ingest(rocksdb::DB& db);

private:
  copy_load(const rocksdb::Options& options, std::string file, const partition_head& so_far,
            std::atomic<uint64_t>& loaded_bytes);

  std::string file_;
  rocksdb::SstFileWriter writer_;
  partition_head counts_; ///< only what count_into() gives
  const uint64_t bytes_before_;
  std::atomic<uint64_t>& loaded_bytes_;
  std::string key_; ///< the last one, with its prefix
  bool empty_ = true;
};

/// The open loads of a store. Thread-safe.
class copy_loads {
public:
  static constexpr size_t loads_max = 16; ///< copies beyond it go by write batch

  /// `directory`: for the files under construction; on the database's own file system.
  explicit copy_loads(std::string directory) : directory_(std::move(directory)) {}

  /// Removes what an earlier process left. First, once. io.
  result<void> prepare() const;
  std::shared_ptr<copy_load> find(partition_id partition) const; ///< null: none
  bool full() const;
  /// A new load of a partition that has none. `first`: what will be added first; the file is
  /// compressed when they would get smaller.
  result<std::shared_ptr<copy_load>> start(rocksdb::Options options, const partition_head& so_far,
                                           record_views first);
  void forget(partition_id partition);
  /// Keys and values in open loads, which no head counts yet.
  uint64_t loaded_bytes() const { return loaded_bytes_; }

private:
  const std::string directory_;
  std::atomic<uint64_t> loaded_bytes_{0};
  mutable std::mutex mutex_;
  std::map<partition_id, std::shared_ptr<copy_load>> open_;
  uint64_t next_ = 0;
};

} // namespace harbinger::rocks
