#pragma once

/// The metadata of all partitions of a node: one RocksDB under <state_dir>/store, one key prefix a
/// partition.
///
/// Thread-safe: any thread may read and write. Writes of one partition are serialised; a group of
/// writes of many partitions is one RocksDB batch and one fsync. After a crash every partition is
/// at some head with exactly the records of that head (records, log entry and head are one batch).
///
/// A full disk (or quota) is errc::no_space: nothing of the write happened, reads go on, later
/// writes are tried anew.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "messages/client.hpp"
#include "messages/replication.hpp"
#include "store/logged_entry.hpp"
#include "store/partition_head.hpp"
#include "store/store_written.hpp"
#include "wire/packed_rows.hpp"

namespace harbinger {

struct partition_store_options {
  std::string directory;
  bool sync_writes = true;  ///< fsync before a write returns; false only for tests and benches
  uint64_t quota_bytes = 0; ///< keys and values of all partitions; 0: the disk decides
  uint64_t bulk_from_bytes = 4 << 20;   ///< a copy that has so much goes on as files
  uint64_t bulk_file_bytes = 64 << 20;  ///< of so many bytes of keys and values
  std::function<void()> after_ingest{}; ///< tests only: a file is in, no head counts it yet
};

/// Reads a snapshot's rows as bodies of chunks (wire/rows.hpp): reads ahead, and leaves the store's
/// cache to others. For one thread at a time. Must not outlive the snapshot.
class packed_reader {
public:
  struct part {
    std::string rows;
    std::string next; ///< key of the first row that is not in it; empty at the end
    bool end = false;
  };
  virtual ~packed_reader() = default;
  /// The rows with keys >= `from`, at most 16,384 of them, until they reach `bytes_max`; at least
  /// one when there is one. Quick where the last part ended.
  virtual result<part> read(std::string_view from, size_t bytes_max) = 0;
};

/// A partition as it was at one moment. Holds back compaction while it lives: keep it short, or
/// bounded in number. Reading is thread-safe. Must not outlive the store.
class partition_snapshot {
public:
  struct page {
    std::vector<record_row> rows;
    bool more = false; ///< rows after the last one exist
  };
  virtual ~partition_snapshot() = default;
  virtual const partition_head& head() const = 0;
  /// All rows, those with reserved keys too: with keys >= `from` (or > `from` when `after`), in key
  /// order, until their keys and values reach `bytes_max` or `rows_max` rows; at least one row when
  /// there is one.
  virtual result<page> read(std::string_view from, bool after, size_t bytes_max,
                            size_t rows_max) const = 0;
  /// For who reads it from one end to the other.
  virtual std::unique_ptr<packed_reader> read_through() const = 0;
};

/// What mending some buckets came to.
struct repair_outcome {
  partition_head head;
  uint64_t records = 0;    ///< put, replaced or removed
  bool head_wrong = false; ///< the head's sums or counts were wrong and were set right
};

/// An entry that lost a conflict (P4).
struct conflict_entry {
  partition_id partition;
  log_entry entry;
};

class partition_store {
public:
  /// in_use: another process has it open; io, checksum: it can not be read.
  static result<std::shared_ptr<partition_store>> open(const partition_store_options& options);
  virtual ~partition_store() = default;

  // --- heads ---
  virtual std::vector<partition_head> heads() const = 0;                 ///< by partition
  virtual result<partition_head> head(partition_id partition) const = 0; ///< unknown_partition
  virtual uint64_t used_bytes() const = 0; ///< keys and values of all partitions
  virtual uint64_t conflict_count() const = 0;

  // --- writing ---
  /// All in one durable batch, in order; a refused one does no harm to the others. Answers in the
  /// same order. What an entry changes is for effect_of() to say (entry_effect.hpp): one whose
  /// condition does not hold, or that repeats a request, goes into the log and changes nothing.
  /// gap: `previous` is not the head's version (the head is in the detail as "epoch:seq");
  /// stale_epoch; unknown_partition; no_space and io refuse the whole group. Entries that are
  /// already in (same version) are skipped, so a repeated write does no harm. A write without
  /// entries and `change` only notes `committed`, without fsync.
  virtual std::vector<result<store_written>> write(const std::vector<store_write>& group) = 0;
  /// The head after it.
  result<partition_head> write_one(store_write item);

