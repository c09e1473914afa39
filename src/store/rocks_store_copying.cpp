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
  rocksdb::WriteBatch batch;
  if (s->born) erase_data(batch, partition);
  return commit_head(*s, h, batch, true);
}

result<partition_head> store::ingest_rows(partition_id partition, copy_id copy, uint64_t chunk,
                                          const std::vector<record_row>& rows) {
  auto s = slots_.find(partition);
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
  if (auto room = slots_.room_for(h.size_bytes - before); !room)
    return tl::unexpected<error>(room.error());
  return commit_head(*s, h, batch, false);
}

result<partition_head> store::finish_copy(partition_id partition, copy_id copy, version v,
                                          const harbinger::digest& expected,
                                          const epoch_history& history, replica_state state) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
  if (h.digest != expected)
    return fail(errc::checksum,
                "digest " + hex64(h.digest.total()) + " instead of " + hex64(expected.total()));
  h.version = h.log_start = v;
  h.committed = h.undo_start = v.seq;
  h.history.clear();
  for (const auto& start : history)
    if (start.first_seq <= v.seq && start.epoch <= v.epoch) h.history.push_back(start);
  h.state = state;
  rocksdb::WriteBatch batch;
  return commit_head(*s, h, batch, true);
}

} // namespace harbinger::rocks
