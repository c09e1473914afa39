#include "store/rocks_store.hpp"

#include "core/crash_points.hpp"
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
  streams_.forget(partition);
  rocksdb::WriteBatch batch;
  // Also when the head counts no rows: a crash may have come between ingesting and counting.
  if (s->born) erase_data(batch, partition);
  auto begun = commit_head(*s, h, batch, true);
  reach(crash_point::copy_begun);
  return begun;
}

result<partition_head> store::ingest(partition_id partition, copy_id copy, uint64_t chunk,
                                     record_views rows) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
  auto stream = streams_.find(partition);
  if (stream) stream->newest().count_into(h);
  if (chunk < h.chunks) return h;
  if (chunk > h.chunks) return fail(errc::gap, "next is chunk " + std::to_string(h.chunks));
  auto counted = h;
  count_chunk(counted, rows);
  if (auto room = slots_.room_for(streams_.loaded_bytes() + counted.size_bytes - h.size_bytes);
      !room)
    return tl::unexpected<error>(room.error());
  bool bulk = !rows.empty()
              && (stream ? stream->newest().takes(rows)
                         : h.size_bytes >= options_.bulk_from_bytes && ascend(rows));
  if (stream && !bulk) {
    if (auto settled = settle_stream(*s); !settled) return settled;
    stream.reset();
  } else if (bulk && !stream) {
    stream = streams_.start(partition);
  }
  if (!stream) return put_rows(*s, counted, rows);
  if (auto added = add_to_stream(*s, *stream, h, counted, rows); !added) {
    streams_.forget(partition);
    return tl::unexpected<error>(added.error());
  }
  return counted;
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
  auto stored = commit_head(s, h, batch, false);
  reach(crash_point::copy_rows_put);
  return stored;
}

result<void> store::add_to_stream(partition_slot& s, copy_stream& stream,
                                  const partition_head& so_far, const partition_head& counted,
                                  record_views rows) {
  if (!stream.filling) {
    auto opened = streams_.open_file(db_->GetOptions(), so_far, rows);
    if (!opened) return tl::unexpected<error>(opened.error());
    stream.filling = std::move(*opened);
  }
  if (auto added = stream.filling->add(rows, counted); !added) return added;
  bool full = stream.filling->bytes() >= options_.bulk_file_bytes;
  if (stream.before && (full || stream.before->ready()))
    if (auto in = count_file(s, std::move(stream.before)); !in) return in;
  if (!full) return {};
  stream.filling->seal(*db_);
  stream.before = std::move(stream.filling);
  return {};
}

result<void> store::count_file(partition_slot& s, std::unique_ptr<copy_load> file) {
  if (auto in = file->wait(); !in) return in;
  if (options_.after_ingest) options_.after_ingest();
  reach(crash_point::copy_file_ingested);
  auto h = s.get();
  file->count_into(h);
  rocksdb::WriteBatch batch;
  if (auto done = commit_head(s, h, batch, false); !done)
    return tl::unexpected<error>(done.error());
  reach(crash_point::copy_file_counted);
  return {};
}

result<partition_head> store::settle_stream(partition_slot& s) {
  auto partition = s.get().partition;
  if (auto stream = streams_.find(partition)) {
    result<void> in;
    if (stream->filling) stream->filling->seal(*db_);
    for (auto* file : {&stream->before, &stream->filling})
      if (in && *file) in = count_file(s, std::move(*file));
    streams_.forget(partition);
    if (!in) return tl::unexpected<error>(in.error());
  }
  return s.get();
}

result<partition_head> store::finish_copy(partition_id partition, copy_id copy, version v,
                                          const harbinger::digest& expected,
                                          const epoch_history& history, replica_state state) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  auto h = s->get();
  if (auto ok = is_copying(*s, h, copy); !ok) return tl::unexpected<error>(ok.error());
  auto settled = settle_stream(*s);
  if (!settled) return settled;
  h = std::move(*settled);
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
  reach(crash_point::copy_finish_begun);
  auto finished = commit_head(*s, h, batch, true);
  reach(crash_point::copy_finished);
  return finished;
}

} // namespace harbinger::rocks
