#include "store/bucket_truth.hpp"

namespace harbinger {

bucket_truth::bucket_truth(bucket_set buckets, const std::vector<record_row>& rows)
    : buckets_(buckets) {
  for (const auto& row : rows)
    if (concerns(row.key.data)) put(row.key.data, row.value.data);
}

void bucket_truth::apply(const log_entry& entry) {
  for (const auto& op : entry.ops) {
    each_touched(op, rows_, [&](auto row) { erase(row); });
    if (op.kind == op_kind::put && concerns(op.key.data)) put(op.key.data, op.value.data);
  }
}

void bucket_truth::put(const std::string& key, const std::string& value) {
  if (auto old = rows_.find(key); old != rows_.end()) erase(old);
  sums_.add(key, value);
  size_bytes_ += key.size() + value.size();
  rows_.emplace(key, value);
}

void bucket_truth::erase(std::map<std::string, std::string>::iterator row) {
  sums_.remove(row->first, row->second);
  size_bytes_ -= row->first.size() + row->second.size();
  rows_.erase(row);
}

} // namespace harbinger
