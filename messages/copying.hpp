#pragma once

/// The data plane between copies, target to source: snapshot and delta transfer. DEALER to the
/// node's ROUTER; every request gets one reply with its id, either the named type or error_reply.

#include "messages/replication.hpp"

namespace harbinger {

/// Open a snapshot of the partition, or go on with one that is still open. Reply: snapshot_opened.
struct snapshot_open {
  static constexpr std::string_view wire_name = "snapshot.open";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  std::string resume; ///< snapshot id of an earlier open; empty: a new one. Unknown ids: not_found
  bucket_set buckets = 0; ///< only rows of these buckets of the digest, bit i for bucket i; 0: all
};
template <class V>
void describe(V& v, snapshot_open& m) {
  v("partition", m.partition);
  v("resume", m.resume);
  v("buckets", m.buckets);
}

struct snapshot_opened {
  static constexpr std::string_view wire_name = "snapshot.opened";
  static constexpr size_t max_bytes = control_body_max;
  std::string snapshot;
  harbinger::version version; ///< the state that is sent; committed by the primary
  std::array<uint64_t, harbinger::digest::buckets> digest{};
  uint64_t records = 0;
  uint64_t size_bytes = 0;
  epoch_history history;
};
template <class V>
void describe(V& v, snapshot_opened& m) {
  v("snapshot", m.snapshot);
  v("version", m.version);
  v("digest", m.digest);
  v("records", m.records);
  v("size_bytes", m.size_bytes);
  v("history", m.history);
}

/// One credit: send the chunk that begins after `after` (empty: at the first record). Reply:
/// snapshot_chunk. The target keeps several of these outstanding by asking for `index`, `index`+1
/// ...: the source keeps its place.
struct snapshot_pull {
  static constexpr std::string_view wire_name = "snapshot.pull";
  static constexpr size_t max_bytes = control_body_max;
  std::string snapshot;
  uint64_t index = 0; ///< chunks count from 0; any chunk may be asked for again
  /// Keys and values that a chunk which was not given out before should have at most; 0, or more
  /// than the source gives: as the source likes. One row is always given.
  uint64_t bytes_max = 0;
};
template <class V>
void describe(V& v, snapshot_pull& m) {
  v("snapshot", m.snapshot);
  v("index", m.index);
  v("bytes_max", m.bytes_max);
}

/// `rows`, the message's bulk part, is msgpack of an array of [key bin, value bin], perhaps
/// Zstandard-compressed; `checksum` is xxh3-64 of it as sent.
struct snapshot_chunk {
  static constexpr std::string_view wire_name = "snapshot.chunk";
  static constexpr size_t max_bytes = control_body_max; ///< without the bulk part
  std::string snapshot;
  uint64_t index = 0;
  bool last = false;
  bool zstd = false;
  uint64_t raw_bytes = 0; ///< size of rows before compression
  uint64_t checksum = 0;
  uint64_t rate_bytes_per_s = 0; ///< more of this copy the source does not give now; 0: no limit
  blob rows;

  static constexpr auto bulk = &snapshot_chunk::rows; ///< a part of its own (wire/frame.hpp)
};
template <class V>
void describe(V& v, snapshot_chunk& m) {
  v("snapshot", m.snapshot);
  v("index", m.index);
  v("last", m.last);
  v("zstd", m.zstd);
  v("raw_bytes", m.raw_bytes);
  v("checksum", m.checksum);
  v("rate_bytes_per_s", m.rate_bytes_per_s);
}

/// What came after `after`? Waits up to wait_ms when there is nothing yet. Reply: delta_batch;
/// log_trimmed or diverged mean that only a new snapshot helps.
struct delta_pull {
  static constexpr std::string_view wire_name = "delta.pull";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  harbinger::version after;
  /// The target's digest::total() at `after`; checked when the source knows its own there; 0: not
  /// known
  uint64_t digest = 0;
  uint32_t bytes_max = 0; ///< 0: 1 MiB
  uint32_t wait_ms = 0;   ///< at most 1000
};
template <class V>
void describe(V& v, delta_pull& m) {
  v("partition", m.partition);
  v("after", m.after);
  v("digest", m.digest);
  v("bytes_max", m.bytes_max);
  v("wait_ms", m.wait_ms);
}

struct delta_batch {
  static constexpr std::string_view wire_name = "delta.batch";
  static constexpr size_t max_bytes = bulk_body_max;
  partition_id partition;
  std::vector<log_entry> entries; ///< committed ones only, in order, directly after what was asked
  harbinger::version head;        ///< the source's newest committed version
  uint64_t digest = 0;            ///< the source's digest::total() at `head`; 0: not known
  epoch_history history;
};
template <class V>
void describe(V& v, delta_batch& m) {
  v("partition", m.partition);
  v("entries", m.entries);
  v("head", m.head);
  v("digest", m.digest);
  v("history", m.history);
}

} // namespace harbinger
