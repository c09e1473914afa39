#include "store/rocks_store.hpp"

#include <map>
#include <memory>

#include "core/crash_points.hpp"
#include "store/bucket_truth.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/rocks_snapshot.hpp"

/// Mending buckets. What is wrong is found in a snapshot, without holding up writes; what was
/// written since then is taken from the log, under the write lock.

namespace harbinger::rocks {
namespace {

constexpr size_t repair_log_bytes = 4 << 20; // read at a time

struct weight {
  int64_t records = 0;
  int64_t bytes = 0; // keys and values
  weight& operator+=(weight more) {
    records += more.records;
    bytes += more.bytes;
    return *this;
  }
  weight operator-(weight other) const { return {records - other.records, bytes - other.bytes}; }
};

weight weight_of(std::string_view key, std::string_view value) {
  return {1, static_cast<int64_t>(key.size() + value.size())};
}

/// Records that are not what they should be, in the snapshot that was looked at.
struct damage {
  struct record {
    weight surplus;     ///< of what is there over what should be
    bool later = false; ///< written after the snapshot
  };
  std::map<std::string, record> records;
  weight counted; ///< everything as it should be, and all other buckets as they are
};

result<void> replay(const store& from, partition_id partition, version after, version up_to,
                    auto each) {
  do {
    auto entries = from.log_after(partition, after, up_to.seq, repair_log_bytes);
    if (!entries) return tl::unexpected<error>(entries.error());
    for (const auto& entry : *entries) each(entry);
    if (entries->empty()) break;
    after = entries->back().version;
  } while (after.seq < up_to.seq);
  return {};
}

result<damage> find_damage(const snapshot& at, const bucket_truth& truth) {
  damage out;
  auto expected = truth.rows().begin();
  auto missing = [&] { // what the snapshot lacks
    auto should = weight_of(expected->first, expected->second);
    out.counted += should;
    out.records[expected->first].surplus = weight{} - should;
    ++expected;
  };
  auto walk = [&](std::string_view key, std::string_view value) {
    if (!truth.concerns(key)) {
      out.counted += weight_of(key, value);
      return;
    }
    while (expected != truth.rows().end() && expected->first < key) missing();
    bool known = expected != truth.rows().end() && expected->first == key;
    auto should = known ? weight_of(key, expected->second) : weight{};
    out.counted += should;
    if (!known || expected->second != value)
      out.records[std::string(key)].surplus = weight_of(key, value) - should;
    if (known) ++expected;
  };
  if (auto read = at.each_record(walk); !read) return tl::unexpected<error>(read.error());
  while (expected != truth.rows().end()) missing();
  return out;
}

/// The truth of a range is what the database holds there.
result<void> settle_range(rocksdb::DB& db, partition_id partition, const key_range& range,
                          bucket_truth& truth) {
  std::vector<std::string> known;
  for (auto it = truth.rows().lower_bound(range.from);
       it != truth.rows().end() && (range.to.empty() || it->first < range.to); ++it)
    known.push_back(it->first);
  for (const auto& key : known) truth.settle(key, std::nullopt);
  auto end = range.to.empty() ? keys::prefix_end(keys::prefix('d', partition))
                              : keys::record(partition, range.to);
  rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(options));
  for (it->Seek(slice(keys::record(partition, range.from))); it->Valid(); it->Next())
    truth.settle(std::string(view(it->key()).substr(keys::prefix_bytes)), it->value().ToString());
  if (!it->status().ok()) return failed(it->status());
  return {};
}

result<void> mendable(const partition_slot& s, const partition_head& h) {
  if (s.gone) return fail(errc::unknown_partition, to_string(h.partition));
  if (h.state == replica_state::copying || h.state == replica_state::failed)
    return fail(errc::conflict, "is " + std::string(name_of(h.state)));
  return {};
}

} // namespace

result<repair_outcome> store::repair(partition_id partition, version from, bucket_set buckets,
                                     const std::vector<record_row>& rows) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  snapshot at(db_, partition);
  if (auto loaded = at.load(); !loaded) return tl::unexpected<error>(loaded.error());
  const auto& old = at.head();
  if (auto ok = mendable(*s, old); !ok) return tl::unexpected<error>(ok.error());
  bucket_truth truth(buckets, rows);
  auto take = [&](const log_entry& entry) { truth.apply(entry); };
  if (buckets != 0)
    if (auto read = replay(*this, partition, from, old.version, take); !read)
      return tl::unexpected<error>(read.error());
  auto damaged = find_damage(at, truth);
  if (!damaged) return tl::unexpected<error>(damaged.error());

  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = mendable(*s, h); !ok) return tl::unexpected<error>(ok.error());
  if (h.copy != old.copy || h.version < old.version)
    return fail(errc::conflict, "was made anew meanwhile");
  auto later = [&](const log_entry& entry) {
    truth.apply(entry);
    each_touched(entry, damaged->records, [](auto it) { it->second.later = true; });
  };
  if (auto read = replay(*this, partition, old.version, h.version, later); !read)
    return tl::unexpected<error>(read.error());

  // The head's own error is the same as in the snapshot, but that later writes counted against what
  // was there, not against what should have been.
  auto off = damaged->counted
             - weight{static_cast<int64_t>(old.records), static_cast<int64_t>(old.size_bytes)};
  // What other buckets decided is as this replica wrote it: it had them.
  for (const auto& range : truth.open()) {
    auto settled = settle_range(*db_, partition, range, truth);
    if (!settled) return tl::unexpected<error>(settled.error());
    auto begin = damaged->records.lower_bound(range.from);
    auto end = range.to.empty() ? damaged->records.end() : damaged->records.lower_bound(range.to);
    for (auto it = begin; it != end; it = damaged->records.erase(it)) off += it->second.surplus;
  }
  rocksdb::WriteBatch batch;
  for (const auto& [key, record] : damaged->records) {
    if (record.later) off += record.surplus;
    auto place = keys::record(partition, key);
    if (auto right = truth.rows().find(key); right != truth.rows().end())
      batch.Put(slice(place), slice(right->second));
    else
      batch.Delete(slice(place));
  }
  repair_outcome out;
  out.records = damaged->records.size();
  auto mended = h.digest.with(buckets, truth.sums());
  out.head_wrong = mended != h.digest || off.records != 0 || off.bytes != 0;
  h.digest = mended;
  h.records = static_cast<uint64_t>(static_cast<int64_t>(h.records) + off.records);
  h.size_bytes = static_cast<uint64_t>(static_cast<int64_t>(h.size_bytes) + off.bytes);
  if (out.records == 0 && !out.head_wrong) {
    out.head = std::move(h);
    return out;
  }
  reach(crash_point::repair_begun);
  auto done = commit_head(*s, h, batch, true);
  reach(crash_point::repair_done);
  if (!done) return tl::unexpected<error>(done.error());
  out.head = std::move(*done);
  return out;
}

} // namespace harbinger::rocks
