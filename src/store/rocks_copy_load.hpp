#pragma once

/// Bulk data of copies on its way into the database as files: no log, no memtable, each byte goes
/// to disk once. Internal, like every rocks_*.hpp.

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/sst_file_writer.h>

#include "core/result.hpp"
#include "store/partition_head.hpp"
#include "wire/packed_rows.hpp"

namespace harbinger::rocks {

/// Whether the keys of rows ascend, without a double.
bool ascend(record_views rows);

/// Counts a chunk's rows into a head.
void count_chunk(partition_head& head, record_views rows);

/// One file: chunks of one partition that no head counts yet.
class copy_load {
public:
  /// `so_far`: counts of the partition before this file. no_space, io.
  static result<std::unique_ptr<copy_load>> open(const rocksdb::Options& options, std::string file,
                                                 const partition_head& so_far,
                                                 std::atomic<uint64_t>& loaded_bytes);
  /// Waits until an ingestion under way has ended; removes the file unless it was ingested.
  ~copy_load();
  copy_load(const copy_load&) = delete;
  copy_load& operator=(const copy_load&) = delete;

  /// Whether the rows ascend and lie beyond what is in.
  bool takes(record_views rows) const;
  /// The next chunk, at least a row and only rows that it takes; `counted`: the counts with it.
  /// no_space, io: the load can only be thrown away then. Most failures show only in wait().
  result<void> add(record_views rows, const partition_head& counted);
  /// Puts the counts (chunks, records, bytes, digest) as they are with this file into a head of the
  /// same attempt.
  void count_into(partition_head& head) const;
  /// Keys and values in it. (What RocksDB says of the file stands still once a write failed.)
  uint64_t bytes() const { return counts_.size_bytes - bytes_before_; }

  /// Begins, on a thread of its own, to make the rows part of the database, durably. Once, last.
  void seal(rocksdb::DB& db);
  bool sealed() const { return ingested_.valid(); }
  bool ready() const; ///< wait() would not wait
  /// Once, after seal(): what it came to.
  result<void> wait() { return ingested_.get(); }

private:
  copy_load(const rocksdb::Options& options, std::string file, const partition_head& so_far,
            std::atomic<uint64_t>& loaded_bytes);
  result<void> ingest(rocksdb::DB& db);

  std::string file_;
  rocksdb::SstFileWriter writer_;
  partition_head counts_; ///< only what count_into() gives
  const uint64_t bytes_before_;
  std::atomic<uint64_t>& loaded_bytes_;
  std::string key_; ///< the last one, with its prefix
  bool empty_ = true;
  std::future<result<void>> ingested_;
};

/// The files of one partition: at most one that fills and one, before it, that is being ingested.
/// Used under the partition's write lock.
struct copy_stream {
  std::unique_ptr<copy_load> before, filling;

  const copy_load& newest() const { return filling ? *filling : *before; }
};

/// The streams of a store. Thread-safe.
class copy_streams {
public:
  static constexpr size_t streams_max = 16; ///< copies beyond it go by write batch

  /// `directory`: for files under construction; on the database's own file system.
  explicit copy_streams(std::string directory);

  /// Removes what an earlier process left. First, once. io.
  result<void> prepare() const;
  std::shared_ptr<copy_stream> find(partition_id partition) const; ///< null: none
  /// A new stream, without a file; null when there are too many.
  std::shared_ptr<copy_stream> start(partition_id partition);
  /// A file that begins with the rows `first`: compressed when they would get smaller by it.
  result<std::unique_ptr<copy_load>> open_file(rocksdb::Options options,
                                               const partition_head& so_far, record_views first);
  /// Waits for an ingestion under way; what is not ingested is thrown away.
  void forget(partition_id partition);
  /// Keys and values that no head counts yet.
  uint64_t loaded_bytes() const { return loaded_bytes_; }

private:
  const std::string directory_;
  const std::unique_ptr<rocksdb::Env> direct_; ///< their files are written in it; outlives them
  std::atomic<uint64_t> loaded_bytes_{0};
  std::atomic<uint64_t> next_file_{0};
  mutable std::mutex mutex_;
  std::map<partition_id, std::shared_ptr<copy_stream>> open_; ///< ends first
};

} // namespace harbinger::rocks
