#pragma once

/// Source side of copies: which snapshots are open, and where each chunk of them begins.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/copying.hpp"

namespace harbinger {

/// A partition frozen at one version.
class snapshot_reader {
public:
  struct slice {
    std::string rows; ///< body of a chunk (wire/rows.hpp)
    std::string next; ///< key of the first row that is not in it
    bool end = false; ///< no rows after it
  };
  virtual ~snapshot_reader() = default;
  /// The rows from key `from` (inclusive) on, about `bytes_max` of them, at least one if there is
  /// one.
  virtual result<slice> read(const std::string& from, size_t bytes_max) = 0;
};

struct copy_source_limits {
  size_t sessions_max = 64;
  duration idle_max = seconds(30);
  size_t chunk_bytes = 1 << 20;
  uint64_t ahead_max = 64; ///< chunks that a request may lie beyond the newest one produced
};

/// The open snapshots. Owns their readers. Any chunk may be asked for again, in any order: where
/// each chunk begins and how much it was to hold is kept, so a repeated request costs only the read
/// and gives the same rows.
class copy_source {
public:
  /// `id_prefix` must differ between the lives of the process and of the actor: ids of an earlier
  /// life are not_found.
  copy_source(std::string id_prefix, copy_source_limits limits);

  /// Whether another snapshot may be opened; expires idle ones first.
  bool has_room(time_point now);
  /// Takes a snapshot in. `info.snapshot` is filled in. overloaded when there is no room.
  result<snapshot_opened> open(partition_id partition, snapshot_opened info,
                               std::unique_ptr<snapshot_reader> reader, time_point now);
  /// Goes on with an open snapshot. not_found when it has expired, was never there, or is of
  /// another partition.
  result<snapshot_opened> resume(partition_id partition, const std::string& snapshot,
                                 time_point now);
  /// A chunk. Beyond the last one: an empty chunk that says `last`. not_found for an unknown
  /// snapshot, invalid_argument for an index too far ahead.
  result<snapshot_chunk> pull(const snapshot_pull& request, time_point now);
  /// Closes snapshots nobody asked for since idle_max; how many.
  size_t expire(time_point now);

  /// Snapshots that were asked for within the last second.
  size_t busy_count(time_point now) const;
  size_t open_count() const { return sessions_.size(); }

private:
  struct session {
    partition_id partition;
    snapshot_opened info;
    std::unique_ptr<snapshot_reader> reader;
    /// Of a chunk whose place is known.
    struct place {
      std::string start;    ///< its first key
      size_t bytes_max = 0; ///< it was read with; 0: not read yet
    };
    std::vector<place> places;
    bool complete = false; ///< places holds every chunk
    time_point used;
  };
  result<snapshot_chunk> produce(session& s, uint64_t index, uint64_t bytes_max);

  std::string prefix_;
  copy_source_limits limits_;
  uint64_t next_ = 1;
  std::map<std::string, session> sessions_;
};

} // namespace harbinger
