#include "store/rocks_store.hpp"

#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"

namespace harbinger::rocks {
namespace {

result<void> is_copying(const partition_slot& s, const partition_head& h, copy_id copy) {
  if (s.gone) return fail(errc::unknown_partition, to_string(h.partition));
  if (h.role != replica_role::copy || h.state != replica_state::copying)
    return fail(errc::conflict,
                "is " + std::string(name_of(h.role)) + ", " + std::string(name_of(h.state)));
  if (h.copy != copy)
    return fail(errc::stale_term, "attempt " + std::to_string(h.copy.value) + " is under way");
  return {};
}

} // namespace

result<partition_head> store::begin_copy(partition_id partition, copy_id copy, std::string cursor) {
  auto s = slots_.find_or_make(partition);
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
  loads_.forget(partition);
  rocksdb::WriteBatch batch;
  // Also when the head counts no rows: a crash may have come between ingesting and counting.
  if (s->born) erase_data(batch, partition);
  return commit_head(*s, h, batch, true);
}

result<partition_head> store::ingest(partition_id partition, copy_id copy, uint64_t chunk,
                                          record_views rows) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
  auto load = loads_.find(partition);
  if (load) load->count_into(h);
  if (chunk < h.chunks) return h;
  if (chunk > h.chunks) return fail(errc::gap, "next is chunk " + std::to_string(h.chunks));
  auto before = h.size_bytes;
  bool bulk = load ? load->takes(rows)
                   : before >= options_.bulk_from_bytes && !rows.empty() && !loads_.full()
                         && ascend(rows);
  if (load && !bulk) {
    if (auto settled = settle_load(*s); !settled) return settled;
    load.reset();
  }
  if (!load && bulk) {
    auto made = loads_.start(db_->GetOptions(), h, rows);
    if (!made) return tl::unexpected<error>(made.error());
    load = *made;
  }
  count_chunk(h, rows);
  if (auto room = slots_.room_for(loads_.loaded_bytes() + h.size_bytes - before); !room)
    return tl::unexpected<error>(room.error());
  if (!load) return put_rows(*s, h, rows);
  if (auto added = load->add(rows); !added) {
    loads_.forget(partition);
    return tl::unexpected<error>(added.error());
  }
  if (load->file_bytes() < options_.bulk_file_bytes) return h;
  return settle_load(*s);
}

result<partition_head> store::put_rows(partition_slot& s, const partition_head& h,
                                       record_views rows) {
  rocksdb::WriteBatch batch;
  auto key = keys::prefix('d', h.partition);
  for (const auto& row : rows) {
    key.resize(keys::prefix_bytes);
    key += row.key;
    batch.Put(slice(key), slice(row.value));
  }
  return commit_head(s, h, batch, false);
}

result<partition_head> store::settle_load(partition_slot& s) {
  auto h = s.get();
  auto load = loads_.find(h.partition);
  if (!load) return h;
  loads_.forget(h.partition);
  if (auto in = load->ingest(*db_); !in) return tl::unexpected<error>(in.error());
  if (options_.after_ingest) options_.after_ingest();
  load->count_into(h);
  rocksdb::WriteBatch batch;
  return commit_head(s, h, batch, false);
}

result<partition_head> store::finish_copy(partition_id partition, copy_id copy, version v,
                                          const harbinger::digest& expected,
                                          const epoch_history& history, replica_state state) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
  if (loads_.find(partition)) {
    auto settled = settle_load(*s);
    if (!settled) return settled;
    h = *settled;
  }
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
  return commit_head(*s, h, batch, true);
}

} // namespace harbinger::rocks
