#pragma once

/// Looking at a partition's records bucket by bucket (core/digest.hpp): whether they are what the
/// head says, and which rows a bucket holds.

#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

struct bucket_findings {
  harbinger::version version; ///< of the state that was looked at
  bucket_set damaged = 0;     ///< their records do not add up to the head's sums
  bool counts_differ = false; ///< the head says other numbers of records or bytes than these
  uint64_t records = 0;       ///< as counted
  uint64_t size_bytes = 0;    ///< keys and values, as counted
  bool sound() const { return damaged == 0 && !counts_differ; }
};

/// Counts a snapshot's records, as much at a time as the caller likes: pausing between two steps
/// is how it is slowed down, destroying it how it is cancelled. Holds the snapshot.
class bucket_check {
public:
  explicit bucket_check(std::shared_ptr<partition_snapshot> snapshot);

  struct progress {
    uint64_t bytes = 0; ///< keys and values read in this step
    bool done = false;
  };
  /// Reads about `bytes_max` more. checksum: what is stored can not be read; io.
  result<progress> step(size_t bytes_max);
  /// Once done.
  bucket_findings findings() const;

private:
  std::shared_ptr<partition_snapshot> snapshot_;
  std::string last_key_;
  bool begun_ = false;
  harbinger::digest seen_;
  uint64_t records_ = 0;
  uint64_t size_bytes_ = 0;
};

/// The whole of a partition at once.
result<bucket_findings> check_buckets(const partition_store& store, partition_id partition);

struct bucket_page {
  std::vector<record_row> rows;
  std::string next; ///< where to go on
  bool end = false; ///< no rows after these
};
/// The rows of some buckets with keys >= `from`, about `bytes_max` of them. Rows of other buckets
/// are passed over, but at most bucket_skip_max times bytes_max of them: a page may be empty and
/// yet not the last.
result<bucket_page> read_buckets(const partition_snapshot& snapshot, bucket_set buckets,
                                 const std::string& from, size_t bytes_max);
inline constexpr size_t bucket_skip_max = 16;

} // namespace harbinger
