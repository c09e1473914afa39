#include <algorithm>
#include <bit>

#include "scrub/scrub.hpp"
#include "wire/rows.hpp"

/// Mending: rows of the damaged buckets from another replica, into the store, and a check again.

namespace harbinger::scrubbing {
namespace {

/// Rows that do not add up to what their source says of them are the source's own damage.
bool add_up(const std::vector<record_row>& rows, bucket_set buckets, const snapshot_opened& said) {
  digest sums;
  for (const auto& row : rows) sums.add(row.key.data, row.value.data);
  auto theirs = digest::from_sums(said.digest);
  return digest{}.with(buckets, sums) == digest{}.with(buckets, theirs);
}

/// As many of the buckets as stay under a number of bytes together; at least one.
bucket_set first_of(bucket_set buckets, uint64_t partition_bytes, uint64_t bytes_max) {
  auto each = std::max<uint64_t>(partition_bytes / digest::buckets, 1);
  bucket_set out = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < digest::buckets; ++i) {
    auto bucket = bucket_set{1} << i;
    if (!(buckets & bucket)) continue;
    bytes += each;
    if (out != 0 && bytes > bytes_max) break;
    out |= bucket;
  }
  return out;
}

} // namespace

void scrubber::begin_repair(const bucket_findings& found, const replica& held, time_point now,
                            actions& out) {
  auto& j = *job_;
  auto what = found.damaged != 0 ? buckets_text(found.damaged) + " differ from their digest"
                                 : "its counts are wrong";
  note_damage(what, held, out);
  if (j.repairs == 0)
    totals_.damaged_buckets += static_cast<uint64_t>(std::popcount(found.damaged));
  if (j.repairs >= limits_.repairs_max) {
    surrender(what + " after " + std::to_string(j.repairs) + " repairs", held, now, out);
    return;
  }
  j.left = found.damaged;
  j.since = now;
  j.source = 0;
  j.hurried = true;
  j.trouble.clear();
  if (j.left == 0) { // nothing is wanted from anybody
    j.slice = 0;
    j.rows.clear();
    j.snapshot = {};
    j.snapshot.version = found.version;
    try_mending(out);
    return;
  }
  open_source(held, now, out);
}

void scrubber::open_source(const replica& held, time_point now, actions& out) {
  auto& j = *job_;
  j.now = phase::opening;
  j.rows.clear();
  j.bytes = 0;
  j.next_chunk = 0;
  j.again_at = now + limits_.retry;
  j.asked = 0;
  if (held.sources.empty()) {
    j.trouble = "no other replica is known";
    return;
  }
  j.slice = first_of(j.left, held.size_bytes, limits_.mend_bytes);
  j.asked = ++last_id_;
  j.asked_at = now;
  out.push_back(ask{held.sources[j.source % held.sources.size()].endpoint, j.asked,
                    snapshot_open{j.partition, {}, j.slice}});
}

void scrubber::pull(const replica& held, time_point now, actions& out) {
  auto& j = *job_;
  j.now = phase::pulling;
  j.asked = ++last_id_;
  j.asked_at = now;
  out.push_back(ask{held.sources[j.source % held.sources.size()].endpoint, j.asked,
                    snapshot_pull{j.snapshot.snapshot, j.next_chunk}});
}

/// The clock while a repair is under way.
void scrubber::tend_repair(const replica& held, time_point now, actions& out) {
  auto& j = *job_;
  if (now - j.since >= limits_.source_patience) {
    surrender(j.trouble.empty() ? "it could not be mended in time" : j.trouble, held, now, out);
  } else if (j.asked != 0) {
    if (now - j.asked_at >= limits_.reply_timeout)
      setback({errc::timeout, "no answer"}, true, held, now, out);
  } else if (now >= j.again_at) {
    if (j.now == phase::mending)
      try_mending(out);
    else
      open_source(held, now, out);
  }
}

/// It is tried again after a while.
void scrubber::setback(const error& why, bool other_source, const replica& held, time_point now,
                       actions&) {
  auto& j = *job_;
  auto known = !held.sources.empty();
  j.trouble = known
                  ? held.sources[j.source % held.sources.size()].node.value + ": " + to_string(why)
                  : to_string(why);
  j.asked = 0;
  j.now = phase::opening;
  j.again_at = now + limits_.retry;
  if (other_source) ++j.source;
}

