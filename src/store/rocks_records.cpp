#include "store/rocks_records.hpp"

#include <memory>

#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"

namespace harbinger::rocks {

result<std::optional<std::string>> stored_records::get(std::string_view key) const {
  std::string found;
  auto s = db_.Get(rocksdb::ReadOptions(), slice(keys::record(partition_, key)), &found);
  if (s.IsNotFound()) return std::optional<std::string>{};
  if (!s.ok()) return failed(s);
  return std::optional(std::move(found));
}

result<void> stored_records::range(std::string_view from, std::string_view to,
                                   const visitor& visit) const {
  auto end =
      to.empty() ? keys::prefix_end(keys::prefix('d', partition_)) : keys::record(partition_, to);
  rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(options));
  for (it->Seek(slice(keys::record(partition_, from))); it->Valid(); it->Next())
    if (!visit(view(it->key()).substr(keys::prefix_bytes), view(it->value()))) break;
  if (!it->status().ok()) return failed(it->status());
  return {};
}

int64_t stage_changes(rocksdb::WriteBatch& batch, partition_head& h,
                      const record_changes& changes) {
  auto before = h.size_bytes;
  for (const auto& [key, change] : changes) {
    if (change.before == change.after) continue;
    auto place = keys::record(h.partition, key);
    if (const auto& old = change.before) {
      h.digest.remove(key, *old);
      --h.records;
      h.size_bytes -= key.size() + old->size();
    }
    if (const auto& value = change.after) {
      batch.Put(slice(place), slice(*value));
      h.digest.add(key, *value);
      ++h.records;
      h.size_bytes += key.size() + value->size();
    } else {
      batch.Delete(slice(place));
    }
  }
  return static_cast<int64_t>(h.size_bytes - before);
}

} // namespace harbinger::rocks
