#pragma once

/// Records of a partition and what is written to them: limits, operations, conditions, batches.
/// Parts of the data plane's messages.

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
inline constexpr uint32_t watch_bytes_max = 1 << 20; ///< one batch may be more, and comes alone
inline constexpr uint32_t watch_wait_ms_max = 10'000;

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

} // namespace harbinger
