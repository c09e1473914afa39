#pragma once

/// What some buckets of a partition must hold: rows from elsewhere, brought up to date with one's
/// own log. Pure.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "messages/replication.hpp"

namespace harbinger {

/// Calls `f` with the iterator of every element of `rows` (a std::map by key) that an operation
/// writes to or removes; `f` may erase it. With bucket_truth::apply the one place that knows which
/// records a log entry concerns.
template <class Map, class F>
void each_touched(const record_op& op, Map& rows, F f) {
  if (auto it = rows.find(op.key.data); it != rows.end()) f(it);
}
template <class Map, class F>
void each_touched(const log_entry& entry, Map& rows, F f) {
  for (const auto& op : entry.batch.ops) each_touched(op, rows, f);
}

/// Whether what an entry does to some buckets can be told from them alone: it has no conditions, no
/// client (it might be a repetition) and no ranges (which may be too large).
inline bool decided_alone(const log_entry& entry) {
  return entry.batch.conditions.empty() && entry.batch.client.empty()
         && std::none_of(entry.batch.ops.begin(), entry.batch.ops.end(),
                         [](const record_op& op) { return op.kind == op_kind::erase_range; });
}

/// Half-open; an empty end: to the last key.
struct key_range {
  std::string from, to;
};

class bucket_truth {
public:
  /// Rows of other buckets are passed over.
  bucket_truth(bucket_set buckets, const std::vector<record_row>& rows);

  /// The next entry of the log after the rows' version. What it does to the records it concerns may
  /// depend on other buckets; then these records are open: only who applied the entry knows them.
  void apply(const log_entry& entry);
  /// Records of these buckets that are open.
  const std::vector<key_range>& open() const { return open_; }
  /// An open record is this; nothing: it is not there.
  void settle(const std::string& key, const std::optional<std::string>& value);

  const std::map<std::string, std::string>& rows() const { return rows_; }
  /// Of the rows as they are now; other buckets: zero.
  const harbinger::digest& sums() const { return sums_; }
  uint64_t size_bytes() const { return size_bytes_; } ///< keys and values
  bool concerns(std::string_view key) const { return digest::holds(buckets_, key); }

private:
  void put(const std::string& key, const std::string& value);
  void erase(std::map<std::string, std::string>::iterator row);

  bucket_set buckets_;
  std::map<std::string, std::string> rows_;
  harbinger::digest sums_;
  uint64_t size_bytes_ = 0;
  std::vector<key_range> open_;
};

} // namespace harbinger
