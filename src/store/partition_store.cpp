#include "store/partition_store.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "catalog/database_log.hpp"
#include "store/head_codec.hpp"
#include "store/keys.hpp"
#include "wire/codec.hpp"

namespace harbinger {
namespace {

constexpr size_t history_max = 64;

error from_status(const rocksdb::Status& s) {
  if (s.IsNoSpace()) return {errc::no_space, s.ToString()};
  if (s.IsNotFound()) return {errc::not_found, s.ToString()};
  if (s.IsCorruption()) return {errc::checksum, s.ToString()};
  auto text = s.ToString();
  // The system's own words reach us as text when a write to a file is cut off.
  if (text.find("No space left") != std::string::npos
      || text.find("File too large") != std::string::npos
      || text.find("quota exceeded") != std::string::npos)
    return {errc::no_space, text};
  return {errc::io, text};
}
tl::unexpected<error> failed(const rocksdb::Status& s) {
  return tl::unexpected<error>(from_status(s));
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

/// Whether (epoch, seq) is part of a history.
bool contains(const epoch_history& truth, version v) {
  if (v.seq.value == 0) return true;
  if (!truth.empty() && v.seq < truth.front().first_seq)
    return true; // older than what the history still tells
  return epoch_at(truth, v.seq) == v.epoch;
}

void note_epoch(epoch_history& history, version v) {
  if (!history.empty() && history.back().epoch == v.epoch) return;
  history.push_back({v.epoch, v.seq});
  if (history.size() > history_max) history.erase(history.begin());
}

struct slot {
  bool born = false;          // has a head; changes under `writing`
  std::mutex writing;         // held over a write of this partition
  mutable std::mutex reading; // guards `head`
  partition_head head;
  bool gone = false; // dropped; a writer that still holds the slot must not use it
  partition_head get() const {
    std::lock_guard guard(reading);
    return head;
  }
};
using slot_ptr = std::shared_ptr<slot>;

/// Records as they will be once the batch under construction is written.
class overlay {
public:
  overlay(rocksdb::DB& db) : db_(db) {}

  rocksdb::Status read(const std::string& key, std::optional<std::string>& value) {
    if (auto it = pending_.find(key); it != pending_.end()) {
      value = it->second;
      return rocksdb::Status::OK();
    }
    std::string found;
    auto s = db_.Get(rocksdb::ReadOptions(), slice(key), &found);
    if (s.IsNotFound()) {
      value.reset();
      return rocksdb::Status::OK();
    }
    if (s.ok()) value = std::move(found);
    return s;
  }
  void set(std::string key, std::optional<std::string> value) {
    pending_[std::move(key)] = std::move(value);
  }

private:
  rocksdb::DB& db_;
  std::unordered_map<std::string, std::optional<std::string>> pending_;
};

class snapshot_impl : public partition_snapshot {
public:
  snapshot_impl(std::shared_ptr<rocksdb::DB> db, partition_id partition)
      : db_(std::move(db)), snapshot_(db_->GetSnapshot()), partition_(partition) {}
  ~snapshot_impl() override { db_->ReleaseSnapshot(snapshot_); }
  snapshot_impl(const snapshot_impl&) = delete;
  snapshot_impl& operator=(const snapshot_impl&) = delete;

  result<void> load() {
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

  const partition_head& head() const override { return head_; }

  result<page> read(std::string_view from, bool after, size_t bytes_max,
                    size_t rows_max) const override {
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

  rocksdb::ReadOptions read_options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    return options;
  }

private:
  std::shared_ptr<rocksdb::DB> db_;
  const rocksdb::Snapshot* snapshot_;
  partition_id partition_;
  partition_head head_;
};

class rocks_store : public partition_store {
public:
  explicit rocks_store(partition_store_options options) : options_(std::move(options)) {}

  result<void> open() {
    std::error_code code;
    std::filesystem::create_directories(options_.directory, code);
    if (code) return fail(errc::io, options_.directory + ": " + code.message());
    rocksdb::Options o;
    o.create_if_missing = true;
    o.compression = rocksdb::kLZ4Compression;
    o.write_buffer_size = 32 << 20;
    o.max_background_jobs = 2;
    o.max_open_files = 256;
    o.info_log = make_database_log("store");
    o.paranoid_checks = true;
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
    table.block_cache = rocksdb::NewLRUCache(32 << 20);
    o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* raw = nullptr;
    auto s = rocksdb::DB::Open(o, options_.directory, &raw);
    if (!s.ok()) {
      auto text = s.ToString();
      if (s.IsIOError() && text.find("lock") != std::string::npos)
        return fail(errc::in_use, options_.directory + " belongs to another process: " + text);
      return failed(s);
    }
    db_.reset(raw);
    return load();
  }

  // --- heads ---

  std::vector<partition_head> heads() const override {
    std::shared_lock guard(slots_mutex_);
    std::vector<partition_head> out;
    out.reserve(slots_.size());
    for (const auto& [id, s] : slots_) out.push_back(s->get());
    return out;
  }

  result<partition_head> head(partition_id partition) const override {
    auto s = find(partition);
    if (!s) return fail(errc::unknown_partition, to_string(partition));
    return s->get();
  }

  uint64_t used_bytes() const override { return used_; }
  uint64_t conflict_count() const override { return conflicts_; }

  // --- writing ---

  std::vector<result<partition_head>> write(const std::vector<store_write>& group) override {
    std::vector<result<partition_head>> answers(group.size(), fail(errc::internal, "not written"));
    std::map<partition_id, slot_ptr> held;
    std::vector<std::unique_lock<std::mutex>> locks;
    for (const auto& w : group) held.emplace(w.partition, nullptr);
    for (auto& [id, s] : held) { // by id: two groups never wait for each other
      bool may_create = std::any_of(group.begin(), group.end(), [&, id = id](const auto& w) {
        return w.partition == id && w.create;
      });
      s = may_create ? find_or_make(id) : find(id);
      if (s) locks.emplace_back(s->writing);
    }
    staged work{*this, held};
    for (size_t i = 0; i < group.size(); ++i) answers[i] = work.apply(group[i]);
    auto committed = commit(work.batch, work.durable);
    if (committed) work.publish();
    if (!committed)
      for (auto& answer : answers)
        if (answer) answer = tl::unexpected<error>(committed.error());
    return answers;
  }

  // --- reading ---

  result<value> get(partition_id partition, std::string_view key) const override {
    if (!find(partition)) return fail(errc::unknown_partition, to_string(partition));
    snapshot_impl at(db_, partition);
    if (auto loaded = at.load(); !loaded) return tl::unexpected<error>(loaded.error());
    value out;
    out.version = at.head().version;
    auto s = db_->Get(at.read_options(), slice(keys::record(partition, key)), &out.bytes);
    out.found = s.ok();
    if (!s.ok() && !s.IsNotFound()) return failed(s);
    return out;
  }

  result<rows_reply> scan(partition_id partition, std::string_view from, uint32_t limit,
                          size_t bytes_max) const override {
    if (limit == 0 || limit > scan_rows_max)
      return fail(errc::invalid_argument, "limit must be 1.." + std::to_string(scan_rows_max));
    auto at = open_snapshot(partition);
    if (!at) return tl::unexpected<error>(at.error());
    auto page = (*at)->read(from, false, bytes_max, limit);
    if (!page) return tl::unexpected<error>(page.error());
    rows_reply out;
    out.version = (*at)->head().version;
    out.rows = std::move(page->rows);
    out.more = page->more;
    if (out.more) out.next.data = out.rows.back().key.data + '\0'; // the smallest key after it
    return out;
  }

  result<std::vector<log_entry>> log_after(partition_id partition, version after, seq_no up_to,
                                           size_t bytes_max) const override {
    snapshot_impl at(db_, partition);
    if (auto loaded = at.load(); !loaded) return tl::unexpected<error>(loaded.error());
    const auto& h = at.head();
    if (after.seq < h.log_start.seq)
      return fail(errc::log_trimmed,
                  "log of " + to_string(partition) + " begins after " + to_string(h.log_start));
    if (after.seq > h.version.seq)
      return fail(after.epoch <= h.version.epoch || h.version.seq.value == 0 ? errc::gap
                                                                             : errc::diverged,
                  to_string(h.version));
    auto options = at.read_options();
    auto end = keys::prefix_end(keys::prefix('l', partition));
    rocksdb::Slice upper(end);
    options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    if (after != h.log_start) {
      auto place = keys::entry('l', partition, after);
      it->Seek(slice(place));
      if (!it->Valid() || it->key() != slice(place))
        return fail(errc::diverged, to_string(after) + " is not in the history");
      it->Next();
    } else {
      it->Seek(slice(keys::prefix('l', partition)));
    }
    std::vector<log_entry> out;
    size_t size = 0;
    for (; it->Valid(); it->Next()) {
      if (keys::entry_version(view(it->key())).seq > up_to) break;
      if (!out.empty() && size + it->value().size() > bytes_max) break;
      size += it->value().size();
      auto entry = wire::decode<log_entry>(view(it->value()));
      if (!entry)
        return fail(errc::checksum,
                    "log of " + to_string(partition) + ": " + to_string(entry.error()));
      out.push_back(std::move(*entry));
    }
    if (!it->status().ok()) return failed(it->status());
    return out;
  }

  result<std::shared_ptr<partition_snapshot>> open_snapshot(partition_id partition) const override {
    auto made = std::make_shared<snapshot_impl>(db_, partition);
    if (auto loaded = made->load(); !loaded) return tl::unexpected<error>(loaded.error());
    return std::shared_ptr<partition_snapshot>(std::move(made));
  }

  result<void> verify(partition_id partition) const override {
    auto at = open_snapshot(partition);
    if (!at) return tl::unexpected<error>(at.error());
    harbinger::digest seen;
    uint64_t records = 0, size = 0;
    std::string from;
    for (bool after = false;; after = true) {
      auto page = (*at)->read(from, after, 4 << 20, SIZE_MAX);
      if (!page) return tl::unexpected<error>(page.error());
      for (const auto& row : page->rows) {
        seen.add(row.key.data, row.value.data);
        ++records;
        size += row.key.data.size() + row.value.data.size();
      }
      if (!page->more) break;
      from = page->rows.back().key.data;
    }
    const auto& h = (*at)->head();
    if (seen != h.digest || records != h.records || size != h.size_bytes)
      return fail(errc::checksum, "partition " + to_string(partition) + " at "
                                      + to_string(h.version) + ": records have digest "
                                      + hex64(seen.total()) + ", the head says "
                                      + hex64(h.digest.total()));
    return {};
  }

  // --- copying ---

  result<partition_head> begin_copy(partition_id partition, copy_id copy,
                                    std::string cursor) override {
    auto s = find_or_make(partition);
    std::lock_guard guard(s->writing);
    if (s->gone) return fail(errc::unavailable, "is being dropped");
    auto old = s->get();
    if (s->born && old.role != replica_role::copy)
      return fail(errc::conflict, "is " + std::string(name_of(old.role)));
    if (s->born && copy < old.copy)
      return fail(errc::stale_term, "attempt " + std::to_string(old.copy.value) + " is newer");
    partition_head h;
    h.partition = partition;
    h.copy = copy;
    h.cursor = std::move(cursor);
    h.epoch = old.epoch;
    rocksdb::WriteBatch batch;
    if (s->born) erase_data(batch, partition);
    batch.Put(slice(keys::head(partition)), slice(encode_head(h)));
    if (auto done = commit(batch, true); !done) return tl::unexpected<error>(done.error());
    publish(*s, h);
    return h;
  }

  result<partition_head> ingest_rows(partition_id partition, copy_id copy, uint64_t chunk,
                                     const std::vector<record_row>& rows) override {
    auto s = find(partition);
    if (!s) return fail(errc::unknown_partition, to_string(partition));
    std::lock_guard guard(s->writing);
    auto h = s->get();
    if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
    if (chunk < h.chunks) return h;
    if (chunk > h.chunks) return fail(errc::gap, "next is chunk " + std::to_string(h.chunks));
    rocksdb::WriteBatch batch;
    auto key = keys::prefix('d', partition);
    auto before = h.size_bytes;
    for (const auto& row : rows) {
      key.resize(keys::prefix_bytes);
      key += row.key.data;
      batch.Put(slice(key), slice(row.value.data));
      h.digest.add(row.key.data, row.value.data);
      h.size_bytes += row.key.data.size() + row.value.data.size();
    }
    h.records += rows.size();
    ++h.chunks;
    if (over_quota(h.size_bytes - before))
      return fail(errc::no_space, "quota of " + std::to_string(options_.quota_bytes) + " bytes");
    batch.Put(slice(keys::head(partition)), slice(encode_head(h)));
    if (auto done = commit(batch, false); !done) return tl::unexpected<error>(done.error());
    publish(*s, h);
    return h;
  }

  result<partition_head> finish_copy(partition_id partition, copy_id copy, version v,
                                     const harbinger::digest& expected,
                                     const epoch_history& history, replica_state state) override {
    auto s = find(partition);
    if (!s) return fail(errc::unknown_partition, to_string(partition));
    std::lock_guard guard(s->writing);
    auto h = s->get();
    if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
    if (h.digest != expected)
      return fail(errc::checksum,
                  "digest " + hex64(h.digest.total()) + " instead of " + hex64(expected.total()));
    h.version = h.log_start = v;
    h.committed = v.seq;
    h.history.clear();
    for (const auto& start : history)
      if (start.first_seq <= v.seq && start.epoch <= v.epoch) h.history.push_back(start);
    h.state = state;
    rocksdb::WriteBatch batch;
    batch.Put(slice(keys::head(partition)), slice(encode_head(h)));
    if (auto done = commit(batch, true); !done) return tl::unexpected<error>(done.error());
    publish(*s, h);
    return h;
  }

  // --- giving up ---

  result<uint64_t> drop(partition_id partition, const epoch_history& truth) override {
    auto s = find(partition);
    if (!s) return uint64_t{0};
    std::lock_guard guard(s->writing);
    if (s->gone) return uint64_t{0};
    auto h = s->get();
    rocksdb::WriteBatch batch;
    uint64_t journalled = 0;
    auto end = keys::prefix_end(keys::prefix('l', partition));
    rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    for (it->Seek(slice(keys::prefix('l', partition))); it->Valid(); it->Next()) {
      auto v = keys::entry_version(view(it->key()));
      bool lost = truth.empty() ? v.seq > h.committed : !contains(truth, v);
      if (!lost) continue;
      auto key = keys::entry('c', partition, v);
      std::string there;
      if (db_->Get(rocksdb::ReadOptions(), slice(key), &there).IsNotFound()) ++journalled;
      batch.Put(slice(key), it->value());
    }
    if (!it->status().ok()) return failed(it->status());
    erase_data(batch, partition);
    batch.Delete(slice(keys::head(partition)));
    if (auto done = commit(batch, true); !done) return tl::unexpected<error>(done.error());
    conflicts_ += journalled;
    used_ -= h.size_bytes;
    s->gone = true;
    std::unique_lock slots(slots_mutex_);
    slots_.erase(partition);
    return journalled;
  }

  result<std::vector<conflict_entry>> conflicts(size_t entries_max) const override {
    std::vector<conflict_entry> out;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
    for (it->Seek("c"); it->Valid() && it->key().starts_with("c") && out.size() < entries_max;
         it->Next()) {
      auto entry = wire::decode<log_entry>(view(it->value()));
      if (!entry) return fail(errc::checksum, "conflict journal: " + to_string(entry.error()));
      out.push_back(
          {partition_id{keys::get_be64(view(it->key()).substr(1, 8))}, std::move(*entry)});
    }
    if (!it->status().ok()) return failed(it->status());
    return out;
  }

  result<void> trim_log(partition_id partition, seq_no keep_from) override {
    auto s = find(partition);
    if (!s) return fail(errc::unknown_partition, to_string(partition));
    std::lock_guard guard(s->writing);
    if (s->gone) return fail(errc::unknown_partition, to_string(partition));
    auto h = s->get();
    if (h.log_start.seq.value + 1 >= keep_from.value) return {};
    auto last =
        seq_no{std::min(keep_from.value - 1, h.version.seq.value)}; // the newest one that goes
    version start{epoch_at(h.history, last), last};
    if (last == h.version.seq) start = h.version;
    rocksdb::WriteBatch batch;
    auto from = keys::prefix('l', partition);
    auto to = keys::entry('l', partition, {start.epoch, seq_no{start.seq.value + 1}});
    batch.DeleteRange(slice(from), slice(to));
    h.log_start = start;
    batch.Put(slice(keys::head(partition)), slice(encode_head(h)));
    if (auto done = commit(batch, false); !done) return tl::unexpected<error>(done.error());
    publish(*s, h);
    return {};
  }

private:
  /// One group on its way into one batch: heads as they will be, records as they will be.
  struct staged {
    rocks_store& store;
    const std::map<partition_id, slot_ptr>& held;
    std::map<partition_id, partition_head> heads = {};
    overlay records{*store.db_};
    rocksdb::WriteBatch batch{};
    bool durable = false;
    int64_t growth = 0;

    result<partition_head> apply(const store_write& w) {
      auto current = head_of(w);
      if (!current) return current;
      auto h = *current;
      if (w.epoch < h.epoch)
        return fail(errc::stale_epoch, "epoch " + std::to_string(h.epoch.value) + " is in force");
      auto first = std::find_if(w.entries.begin(), w.entries.end(),
                                [&](const log_entry& e) { return e.version.seq > h.version.seq; });
      if (auto ok = follows(h, w, first); !ok) return tl::unexpected<error>(ok.error());
      h.epoch = std::max(h.epoch, w.epoch);
      if (w.change) change(h, *w.change);
      batch.SetSavePoint();
      overlay_undo undo;
      int64_t grown = 0;
      for (auto e = first; e != w.entries.end(); ++e)
        if (auto ok = append(h, *e, undo, grown); !ok) return roll_back(undo, ok.error());
      if (grown > 0
          && store.over_quota(static_cast<uint64_t>(std::max<int64_t>(growth + grown, 0))))
        return roll_back(
            undo,
            {errc::no_space, "quota of " + std::to_string(store.options_.quota_bytes) + " bytes"});
      h.committed = std::max(h.committed, std::min(w.committed, h.version.seq));
      bool lasting = first != w.entries.end() || w.change || h.epoch != current->epoch || w.create;
      if (lasting) {
        durable = true;
        batch.Put(slice(keys::head(w.partition)), slice(encode_head(h)));
      }
      batch.PopSavePoint();
      growth += grown;
      heads[w.partition] = h;
      return h;
    }

    void publish() {
      for (const auto& [id, h] : heads) store.publish(*held.at(id), h);
    }

  private:
    using overlay_undo = std::vector<std::pair<std::string, std::optional<std::string>>>;

    result<partition_head> head_of(const store_write& w) {
      if (auto it = heads.find(w.partition); it != heads.end()) return it->second;
      const auto& s = held.at(w.partition);
      if (!s || s->gone) return fail(errc::unknown_partition, to_string(w.partition));
      auto h = s->get();
      if (s->born) return h;
      if (!w.create) return fail(errc::unknown_partition, to_string(w.partition));
      h = {};
      h.partition = w.partition;
      return h;
    }

    static result<void> follows(const partition_head& h, const store_write& w,
                                std::vector<log_entry>::const_iterator first) {
      if (w.entries.empty()) return {};
      for (auto e = w.entries.begin(); e != first; ++e) // already in: they must be the same ones
        if (e->version.seq > h.log_start.seq
            && epoch_at(h.history, e->version.seq) != e->version.epoch)
          return fail(errc::diverged, to_string(h.version));
      if (first == w.entries.end()) return {};
      auto before = first == w.entries.begin() ? w.previous : std::prev(first)->version;
      if (before != h.version) return fail(errc::gap, to_string(h.version));
      auto last = h.version;
      for (auto e = first; e != w.entries.end(); last = e->version, ++e)
        if (e->version.seq.value != last.seq.value + 1 || e->version.epoch < last.epoch)
          return fail(errc::invalid_argument, to_string(e->version) + " after " + to_string(last));
      return {};
    }

    static void change(partition_head& h, const head_change& c) {
      if (c.role) h.role = *c.role;
      if (c.state) h.state = *c.state;
      if (c.epoch) h.epoch = std::max(h.epoch, *c.epoch);
      if (c.revision) h.revision = *c.revision;
      if (c.configuration) h.configuration = *c.configuration;
      if (c.failure) h.failure = *c.failure;
    }

    result<void> append(partition_head& h, const log_entry& e, overlay_undo& undo, int64_t& grown) {
      for (const auto& op : e.ops) {
        auto key = keys::record(h.partition, op.key.data);
        std::optional<std::string> old;
        if (auto s = records.read(key, old); !s.ok()) return failed(s);
        if (old) {
          h.digest.remove(op.key.data, *old);
          --h.records;
          grown -= static_cast<int64_t>(op.key.data.size() + old->size());
          h.size_bytes -= op.key.data.size() + old->size();
        }
        undo.emplace_back(key, old);
        if (op.kind == op_kind::put) {
          batch.Put(slice(key), slice(op.value.data));
          h.digest.add(op.key.data, op.value.data);
          ++h.records;
          grown += static_cast<int64_t>(op.key.data.size() + op.value.data.size());
          h.size_bytes += op.key.data.size() + op.value.data.size();
          records.set(std::move(key), op.value.data);
        } else {
          if (old) batch.Delete(slice(key));
          records.set(std::move(key), std::nullopt);
        }
      }
      batch.Put(slice(keys::entry('l', h.partition, e.version)), slice(wire::encode(e)));
      h.version = e.version;
      note_epoch(h.history, e.version);
      return {};
    }

    result<partition_head> roll_back(overlay_undo& undo, error why) {
      batch.RollbackToSavePoint();
      for (auto it = undo.rbegin(); it != undo.rend(); ++it) records.set(it->first, it->second);
      return tl::unexpected<error>(std::move(why));
    }
  };

  result<void> load() {
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
    for (it->Seek("h"); it->Valid() && it->key().starts_with("h"); it->Next()) {
      partition_id id{keys::get_be64(view(it->key()).substr(1, 8))};
      auto head = decode_head(id, view(it->value()));
      if (!head) return tl::unexpected<error>(head.error());
      used_ += head->size_bytes;
      auto s = std::make_shared<slot>();
      s->head = std::move(*head);
      s->born = true;
      slots_.emplace(id, std::move(s));
    }
    for (it->Seek("c"); it->Valid() && it->key().starts_with("c"); it->Next()) ++conflicts_;
    if (!it->status().ok()) return failed(it->status());
    return {};
  }

  slot_ptr find(partition_id partition) const {
    std::shared_lock guard(slots_mutex_);
    auto it = slots_.find(partition);
    return it == slots_.end() ? nullptr : it->second;
  }

  /// A slot that is not in `slots_` yet stays so until its first head is published: nobody sees an
  /// unborn partition.
  slot_ptr find_or_make(partition_id partition) {
    std::unique_lock guard(slots_mutex_);
    if (auto it = slots_.find(partition); it != slots_.end()) return it->second;
    if (auto it = unborn_.find(partition); it != unborn_.end()) return it->second;
    return unborn_.emplace(partition, std::make_shared<slot>()).first->second;
  }

  void publish(slot& s, const partition_head& h) {
    {
      std::lock_guard guard(s.reading);
      used_ += h.size_bytes - s.head.size_bytes; // modulo 2^64: also when it shrinks
      s.head = h;
    }
    if (std::exchange(s.born, true)) return;
    std::unique_lock guard(slots_mutex_);
    if (auto it = unborn_.find(h.partition); it != unborn_.end() && it->second.get() == &s) {
      slots_.emplace(h.partition, it->second);
      unborn_.erase(it);
    }
  }

  result<void> commit(rocksdb::WriteBatch& batch, bool durable) {
    if (batch.Count() == 0) return {};
    rocksdb::WriteOptions options;
    options.sync = durable && options_.sync_writes;
    auto s = db_->Write(options, &batch);
    if (s.ok()) return {};
    return failed(s); // after a full disk RocksDB goes on by itself when there is room
  }

  static result<void> is_copying(const slot& s, const partition_head& h, copy_id copy) {
    if (s.gone) return fail(errc::unknown_partition, to_string(h.partition));
    if (h.role != replica_role::copy || h.state != replica_state::copying)
      return fail(errc::conflict,
                  "is " + std::string(name_of(h.role)) + ", " + std::string(name_of(h.state)));
    if (h.copy != copy)
      return fail(errc::stale_term, "attempt " + std::to_string(h.copy.value) + " is under way");
    return {};
  }

  static void erase_data(rocksdb::WriteBatch& batch, partition_id partition) {
    for (char kind : {'d', 'l'}) {
      auto from = keys::prefix(kind, partition);
      batch.DeleteRange(slice(from), slice(keys::prefix_end(from)));
    }
  }

  bool over_quota(uint64_t more) const {
    return options_.quota_bytes != 0 && used_ + more > options_.quota_bytes;
  }

  partition_store_options options_;
  std::shared_ptr<rocksdb::DB> db_;
  mutable std::shared_mutex slots_mutex_;
  std::map<partition_id, slot_ptr> slots_;
  std::map<partition_id, slot_ptr> unborn_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> conflicts_{0};
};

} // namespace

result<partition_head> partition_store::write_one(store_write item) {
  return write({std::move(item)}).front();
}

result<std::shared_ptr<partition_store>>
partition_store::open(const partition_store_options& options) {
  auto made = std::make_shared<rocks_store>(options);
  if (auto opened = made->open(); !opened) return tl::unexpected<error>(opened.error());
  return std::shared_ptr<partition_store>(std::move(made));
}

} // namespace harbinger
