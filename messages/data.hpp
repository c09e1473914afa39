#pragma once

/// The data plane: client API, replication, snapshot and delta transfer. DEALER to the node's
/// ROUTER; every request gets one reply with its id, either the named type or error_reply.

#include "messages/common.hpp"

namespace harbinger {

enum class op_kind : uint8_t {
  put,
  erase,
  erase_range, ///< every key from `key` on that comes before `value` (empty: all that follow)
};
constexpr auto enum_names(op_kind) { return std::array{"put", "erase", "erase_range"}; }

inline constexpr size_t key_bytes_max = 1024;
inline constexpr size_t value_bytes_max = 1 << 20;
inline constexpr size_t batch_ops_max = 1024;
inline constexpr size_t batch_conditions_max = 64;
inline constexpr size_t batch_bytes_max = 4 << 20; ///< of all keys and values, conditions too
inline constexpr size_t client_bytes_max = 64;     ///< of a client's name
/// What the ranges of one batch may remove together; beyond it the batch changes nothing.
inline constexpr size_t range_records_max = 65'536;
inline constexpr size_t range_bytes_max = 64 << 20; ///< keys and values
inline constexpr uint32_t scan_rows_max = 10'000;

/// Keys that begin with a zero byte are the service's own (store/client_sessions.hpp): they are
/// refused in requests, and scans and ranges pass over them.
inline constexpr char reserved_key_byte = '\0';
inline constexpr std::string_view first_user_key{"\x01", 1};

struct record_op {
  op_kind kind = op_kind::put;
  bytes key;   ///< erase_range: the first key; empty: from the beginning
  bytes value; ///< empty for erase; erase_range: the end, exclusive; empty: to the end
  friend auto operator<=>(const record_op&, const record_op&) = default;
};
template <class V>
void describe(V& v, record_op& m) {
  v("op", m.kind);
  v("key", m.key);
  v("value", m.value);
}

enum class condition_kind : uint8_t {
  absent,  ///< there is no such record
  present, ///< there is one, whatever its value
  equals,  ///< there is one with exactly this value
};
constexpr auto enum_names(condition_kind) { return std::array{"absent", "present", "equals"}; }

/// What must hold before a batch is applied.
struct write_condition {
  condition_kind kind = condition_kind::absent;
  bytes key;
  bytes value; ///< empty but for `equals`
  friend auto operator<=>(const write_condition&, const write_condition&) = default;
};
template <class V>
void describe(V& v, write_condition& m) {
  v("condition", m.kind);
  v("key", m.key);
  v("value", m.value);
}

/// Writes to one partition, applied whole or not at all: not at all when a condition does not hold,
/// or when this request of this client was applied before. A client has one batch in flight a
/// partition; it numbers its requests upwards (gaps are fine) and repeats one with the same number.
struct write_batch {
  std::vector<record_op> ops;                   ///< in order
  std::vector<write_condition> conditions = {}; ///< of the state before the first operation
  std::string client = {}; ///< a name of its own; empty: a repetition is not recognised
  uint64_t request = 0;    ///< from 1 on; 0 without a client
  friend auto operator<=>(const write_batch&, const write_batch&) = default;
};
template <class V>
void describe(V& v, write_batch& m) {
  v("ops", m.ops);
  v("conditions", m.conditions);
  v("client", m.client);
  v("request", m.request);
}

/// Keys and values in bytes.
inline size_t payload_bytes(const write_batch& m) {
  size_t size = 0;
  for (const auto& op : m.ops) size += op.key.data.size() + op.value.data.size();
  for (const auto& c : m.conditions) size += c.key.data.size() + c.value.data.size();
  return size;
}

// --- client API ---

/// Reply: put_ok, after the whole sync set has the batch; condition_failed with the key in the
/// detail; stale_request when the client has gone on to a later request; oversize when its ranges
/// hold too much.
struct put_request {
  static constexpr std::string_view wire_name = "client.put";
  static constexpr size_t max_bytes = bulk_body_max;
  partition_id partition;
  write_batch batch;
};
template <class V>
void describe(V& v, put_request& m) {
  v("partition", m.partition);
  describe(v, m.batch);
}

struct put_ok {
  static constexpr std::string_view wire_name = "client.put_ok";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::version version; ///< that the batch got
  bool repeated = false;      ///< an earlier attempt of the same request was applied, as `version`
};
template <class V>
void describe(V& v, put_ok& m) {
  v("version", m.version);
  v("repeated", m.repeated);
}

/// Reply: value_reply. Served by the primary while its lease holds.
struct get_request {
  static constexpr std::string_view wire_name = "client.get";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  bytes key;
};
template <class V>
void describe(V& v, get_request& m) {
  v("partition", m.partition);
  v("key", m.key);
}

struct value_reply {
  static constexpr std::string_view wire_name = "client.value";
  static constexpr size_t max_bytes = bulk_body_max;
  bool found = false;
  bytes value;
  harbinger::version version; ///< state of the partition that was read
};
template <class V>
void describe(V& v, value_reply& m) {
  v("found", m.found);
  v("value", m.value);
  v("version", m.version);
}

/// Reply: rows_reply with the records from `from` (inclusive) on, in key order; reserved keys are
/// passed over.
struct scan_request {
  static constexpr std::string_view wire_name = "client.scan";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  bytes from;
  uint32_t limit = 1000; ///< 1..scan_rows_max; replies also end at 4 MiB
};
template <class V>
void describe(V& v, scan_request& m) {
  v("partition", m.partition);
  v("from", m.from);
  v("limit", m.limit);
}

struct record_row {
  bytes key;
  bytes value;
  friend auto operator<=>(const record_row&, const record_row&) = default;
};
template <class V>
void describe(V& v, record_row& m) {
  v("key", m.key);
  v("value", m.value);
}

struct rows_reply {
  static constexpr std::string_view wire_name = "client.rows";
  static constexpr size_t max_bytes = bulk_body_max;
  std::vector<record_row> rows;
  bool more = false;
  bytes next; ///< where to go on when `more`
  harbinger::version version;
};
template <class V>
void describe(V& v, rows_reply& m) {
  v("rows", m.rows);
  v("more", m.more);
  v("next", m.next);
  v("version", m.version);
}

/// The same as client.get from a copy: an older state of the partition, at `at_least` or past it,
/// and no older than `max_lag_ms` (0: however old). Reply: value_reply; gap when the copy is too
/// old, unavailable when there is none to be read.
struct get_from_copy {
  static constexpr std::string_view wire_name = "client.get_from_copy";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  bytes key;
  harbinger::version at_least;
  uint32_t max_lag_ms = 0;
};
template <class V>
void describe(V& v, get_from_copy& m) {
  v("partition", m.partition);
  v("key", m.key);
  v("at_least", m.at_least);
  v("max_lag_ms", m.max_lag_ms);
}

/// The same as client.scan from a copy. Reply: rows_reply. Pages of one scan may be of different
/// states: each says which; give the first one's as `at_least` of the next.
struct scan_from_copy {
  static constexpr std::string_view wire_name = "client.scan_from_copy";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  bytes from;
  uint32_t limit = 1000; ///< 1..scan_rows_max
  harbinger::version at_least;
  uint32_t max_lag_ms = 0;
};
template <class V>
void describe(V& v, scan_from_copy& m) {
  v("partition", m.partition);
  v("from", m.from);
  v("limit", m.limit);
  v("at_least", m.at_least);
  v("max_lag_ms", m.max_lag_ms);
}

/// "Are you there?" Reply: node_pong. Never queued behind other work.
struct node_ping {
  static constexpr std::string_view wire_name = "node.ping";
  static constexpr size_t max_bytes = control_body_max;
};
template <class V>
void describe(V&, node_ping&) {}

struct node_pong {
  static constexpr std::string_view wire_name = "node.pong";
  static constexpr size_t max_bytes = control_body_max;
  node_id node;
  incarnation life;
};
template <class V>
void describe(V& v, node_pong& m) {
  v("node", m.node);
  v("incarnation", m.life);
}

// --- replication, primary to secondary (and joiner) ---

/// One committed, or about to be committed, write batch. What it changes is decided when it is
/// applied, by every replica alike (store/entry_effect.hpp).
struct log_entry {
  harbinger::version version;
  write_batch batch;
  friend auto operator<=>(const log_entry&, const log_entry&) = default;
};
template <class V>
void describe(V& v, log_entry& m) {
  v("version", m.version);
  describe(v, m.batch);
}

/// Append these, which follow directly on `previous`. Empty `entries`: lease renewal and news of
/// the commit point. Reply: append_ok once they are durable; gap (with the receiver's version in
/// the detail), stale_epoch or diverged.
struct append_request {
  static constexpr std::string_view wire_name = "replica.append";
  static constexpr size_t max_bytes = bulk_body_max;
  partition_id partition;
  harbinger::epoch epoch; ///< of the sender
  node_id from;
  harbinger::version previous;
  std::vector<log_entry> entries;
  seq_no committed; ///< the primary has committed everything up to here
};
template <class V>
void describe(V& v, append_request& m) {
  v("partition", m.partition);
  v("epoch", m.epoch);
  v("from", m.from);
  v("previous", m.previous);
  v("entries", m.entries);
  v("committed", m.committed);
}

struct append_ok {
  static constexpr std::string_view wire_name = "replica.append_ok";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  harbinger::epoch epoch;
  harbinger::version version; ///< newest durable entry of the receiver
};
template <class V>
void describe(V& v, append_ok& m) {
  v("partition", m.partition);
  v("epoch", m.epoch);
  v("version", m.version);
}

// --- copying, target to source ---

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
