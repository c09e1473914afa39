#pragma once

/// Mass storage: a directory shared by all nodes with every partition's log and checkpoints. What
/// recovery without copies is made from.
///
/// <directory>/<volume>.<index>/log-<first seq>-<last seq>-<writer's epoch>.hbm
///                              checkpoint-<seq>-<epoch>.hbm
///
/// Each file: the magic "HBMASS02", then blocks of [size u32 LE, xxh3-64 u64 LE, payload]: a
/// mass_file_header (messages/storage.hpp), the content (log: one log_entry each; checkpoint: rows
/// as in wire/rows.hpp), and a trailer that counts the content. Written under a temporary name,
/// fsynced, renamed: a file is whole or it is damaged, never half.
///
/// A log segment holds committed entries only, so two writers (an old primary and its successor)
/// write the same entries or none; where they differ all the same, the history of the newest epoch
/// decides (fencing) and the rest is ignored and counted. Of the checkpoints the newest two are
/// kept, of the segments those that trim_log leaves.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "messages/replication.hpp"
#include "messages/storage.hpp"

namespace harbinger {

class partition_snapshot; // store/partition_store.hpp

class mass_storage {
public:
  static constexpr size_t checkpoints_kept = 2;
  static constexpr size_t segment_bytes_max = 256 << 20; ///< a larger file is refused unread
  /// A temporary file that nobody wrote to for so long is what a killed writer left.
  static constexpr std::chrono::hours temporary_kept{1};

  /// Makes the directory if it is not there. io when it can not be written.
  static result<std::shared_ptr<mass_storage>> open(const std::string& directory);

  // --- writing ---
  /// Writes consecutive entries as one segment; durable when it returns. `header` names partition,
  /// writer, epoch, history and, when known, the digest after the last entry; the rest is filled
  /// in. no_space or io.
  result<void> append_segment(mass_file_header header, const std::vector<log_entry>& entries);
  /// Writes all rows of the snapshot; removes all but the newest `checkpoints_kept`, and what
  /// killed writers left.
  result<version> write_checkpoint(const partition_snapshot& snapshot, const node_id& writer);

  struct trimmed {
    uint64_t files = 0, bytes = 0;
  };
  /// Removes segments that no recovery can need: last written before `older_than`, not the newest
  /// one, and not after the older of two checkpoints that were both read whole just now and lie on
  /// the true history. So one checkpoint can be damaged later and the other still has its whole
  /// tail. Removes nothing while there are no two such checkpoints.
  result<trimmed> trim_log(partition_id partition, std::filesystem::file_time_type older_than);

  // --- what is there ---
  /// The newest version up to which the log here agrees with `mine` (a primary's own history);
  /// zero: nothing.
  result<version> flushed_up_to(partition_id partition, const epoch_history& mine) const;
  /// As the writer of the newest epoch knew it: what it does not list never was, or lost. Empty:
  /// nothing is here.
  epoch_history history(partition_id partition) const;
  /// The newest readable header of a checkpoint on the true history; not_found.
  result<mass_file_header> newest_checkpoint(partition_id partition) const;

  // --- reading ---
  /// Called with each entry in order; false stops.
  using entry_sink = std::function<result<void>(const log_entry&)>;
  using rows_sink = std::function<result<void>(const std::vector<record_row>&)>;
  struct log_end {
    harbinger::version version;              ///< of the last entry given
    std::optional<harbinger::digest> digest; ///< after it, when a segment says so
    epoch_history history;
    uint64_t bytes_read = 0;
  };
  /// Every entry after `after`. gap: a part of the log is missing; checksum: a damaged file hides a
  /// part (the detail names it); whatever `sink` fails with. No log at all, or none after it:
  /// success with `version` = `after`.
  result<log_end> read_log(partition_id partition, version after, const entry_sink& sink) const;
  enum class order : uint8_t { newest_first, oldest_first };
  /// All rows of the newest (or oldest) checkpoint that is whole, at most one block at a time.
  /// `begin` is called before the first rows of each attempt: a damaged file is noticed late, and
  /// the next one is then tried from its beginning. not_found, or checksum when no whole one is
  /// left.
  result<mass_file_header> read_checkpoint(partition_id partition,
                                           const std::function<result<void>()>& begin,
                                           const rows_sink& sink,
                                           order which = order::newest_first) const;

  uint64_t damaged_files() const { return damaged_; } ///< met since open
  uint64_t fenced_entries() const {
    return fenced_;
  } ///< entries of a stale primary that were passed over

private:
  explicit mass_storage(std::string directory) : directory_(std::move(directory)) {}

  struct listed {
    std::string path;
    mass_file_kind kind = mass_file_kind::log;
    uint64_t first = 0, last = 0, epoch = 0;
  };
  result<std::vector<listed>> list(partition_id partition, mass_file_kind kind) const;
  std::string folder(partition_id partition) const;
  result<std::vector<std::pair<listed, mass_file_header>>>
  checkpoints(partition_id partition) const;
  result<void> read_segment(const listed& file, log_end& at, const entry_sink& sink) const;
  result<void> read_checkpoint_file(const listed& file, const rows_sink& sink) const;
  void prune_checkpoints(partition_id partition) const;
  void remove_leftovers(partition_id partition) const;

  std::string directory_;
  mutable std::atomic<uint64_t> damaged_{0};
  mutable std::atomic<uint64_t> fenced_{0};
};

} // namespace harbinger
