#include "store/partition_store.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "catalog/database_log.hpp"
#include "core/crash_points.hpp"
#include "store/head_codec.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/rocks_staged_writes.hpp"
#include "store/rocks_store.hpp"

namespace harbinger {
namespace rocks {
namespace {

rocksdb::Options database_options() {
  rocksdb::Options o;
  o.create_if_missing = true;
  o.compression = rocksdb::kLZ4Compression;
  o.write_buffer_size = 32 << 20;
  o.max_background_jobs = 2;
  o.max_open_files = 256;
  // What is written was usually not written a moment ago: old values are not looked for there.
  o.memtable_whole_key_filtering = true;
  o.memtable_prefix_bloom_size_ratio = 0.02;
  o.info_log = make_database_log("store");
  o.paranoid_checks = true;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.block_cache = rocksdb::NewLRUCache(32 << 20);
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

} // namespace

result<void> store::open() {
  std::error_code code;
  std::filesystem::create_directories(options_.directory, code);
  if (code) return fail(errc::io, options_.directory + ": " + code.message());
  rocksdb::DB* raw = nullptr;
  auto s = rocksdb::DB::Open(database_options(), options_.directory, &raw);
  if (!s.ok()) {
    auto text = s.ToString();
    if (s.IsIOError() && text.find("lock") != std::string::npos)
      return fail(errc::in_use, options_.directory + " belongs to another process: " + text);
    return failed(s);
  }
  db_.reset(raw);
  if (auto ready = streams_.prepare(); !ready) return ready; // it is ours now
  return load();
}

result<void> store::load() {
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek("h"); it->Valid() && it->key().starts_with("h"); it->Next()) {
    partition_id id{keys::get_be64(view(it->key()).substr(1, 8))};
    auto head = decode_head(id, view(it->value()));
    if (!head) return tl::unexpected<error>(head.error());
    slots_.load(std::move(*head));
  }
  for (it->Seek("c"); it->Valid() && it->key().starts_with("c"); it->Next()) ++conflicts_;
  if (!it->status().ok()) return failed(it->status());
  return {};
}

result<partition_head> store::head(partition_id partition) const {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  return s->get();
}

std::vector<result<store_written>> store::write(const std::vector<store_write>& group) {
  std::vector<result<store_written>> answers(group.size(), fail(errc::internal, "not written"));
  held_slots held;
  std::vector<std::unique_lock<std::mutex>> locks;
  for (const auto& w : group) held.emplace(w.partition, nullptr);
  for (auto& [id, s] : held) { // by id: two groups never wait for each other
    bool may_create = std::any_of(group.begin(), group.end(), [&, id = id](const auto& w) {
      return w.partition == id && w.create;
    });
    s = may_create ? slots_.find_or_make(id) : slots_.find(id);
    if (s) locks.emplace_back(s->writing);
  }
  staged_writes work(*db_, slots_, held);
  for (size_t i = 0; i < group.size(); ++i) answers[i] = work.apply(group[i]);
  work.finish();
  if (work.durable()) reach(crash_point::commit_begun);
  auto committed = commit(work.batch(), work.durable());
  if (work.durable()) reach(crash_point::commit_written);
  if (committed)
    for (const auto& [id, h] : work.heads()) {
      slots_.publish(*held.at(id), h);
      if (h.state != replica_state::copying) streams_.forget(id);
    }
  if (!committed)
    for (auto& answer : answers)
      if (answer) answer = tl::unexpected<error>(committed.error());
  return answers;
}

result<partition_head> store::commit_head(partition_slot& s, const partition_head& h,
                                          rocksdb::WriteBatch& batch, bool durable) {
  batch.Put(slice(keys::head(h.partition)), slice(encode_head(h)));
  if (auto done = commit(batch, durable); !done) return tl::unexpected<error>(done.error());
  slots_.publish(s, h);
  return h;
}

result<void> store::commit(rocksdb::WriteBatch& batch, bool durable) {
  if (batch.Count() == 0) return {};
  rocksdb::WriteOptions options;
  options.sync = durable && options_.sync_writes;
  auto s = db_->Write(options, &batch);
  if (s.ok()) return {};
  return failed(s); // after a full disk RocksDB goes on by itself when there is room
}

} // namespace rocks

result<partition_head> partition_store::write_one(store_write item) {
  auto written = std::move(write({std::move(item)}).front());
  if (!written) return tl::unexpected<error>(written.error());
  return std::move(written->head);
}

result<std::vector<log_entry>> partition_store::log_after(partition_id partition, version after,
                                                          seq_no up_to, size_t bytes_max) const {
  auto logged = logged_after(partition, after, up_to, bytes_max);
  if (!logged) return tl::unexpected<error>(logged.error());
  std::vector<log_entry> out;
  out.reserve(logged->size());
  for (auto& e : *logged) out.push_back(std::move(e.entry));
  return out;
}

result<partition_head> partition_store::ingest_rows(partition_id partition, copy_id copy,
                                                    uint64_t chunk,
                                                    const std::vector<record_row>& rows) {
  std::vector<record_view> views;
  views.reserve(rows.size());
  for (const auto& row : rows) views.push_back({row.key.data, row.value.data});
  return ingest(partition, copy, chunk, views);
}

result<std::shared_ptr<partition_store>>
partition_store::open(const partition_store_options& options) {
  auto made = std::make_shared<rocks::store>(options);
  if (auto opened = made->open(); !opened) return tl::unexpected<error>(opened.error());
  return std::shared_ptr<partition_store>(std::move(made));
}

} // namespace harbinger
