#include "store/delta_reader.hpp"

#include <algorithm>

#include "versions/fork_point.hpp"

namespace harbinger {
namespace {

constexpr size_t delta_bytes_default = 1 << 20;
constexpr size_t delta_bytes_max =
    3 << 20; // one entry more may come on top: still below bulk_body_max

result<partition_head> servable_head(const partition_store& store, partition_id partition) {
  auto head = store.head(partition);
  if (!head) return head;
  if (head->state == replica_state::copying || head->state == replica_state::failed)
    return fail(errc::unavailable,
                to_string(partition) + " is " + std::string(name_of(head->state)) + " here");
  return head;
}

delta_batch empty_batch(const partition_head& head) {
  auto committed = committed_of(head);
  delta_batch out;
  out.partition = head.partition;
  out.history = head.history;
  bool whole = committed == head.version.seq;
  out.head = whole ? head.version : version{epoch_of(committed, head.history), committed};
  out.digest = whole ? head.digest.total() : 0; // in between it is not known
  return out;
}

} // namespace

seq_no committed_of(const partition_head& head) {
  if (head.role == replica_role::primary) return head.version.seq; // commits locally last
  return std::min(head.committed, head.version.seq);
}

result<std::shared_ptr<partition_snapshot>> open_for_copy(const partition_store& store,
                                                          partition_id partition) {
  auto snapshot = store.open_snapshot(partition);
  if (!snapshot) return snapshot;
  // Asked after the snapshot was taken: news of the commit point is not written with the data, so
  // the snapshot's own head may not know it, and what is committed stays committed.
  auto head = servable_head(store, partition);
  if (!head) return tl::unexpected<error>(head.error());
  const auto& frozen = (*snapshot)->head().version;
  if (committed_of(*head) < frozen.seq || epoch_of(frozen.seq, head->history) != frozen.epoch)
    return fail(errc::unavailable, to_string(partition) + " has a tail that is not committed yet");
  return snapshot;
}

snapshot_opened describe_snapshot(const partition_head& head) {
  snapshot_opened out;
  out.version = head.version;
  out.digest = head.digest.sums();
  out.records = head.records;
  out.size_bytes = head.size_bytes;
  out.history = head.history;
  return out;
}

result<std::optional<delta_batch>> read_deltas(const partition_store& store,
                                               const delta_pull& ask) {
  auto head = servable_head(store, ask.partition);
  if (!head) return tl::unexpected<error>(head.error());
  if (ask.after.epoch > std::max(head->epoch, head->version.epoch))
    return fail(errc::unavailable,
                "this replica is of an older epoch than " + to_string(ask.after));
  bool known = ask.after.epoch <= head->version.epoch;
  if (known && epoch_of(ask.after.seq, head->history) != epoch{}
      && !on_history(ask.after, head->history))
    return fail(errc::diverged, to_string(ask.after) + " is not in this replica's history");
  if (ask.after == head->version && ask.digest != 0 && ask.digest != head->digest.total())
    return fail(errc::diverged, "digests differ at " + to_string(ask.after));
  auto committed = committed_of(*head);
  if (ask.after.seq >= committed)
    return std::optional<delta_batch>{}; // it may be ahead of us: a joiner is
  auto limit =
      ask.bytes_max == 0 ? delta_bytes_default : std::min<size_t>(ask.bytes_max, delta_bytes_max);
  auto entries = store.log_after(ask.partition, ask.after, committed, limit);
  if (!entries) return tl::unexpected<error>(entries.error());
  auto out = empty_batch(*head);
  out.entries = std::move(*entries);
  return std::optional(std::move(out));
}

result<delta_batch> no_deltas(const partition_store& store, const delta_pull& ask) {
  auto head = servable_head(store, ask.partition);
  if (!head) return tl::unexpected<error>(head.error());
  return empty_batch(*head);
}

} // namespace harbinger
