#include "store/bucket_truth.hpp"

namespace harbinger {
namespace {

/// Where the sessions of clients are.
const key_range reserved{std::string(1, '\0'), std::string(1, '\1')};

} // namespace

bucket_truth::bucket_truth(bucket_set buckets, const std::vector<record_row>& rows)
    : buckets_(buckets) {
  for (const auto& row : rows)
    if (concerns(row.key.data)) put(row.key.data, row.value.data);
}

void bucket_truth::apply(const log_entry& entry) {
  if (!decided_alone(entry)) {
    for (const auto& op : entry.batch.ops) {
      bool range = op.kind == op_kind::erase_range;
      if (range)
        open_.push_back({op.key.data, op.value.data});
      else if (concerns(op.key.data))
        open_.push_back({op.key.data, op.key.data + '\0'});
    }
    if (!entry.batch.client.empty() && (open_.empty() || open_.front().from != reserved.from))
      open_.insert(open_.begin(), reserved); // one request may end the sessions of others
    return;
  }
  for (const auto& op : entry.batch.ops) {
    each_touched(op, rows_, [&](auto row) { erase(row); });
    if (op.kind == op_kind::put && concerns(op.key.data)) put(op.key.data, op.value.data);
  }
}

void bucket_truth::settle(const std::string& key, const std::optional<std::string>& value) {
  if (!concerns(key)) return;
  if (auto old = rows_.find(key); old != rows_.end()) erase(old);
  if (value) put(key, *value);
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
