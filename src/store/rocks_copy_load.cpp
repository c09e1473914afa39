#include "store/rocks_copy_load.hpp"

#include <chrono>
#include <filesystem>

#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <zstd.h>

#include "core/crash_points.hpp"
#include "core/ensure.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/rocks_direct_files.hpp"

namespace harbinger::rocks {
namespace {

namespace fs = std::filesystem;

/// Where a file goes through the cache, the disk starts early, so that little is left to do when
/// the file is synced.
constexpr uint64_t written_back_bytes = 1 << 20;
constexpr size_t bulk_block_bytes = 16 << 10; // fewer blocks to make, and a smaller index

void copy_counts(const partition_head& from, partition_head& to) {
  to.chunks = from.chunks;
  to.records = from.records;
  to.size_bytes = from.size_bytes;
  to.digest = from.digest;
}

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
  out.writable_file_max_buffer_size = 0; // direct_file has its own
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
      bytes_before_(so_far.size_bytes),
      loaded_bytes_(loaded_bytes),
      key_(keys::prefix('d', so_far.partition)) {
  copy_counts(so_far, counts_);
}

copy_load::~copy_load() {
  if (ingested_.valid()) ingested_.wait();
  loaded_bytes_ -= bytes();
  std::error_code ignored; // open() of the store removes what is left
  fs::remove(file_, ignored);
}

result<std::unique_ptr<copy_load>> copy_load::open(const rocksdb::Options& options,
                                                   std::string file, const partition_head& so_far,
                                                   std::atomic<uint64_t>& loaded_bytes) {
  std::unique_ptr<copy_load> made(new copy_load(options, std::move(file), so_far, loaded_bytes));
  if (auto s = made->writer_.Open(made->file_); !s.ok()) return failed(s);
  return made;
}

bool copy_load::takes(record_views rows) const {
  bool beyond = empty_ || std::string_view(key_).substr(keys::prefix_bytes) < rows[0].key;
  return beyond && ascend(rows);
}

result<void> copy_load::add(record_views rows, const partition_head& counted) {
  for (const auto& row : rows) {
    key_.resize(keys::prefix_bytes);
    key_ += row.key;
    if (auto s = writer_.Put(slice(key_), slice(row.value)); !s.ok()) return failed(s);
    empty_ = false;
  }
  loaded_bytes_ += counted.size_bytes - counts_.size_bytes;
  copy_counts(counted, counts_);
  return {};
}

void copy_load::count_into(partition_head& head) const { copy_counts(counts_, head); }

void copy_load::seal(rocksdb::DB& db) {
  ENSURE(!empty_ && !sealed());
  ingested_ = std::async(std::launch::async, [this, &db] { return ingest(db); });
}

bool copy_load::ready() const {
  return ingested_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

result<void> copy_load::ingest(rocksdb::DB& db) {
  reach(crash_point::copy_file_full);
  if (auto s = writer_.Finish(); !s.ok()) return failed(s); // syncs the file
  reach(crash_point::copy_file_synced);
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;
  if (auto s = db.IngestExternalFile({file_}, options); !s.ok()) return failed(s);
  return {};
}

copy_streams::copy_streams(std::string directory)
    : directory_(std::move(directory)), direct_(make_direct_env(*rocksdb::Env::Default())) {}

result<void> copy_streams::prepare() const {
  std::error_code code;
  fs::remove_all(directory_, code);
  if (!code) fs::create_directories(directory_, code);
  if (code) return fail(errc::io, directory_ + ": " + code.message());
  return {};
}

std::shared_ptr<copy_stream> copy_streams::find(partition_id partition) const {
  std::lock_guard guard(mutex_);
  auto it = open_.find(partition);
  return it == open_.end() ? nullptr : it->second;
}

std::shared_ptr<copy_stream> copy_streams::start(partition_id partition) {
  std::lock_guard guard(mutex_);
  if (open_.size() >= streams_max) return nullptr;
  return open_.emplace(partition, std::make_shared<copy_stream>()).first->second;
}

result<std::unique_ptr<copy_load>> copy_streams::open_file(rocksdb::Options options,
                                                           const partition_head& so_far,
                                                           record_views first) {
  if (!compressible(first)) options.compression = rocksdb::kNoCompression;
  options.env = direct_.get();
  rocksdb::BlockBasedTableOptions table;
  if (auto* own = options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>())
    table = *own;
  table.block_size = bulk_block_bytes;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  auto file = directory_ + '/' + std::to_string(next_file_++) + ".sst";
  return copy_load::open(options, std::move(file), so_far, loaded_bytes_);
}

void copy_streams::forget(partition_id partition) {
  std::shared_ptr<copy_stream> last; // ends without the lock: it may wait
  {
    std::lock_guard guard(mutex_);
    auto it = open_.find(partition);
    if (it == open_.end()) return;
    last = std::move(it->second);
    open_.erase(it);
  }
}

} // namespace harbinger::rocks
