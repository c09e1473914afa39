#include "store/rocks_copy_load.hpp"

#include <filesystem>

#include <rocksdb/options.h>
#include <zstd.h>

#include "core/ensure.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"

namespace harbinger::rocks {
namespace {

namespace fs = std::filesystem;

/// The disk starts early, so that little is left to do when the file is synced.
constexpr uint64_t written_back_bytes = 1 << 20;

/// Whether a sample of the rows shrinks by more than an eighth, the least RocksDB keeps a block
/// compressed for: trying every block of a file that does not shrink costs more than writing it.
bool compressible(record_views rows) {
  constexpr size_t sample_bytes = 32 << 10;
  std::string sample;
  for (size_t i = 0; i < rows.size() && sample.size() < sample_bytes; ++i)
    sample.append(rows[i].key).append(rows[i].value.substr(0, sample_bytes));
  std::string out(ZSTD_compressBound(sample.size()), '\0');
  auto size = ZSTD_compress(out.data(), out.size(), sample.data(), sample.size(), 1);
  return !ZSTD_isError(size) && size < sample.size() - sample.size() / 8;
}

rocksdb::EnvOptions file_options(const rocksdb::Options& options) {
  rocksdb::EnvOptions out(options);
  out.bytes_per_sync = written_back_bytes;
  out.use_mmap_writes = false;
  return out;
}

} // namespace

bool ascend(record_views rows) {
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i].key <= rows[i - 1].key) return false;
  return true;
}

void count_chunk(partition_head& head, record_views rows) {
  for (const auto& row : rows) {
    head.digest.add(row.key, row.value);
    head.size_bytes += row.key.size() + row.value.size();
  }
  head.records += rows.size();
  ++head.chunks;
}

copy_load::copy_load(const rocksdb::Options& options, std::string file,
                     const partition_head& so_far, std::atomic<uint64_t>& loaded_bytes)
    : file_(std::move(file)),
      writer_(file_options(options), options, nullptr, /*invalidate_page_cache=*/false),
      bytes_before_(so_far.size_bytes), loaded_bytes_(loaded_bytes),
      key_(keys::prefix('d', so_far.partition)) {
  counts_.chunks = so_far.chunks;
  counts_.records = so_far.records;
  counts_.size_bytes = so_far.size_bytes;
  counts_.digest = so_far.digest;
}

copy_load::~copy_load() {
  loaded_bytes_ -= counts_.size_bytes - bytes_before_;
  std::error_code ignored; // open() of the store removes what is left
  fs::remove(file_, ignored);
}

result<std::shared_ptr<copy_load>> copy_load::open(const rocksdb::Options& options,
                                                   std::string file, const partition_head& so_far,
                                                   std::atomic<uint64_t>& loaded_bytes) {
  std::shared_ptr<copy_load> made(new copy_load(options, std::move(file), so_far, loaded_bytes));
  if (auto s = made->writer_.Open(made->file_); !s.ok()) return failed(s);
  return made;
}

bool copy_load::takes(record_views rows) const {
  if (rows.empty()) return true;
  bool beyond = empty_ || std::string_view(key_).substr(keys::prefix_bytes) < rows[0].key;
  return beyond && ascend(rows);
}

result<void> copy_load::add(record_views rows) {
  for (const auto& row : rows) {
    key_.resize(keys::prefix_bytes);
    key_ += row.key;
    if (auto s = writer_.Put(slice(key_), slice(row.value)); !s.ok()) return failed(s);
    empty_ = false;
  }
  auto before = counts_.size_bytes;
  count_chunk(counts_, rows);
  loaded_bytes_ += counts_.size_bytes - before;
  return {};
}

void copy_load::count_into(partition_head& head) const {
  head.chunks = counts_.chunks;
  head.records = counts_.records;
  head.size_bytes = counts_.size_bytes;
  head.digest = counts_.digest;
}

result<void> copy_load::ingest(rocksdb::DB& db) {
  ENSURE(!empty_);
  if (auto s = writer_.Finish(); !s.ok()) return failed(s); // syncs the file
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;
  if (auto s = db.IngestExternalFile({file_}, options); !s.ok()) return failed(s);
  return {};
}

result<void> copy_loads::prepare() const {
  std::error_code code;
  fs::remove_all(directory_, code);
  if (!code) fs::create_directories(directory_, code);
  if (code) return fail(errc::io, directory_ + ": " + code.message());
  return {};
}

std::shared_ptr<copy_load> copy_loads::find(partition_id partition) const {
  std::lock_guard guard(mutex_);
  auto it = open_.find(partition);
  return it == open_.end() ? nullptr : it->second;
}

bool copy_loads::full() const {
  std::lock_guard guard(mutex_);
  return open_.size() >= loads_max;
}

result<std::shared_ptr<copy_load>> copy_loads::start(rocksdb::Options options,
                                                     const partition_head& so_far,
                                                     record_views first) {
  if (!compressible(first)) options.compression = rocksdb::kNoCompression;
  std::lock_guard guard(mutex_);
  auto file = directory_ + '/' + std::to_string(next_++) + ".sst";
  auto made = copy_load::open(options, std::move(file), so_far, loaded_bytes_);
  if (made) open_[so_far.partition] = *made;
  return made;
}

void copy_loads::forget(partition_id partition) {
  std::shared_ptr<copy_load> last; // its file is removed without the lock
  std::lock_guard guard(mutex_);
  auto it = open_.find(partition);
  if (it == open_.end()) return;
  last = std::move(it->second);
  open_.erase(it);
}

} // namespace harbinger::rocks
