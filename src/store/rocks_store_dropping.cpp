#include "store/rocks_store.hpp"

#include <algorithm>

#include "core/crash_points.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "wire/codec.hpp"

/// What leaves the store: partitions, the tails they lose (kept in the conflict journal), old log.

namespace harbinger::rocks {
namespace {

/// Whether (epoch, seq) is part of a history.
bool contains(const epoch_history& truth, version v) {
  if (v.seq.value == 0) return true;
  if (!truth.empty() && v.seq < truth.front().first_seq)
    return true; // older than what the history still tells
  return epoch_at(truth, v.seq) == v.epoch;
}

} // namespace

result<uint64_t> store::drop(partition_id partition, const epoch_history& truth) {
  auto s = slots_.find(partition);
  if (!s) return uint64_t{0};
  std::lock_guard guard(s->writing);
  if (s->gone) return uint64_t{0};
  auto h = s->get();
  streams_.forget(partition);
  rocksdb::WriteBatch batch;
  auto journalled = journal_lost(batch, h, truth);
  if (!journalled) return journalled;
  erase_data(batch, partition);
  batch.Delete(slice(keys::head(partition)));
  reach(crash_point::drop_begun);
  if (auto done = commit(batch, true); !done) return tl::unexpected<error>(done.error());
  reach(crash_point::drop_done);
  conflicts_ += *journalled;
  slots_.forget(*s);
  return journalled;
}

result<uint64_t> store::journal_lost(rocksdb::WriteBatch& batch, const partition_head& h,
                                     const epoch_history& truth) const {
  uint64_t journalled = 0;
  auto end = keys::prefix_end(keys::prefix('l', h.partition));
  rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(slice(keys::prefix('l', h.partition))); it->Valid(); it->Next()) {
    auto v = keys::entry_version(view(it->key()));
    bool lost = truth.empty() ? v.seq > h.committed : !contains(truth, v);
    if (!lost) continue;
    auto key = keys::entry('c', h.partition, v);
    std::string there;
    if (db_->Get(rocksdb::ReadOptions(), slice(key), &there).IsNotFound()) ++journalled;
    batch.Put(slice(key), it->value());
  }
  if (!it->status().ok()) return failed(it->status());
  return journalled;
}

void store::erase_data(rocksdb::WriteBatch& batch, partition_id partition) {
  for (char kind : {'d', 'l', 'u'}) {
    auto from = keys::prefix(kind, partition);
    batch.DeleteRange(slice(from), slice(keys::prefix_end(from)));
  }
}

result<std::vector<conflict_entry>> store::conflicts(size_t entries_max) const {
  std::vector<conflict_entry> out;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek("c"); it->Valid() && it->key().starts_with("c") && out.size() < entries_max;
       it->Next()) {
    auto entry = decode_logged(view(it->value()));
    if (!entry) return fail(errc::checksum, "conflict journal: " + to_string(entry.error()));
    out.push_back(
        {partition_id{keys::get_be64(view(it->key()).substr(1, 8))}, std::move(entry->entry)});
  }
  if (!it->status().ok()) return failed(it->status());
  return out;
}

uint64_t store::log_bytes(partition_id partition) const {
  auto s = slots_.find(partition);
  if (!s) return 0;
  auto from = keys::entry('l', partition, s->get().log_start); // not what was trimmed before
  auto to = keys::prefix_end(keys::prefix('l', partition));
  rocksdb::Range log(slice(from), slice(to));
  rocksdb::SizeApproximationOptions files; // guesses about memory tables can be far off
  uint64_t bytes = 0;
  auto asked = db_->GetApproximateSizes(files, db_->DefaultColumnFamily(), &log, 1, &bytes);
  return asked.ok() ? bytes : 0;
}

result<void> store::trim_log(partition_id partition, seq_no keep_from) {
  auto s = slots_.find(partition);
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
  reach(crash_point::trim_begun);
  if (auto done = commit_head(*s, h, batch, false); !done)
    return tl::unexpected<error>(done.error());
  reach(crash_point::trim_done);
  return {};
}

} // namespace harbinger::rocks
