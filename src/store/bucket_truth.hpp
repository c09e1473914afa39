#pragma once

/// What some buckets of a partition must hold: rows from elsewhere, brought up to date with one's
/// own log. Pure.

#include <map>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "messages/data.hpp"

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
  for (const auto& op : entry.ops) each_touched(op, rows, f);
}

class bucket_truth {
public:
  /// Rows of other buckets are passed over.
  bucket_truth(bucket_set buckets, const std::vector<record_row>& rows);

  /// The next entry of the log after the rows' version.
  void apply(const log_entry& entry);

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
};

} // namespace harbinger
