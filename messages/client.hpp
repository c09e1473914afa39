#pragma once

/// The data plane's client API. DEALER to the node's ROUTER; every request gets one reply with its
/// id, either the named type or error_reply.

#include "messages/records.hpp"

namespace harbinger {

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

/// What was committed directly after `after`? Reply: changes_reply, at once when there is
/// something, else after `wait_ms`. Only the primary answers. log_trimmed: its log begins later,
/// diverged: `after` is not in the partition's history: scan, and go on from the first page's
/// version; overloaded: too many wait.
struct watch_request {
  static constexpr std::string_view wire_name = "client.watch";
  static constexpr size_t max_bytes = control_body_max;
  partition_id partition;
  harbinger::version after; ///< 0:0: from the partition's first change on
  uint32_t bytes_max = 0;   ///< at most, and when 0, watch_bytes_max
  uint32_t wait_ms = 0;     ///< at most watch_wait_ms_max
};
template <class V>
void describe(V& v, watch_request& m) {
  v("partition", m.partition);
  v("after", m.after);
  v("bytes_max", m.bytes_max);
  v("wait_ms", m.wait_ms);
}

/// A committed batch that was applied. Batches that changed nothing, because a condition did not
/// hold or the request was a repetition, are nobody's business.
struct applied_batch {
  harbinger::version version;
  std::vector<record_op> ops; ///< in order; whoever applies them to the state before has that after
  friend auto operator<=>(const applied_batch&, const applied_batch&) = default;
};
template <class V>
void describe(V& v, applied_batch& m) {
  v("version", m.version);
  v("ops", m.ops);
}

struct changes_reply {
  static constexpr std::string_view wire_name = "client.changes";
  static constexpr size_t max_bytes = bulk_body_max;
  std::vector<applied_batch> changes; ///< in order; all that there are between `after` and `next`
  harbinger::version next;            ///< what to give as `after` next
  harbinger::version head;            ///< newest committed version: beyond `next` there is more
};
template <class V>
void describe(V& v, changes_reply& m) {
  v("changes", m.changes);
  v("next", m.next);
  v("head", m.head);
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

} // namespace harbinger
