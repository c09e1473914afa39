#include "store/change_reader.hpp"

#include <algorithm>

#include "versions/fork_point.hpp"

namespace harbinger {
namespace {

result<void> reachable(const partition_head& head, version after, bool current) {
  bool beyond = after.seq > head.version.seq;
  if (after.epoch > std::max(head.epoch, head.version.epoch) || (beyond && !current))
    return fail(errc::unavailable, "is at " + to_string(head.version) + ", which may be older than "
                                       + to_string(after));
  bool other = epoch_of(after.seq, head.history) != epoch{} && !on_history(after, head.history);
  if (beyond || other)
    return fail(errc::diverged, to_string(after) + " is not in the history of "
                                    + to_string(head.partition) + ", which is at "
                                    + to_string(head.version));
  return {};
}

} // namespace

result<changes_reply> read_changes(const partition_store& store, const watch_request& ask,
                                   seq_no committed, bool current) {
  auto head = store.head(ask.partition);
  if (!head) return tl::unexpected<error>(head.error());
  if (auto ok = reachable(*head, ask.after, current); !ok) return tl::unexpected<error>(ok.error());
  committed = std::min(committed, head->version.seq);
  changes_reply out;
  out.next = ask.after;
  out.head = committed == head->version.seq
                 ? head->version
                 : version{epoch_of(committed, head->history), committed};
  if (ask.after.seq >= committed) return out;
  auto limit = ask.bytes_max == 0 ? watch_bytes_max : std::min(ask.bytes_max, watch_bytes_max);
  auto entries = store.logged_after(ask.partition, ask.after, committed, limit);
  if (!entries) return tl::unexpected<error>(entries.error());
  for (auto& e : *entries) {
    out.next = e.entry.version;
    if (!e.idle) out.changes.push_back({e.entry.version, std::move(e.entry.batch.ops)});
  }
  return out;
}

} // namespace harbinger