  // --- reading ---
  struct value {
    bool found = false;
    std::string bytes;
    harbinger::version version; ///< of the state that was read
  };
  virtual result<value> get(partition_id partition, std::string_view key) const = 0;
  /// Reserved keys (messages/records.hpp) are passed over.
  virtual result<rows_reply> scan(partition_id partition, std::string_view from, uint32_t limit,
                                  size_t bytes_max) const = 0;
  /// Entries directly after `after`, up to `up_to` (seq, inclusive), until `bytes_max` is reached
  /// (at least one when there is one). log_trimmed: the log begins later; diverged: `after` is not
  /// in this replica's history; gap: `after` is newer than this replica.
  virtual result<std::vector<logged_entry>> logged_after(partition_id partition,
                                                         harbinger::version after, seq_no up_to,
                                                         size_t bytes_max) const = 0;
  result<std::vector<log_entry>> log_after(partition_id partition, harbinger::version after,
                                           seq_no up_to, size_t bytes_max) const;
  virtual result<std::shared_ptr<partition_snapshot>>
  open_snapshot(partition_id partition) const = 0;
  /// Recomputes digest, records and bytes from the records: checksum when they are not what the
  /// head says.
  virtual result<void> verify(partition_id partition) const = 0;

  // --- mending ---
  /// Makes `buckets` hold exactly `rows`, which are all their records as of version `from`, brought
  /// up to date with this replica's own log after `from`; sets the head's sums of these buckets and
  /// its counts right. One durable batch. Most of the work is done without holding up writes.
  /// `buckets` 0 sets only the counts right. gap: `from` is newer than this replica; log_trimmed:
  /// its log begins after `from`; diverged: `from` is not in its history; conflict: it is copying
  /// or failed.
  virtual result<repair_outcome> repair(partition_id partition, harbinger::version from,
                                        bucket_set buckets,
                                        const std::vector<record_row>& rows) = 0;

  // --- copying (role copy only; anything else is errc::conflict) ---
  /// Starts over, empty, in state copying, for attempt `copy`. What an earlier attempt left is
  /// removed. A smaller id than the head's is errc::stale_term.
  virtual result<partition_head> begin_copy(partition_id partition, copy_id copy,
                                            std::string cursor) = 0;
  /// Rows of chunk `chunk`, none of which came in an earlier chunk. A chunk that is in already is
  /// passed over; one too far ahead is errc::gap. Not fsynced: a crash may lose the newest chunks,
  /// the head then says how many are in. Chunks in key order go in as whole files once there are
  /// enough of them: the head that is returned counts them at once, head() when their file is in. A
  /// failure may lose those whose file is not; a repeated command takes up what head() says.
  virtual result<partition_head> ingest(partition_id partition, copy_id copy, uint64_t chunk,
                                        record_views rows) = 0;
  result<partition_head> ingest_rows(partition_id partition, copy_id copy, uint64_t chunk,
                                     const std::vector<record_row>& rows);
  /// Compares digest (checksum when it differs) and makes the copy one of `version`, durable, in
  /// state `state`: following, or still copying when log entries are to be replayed onto it first
  /// (by write()). The log starts at `version`.
  virtual result<partition_head> finish_copy(partition_id partition, copy_id copy,
                                             harbinger::version version,
                                             const harbinger::digest& expected,
                                             const epoch_history& history, replica_state state) = 0;

  // --- giving up ---
  /// Takes back the entries that are not part of `truth` (the partition's true history): they go to
  /// the conflict journal, the records are again what they were at the fork point, and head and
  /// digest are of then; one batch, durable. Nothing to take back: a success. Reaches as far as
  /// nothing is known to be committed. conflict: it would take back what is committed, or the
  /// replica is not complete; log_trimmed: undo information, log or `truth` do not reach back so
  /// far. Then only dropping and copying anew helps.
  virtual result<store_rewound> rewind(partition_id partition, const epoch_history& truth) = 0;
  /// Removes the partition. Log entries that are not part of `truth` (the partition's true history)
  /// go to the conflict journal first, in the same batch; with an empty `truth` that is everything
  /// beyond what is known to be committed. Returns how many. Unknown partition: 0.
  virtual result<uint64_t> drop(partition_id partition, const epoch_history& truth) = 0;
  virtual result<std::vector<conflict_entry>> conflicts(size_t entries_max) const = 0;
  /// About how many bytes of files the log of a partition takes up, without the newest entries, up
  /// to 32 MiB; 0: unknown.
  virtual uint64_t log_bytes(partition_id partition) const = 0;
  /// Removes log entries with a sequence number below `keep_from`.
  virtual result<void> trim_log(partition_id partition, seq_no keep_from) = 0;
};

} // namespace harbinger
