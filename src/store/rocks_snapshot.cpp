#include "store/rocks_snapshot.hpp"

#include "store/head_codec.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "wire/rows.hpp"

namespace harbinger::rocks {
namespace {

constexpr size_t packed_rows_max = 16'384;
constexpr size_t packed_readahead_bytes = 1 << 20;

class through_reader final : public packed_reader {
public:
  through_reader(rocksdb::DB& db, rocksdb::ReadOptions options, partition_id partition)
      : end_(keys::prefix_end(keys::prefix('d', partition))),
        upper_(end_),
        key_(keys::prefix('d', partition)) {
    options.iterate_upper_bound = &upper_;
    options.readahead_size = packed_readahead_bytes;
    options.fill_cache = false;
    it_.reset(db.NewIterator(options));
  }
  result<part> read(std::string_view from, size_t bytes_max) override {
    key_.resize(keys::prefix_bytes);
    key_ += from;
    if (!it_->Valid() || it_->key() != slice(key_)) it_->Seek(slice(key_));
    wire::row_packer rows(bytes_max);
    part out;
    for (size_t size = 0; it_->Valid(); it_->Next()) {
      auto key = view(it_->key()).substr(keys::prefix_bytes);
      size += key.size() + it_->value().size();
      if (rows.count() > 0 && (size > bytes_max || rows.count() >= packed_rows_max)) break;
      rows.add(key, view(it_->value()));
    }
    if (!it_->status().ok()) return failed(it_->status());
    out.end = !it_->Valid();
    if (!out.end) out.next = view(it_->key()).substr(keys::prefix_bytes);
    out.rows = rows.finish();
    return out;
  }

private:
  std::string end_;
  rocksdb::Slice upper_;
  std::string key_; ///< the one sought, with its prefix
  std::unique_ptr<rocksdb::Iterator> it_;
};

} // namespace

result<void> snapshot::load() {
  auto options = read_options();
  std::string found;
  auto s = db_->Get(options, slice(keys::head(partition_)), &found);
  if (s.IsNotFound()) return fail(errc::unknown_partition, to_string(partition_));
  if (!s.ok()) return failed(s);
  auto head = decode_head(partition_, found);
  if (!head) return tl::unexpected<error>(head.error());
  head_ = std::move(*head);
  return {};
}

result<partition_snapshot::page> snapshot::read(std::string_view from, bool after, size_t bytes_max,
                                                size_t rows_max) const {
  auto options = read_options();
  auto end = keys::prefix_end(keys::prefix('d', partition_));
  rocksdb::Slice upper(end);
  options.iterate_upper_bound = &upper;
  options.readahead_size = 0;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  auto start = keys::record(partition_, from);
  it->Seek(slice(start));
  if (after && it->Valid() && it->key() == slice(start)) it->Next();
  page out;
  size_t size = 0;
  for (; it->Valid(); it->Next()) {
    auto key = view(it->key()).substr(keys::prefix_bytes);
    auto row_bytes = key.size() + it->value().size();
    if (!out.rows.empty() && (size + row_bytes > bytes_max || out.rows.size() >= rows_max)) {
      out.more = true;
      break;
    }
    size += row_bytes;
    out.rows.push_back({{std::string(key)}, {it->value().ToString()}});
  }
  if (!it->status().ok()) return failed(it->status());
  return out;
}

std::unique_ptr<packed_reader> snapshot::read_through() const {
  return std::make_unique<through_reader>(*db_, read_options(), partition_);
}

result<void> snapshot::each_record(
    const std::function<void(std::string_view key, std::string_view value)>& take) const {
  auto options = read_options();
  auto prefix = keys::prefix('d', partition_);
  auto end = keys::prefix_end(prefix);
  rocksdb::Slice upper(end);
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(slice(prefix)); it->Valid(); it->Next())
    take(view(it->key()).substr(keys::prefix_bytes), view(it->value()));
  if (!it->status().ok()) return failed(it->status());
  return {};
}

rocksdb::ReadOptions snapshot::read_options() const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_;
  return options;
}

} // namespace harbinger::rocks