void scrubber::on_answer(const answered& answer, const replica& held, time_point now,
                         actions& out) {
  auto& j = *job_;
  if (j.asked == 0 || answer.id != j.asked) return; // late, or of an earlier repair
  if (held.sources.empty())
    return setback({errc::unavailable, "the sources are gone"}, false, held, now, out);
  if (const auto* why = std::get_if<error>(&answer.message))
    return setback(*why, true, held, now, out);
  if (const auto* opened = std::get_if<snapshot_opened>(&answer.message);
      opened && j.now == phase::opening) {
    j.snapshot = *opened;
    pull(held, now, out);
  } else if (const auto* chunk = std::get_if<snapshot_chunk>(&answer.message);
             chunk && j.now == phase::pulling) {
    take_chunk(*chunk, held, now, out);
  }
}

void scrubber::take_chunk(const snapshot_chunk& chunk, const replica& held, time_point now,
                          actions& out) {
  auto& j = *job_;
  if (chunk.snapshot != j.snapshot.snapshot || chunk.index != j.next_chunk)
    return setback({errc::malformed, "not the chunk that was asked for"}, true, held, now, out);
  auto rows = wire::open_chunk(chunk);
  if (!rows) return setback(rows.error(), true, held, now, out);
  for (const auto& row : rows->rows()) {
    if (!digest::holds(j.slice, row.key)) continue;
    j.bytes += row.key.size() + row.value.size();
    j.rows.push_back({{std::string(row.key)}, {std::string(row.value)}});
  }
  if (j.bytes > limits_.bucket_bytes_max)
    return surrender("its buckets are too large to be mended: more than "
                         + std::to_string(limits_.bucket_bytes_max) + " bytes",
                     held, now, out);
  ++j.next_chunk;
  j.since = now;
  if (!chunk.last) return pull(held, now, out);
  j.asked = 0;
  auto& source = held.sources[j.source % held.sources.size()];
  if (!add_up(j.rows, j.slice, j.snapshot))
    return setback({errc::checksum, "its own rows are damaged"}, true, held, now, out);
  j.donor = source.node;
  try_mending(out);
}

void scrubber::try_mending(actions& out) {
  auto& j = *job_;
  j.now = phase::mending;
  j.waiting = true;
  out.push_back(mend{j.partition, j.snapshot.version, j.slice, j.rows});
}

void scrubber::on_mended(const mended& done, const replica& held, time_point now, actions& out) {
  auto& j = *job_;
  if (j.now != phase::mending || !j.waiting) return;
  j.waiting = false;
  if (!done.outcome) {
    const auto& why = done.outcome.error();
    if (why.code == errc::checksum)
      return surrender("it can not be read: " + to_string(why), held, now, out);
    bool rows_fit = why.code == errc::gap || why.code == errc::no_space || why.code == errc::io;
    setback(why, false, held, now, out);
    if (rows_fit) j.now = phase::mending; // we may catch up, or get room
    return;
  }
  j.since = now;
  j.rows.clear();
  j.records += done.outcome->records;
  totals_.mended_records += done.outcome->records;
  rows_[j.partition].mended_records += done.outcome->records;
  j.left &= ~j.slice;
  if (j.left != 0) return open_source(held, now, out);
  ++j.repairs;
  j.now = phase::checking;
  j.begun = false;
  check(out);
}

void scrubber::surrender(const std::string& why, const replica& held, time_point now,
                         actions& out) {
  auto partition = job_->partition;
  bool known = given_up_.contains(partition);
  given_up_[partition] = "checksum: " + why;
  bool primary = held.role == replica_role::primary;
  if (!primary) out.push_back(give_up{partition, given_up_[partition]});
  if (!known) {
    ++totals_.given_up;
    out.push_back(raise{
        severity::alert,
        "replica_not_repaired",
        partition,
        primary
            ? "the primary of partition " + to_string(partition)
                  + " is damaged and could not be mended: stop this node's service, so that "
                    "another member of the sync set takes over; if there is none, keep the node "
                    "and compare with the newest checkpoint in mass storage"
            : "the replica of partition " + to_string(partition)
                  + " is damaged and could not be mended: it is failed and made anew elsewhere",
        {{"role", std::string(name_of(held.role))},
         {"reason", why},
         {"version", to_string(held.version)}}});
  }
  end("damaged, not mended: " + why, now, out);
}

} // namespace harbinger::scrubbing
