#include "store/rocks_store.hpp"

#include "core/crash_points.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/rocks_records.hpp"
#include "store/undo.hpp"
#include "versions/fork_point.hpp"

/// Taking back a tail that lost a conflict.

namespace harbinger::rocks {
namespace {

/// Whether everything after `fork` can be taken back.
result<void> can_rewind(const partition_head& h, version fork) {
  if (fork.seq < h.committed)
    return fail(errc::conflict, "committed up to " + std::to_string(h.committed.value)
                                    + ", the history leaves at " + to_string(fork));
  if (fork.seq < h.log_start.seq || fork.seq < h.undo_start)
    return fail(errc::log_trimmed, "can be taken back to " + std::to_string(h.undo_start.value)
                                       + ", the history leaves at " + to_string(fork));
  return {};
}

} // namespace

result<store_rewound> store::rewind(partition_id partition, const epoch_history& truth) {
  auto s = slots_.find(partition);
  if (!s) return fail(errc::unknown_partition, to_string(partition));
  std::lock_guard guard(s->writing);
  if (s->gone) return fail(errc::unknown_partition, to_string(partition));
  auto h = s->get();
  if (h.state == replica_state::copying || h.state == replica_state::failed)
    return fail(errc::conflict, "replica is " + std::string(name_of(h.state)));
  auto fork = fork_point(h.version, h.history, truth);
  if (!fork) return fail(errc::log_trimmed, "the true history does not reach back so far");
  store_rewound out;
  out.head = h;
  out.fork = *fork;
  if (*fork == h.version) return out;
  if (auto can = can_rewind(h, *fork); !can) return tl::unexpected<error>(can.error());
  rocksdb::WriteBatch batch;
  auto journalled = journal_lost(batch, h, truth);
  if (!journalled) return tl::unexpected<error>(journalled.error());
  out.journalled = *journalled;
  out.undone = h.version.seq.value - fork->seq.value;
  if (auto done = take_back(batch, h, *fork); !done) return tl::unexpected<error>(done.error());
  reach(crash_point::rewind_begun);
  auto committed = commit_head(*s, h, batch, true);
  reach(crash_point::rewind_done);
  if (!committed) return tl::unexpected<error>(committed.error());
  conflicts_ += out.journalled;
  out.head = *committed;
  return out;
}

result<void> store::take_back(rocksdb::WriteBatch& batch, partition_head& h, version fork) const {
  stored_records stored(*db_, h.partition);
  record_overlay records(&stored);
  for (auto seq = h.version.seq; seq > fork.seq; --seq.value) {
    version v{epoch_at(h.history, seq), seq};
    auto place = keys::entry('u', h.partition, v);
    std::string found;
    auto s = db_->Get(rocksdb::ReadOptions(), slice(place), &found);
    if (s.IsNotFound()) return fail(errc::log_trimmed, "no undo information of " + to_string(v));
    if (!s.ok()) return failed(s);
    auto undo = decode_undo(found);
    if (!undo) return tl::unexpected<error>(undo.error());
    for (auto& [key, value] : *undo)
      if (auto done = records.set(key, std::move(value)); !done) return done;
    batch.Delete(slice(place));
    batch.Delete(slice(keys::entry('l', h.partition, v)));
  }
  stage_changes(batch, h, records.changes());
  h.version = fork;
  std::erase_if(h.history, [&](const epoch_start& start) { return start.first_seq > fork.seq; });
  return {};
}

} // namespace harbinger::rocks
