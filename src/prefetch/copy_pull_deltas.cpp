#include "prefetch/copy_pull.hpp"

/// The delta phase of copy_pull: what came after the snapshot, for as long as the copy is wanted.

namespace harbinger {
namespace {

size_t payload_bytes(const std::vector<log_entry>& entries) {
  size_t sum = 0;
  for (const auto& entry : entries) sum += payload_bytes(entry.batch);
  return sum;
}

/// The entries after `from`, or nothing when one is missing in between, or when the source has
/// another batch where we are: appends may have brought us a tail that was given up meanwhile.
std::optional<std::vector<log_entry>> entries_after(const std::vector<log_entry>& entries,
                                                    version from) {
  std::vector<log_entry> out;
  for (const auto& entry : entries) {
    if (entry.version.seq == from.seq && entry.version != from) return std::nullopt;
    if (entry.version.seq <= from.seq) continue;
    if (entry.version.seq.value != from.seq.value + 1 || entry.version.epoch < from.epoch)
      return std::nullopt;
    from = entry.version;
    out.push_back(entry);
  }
  return out;
}

} // namespace

void copy_pull::follow_from(const local_replica& local) {
  source_gives_.set_rate(0); // it was said of the snapshot
  phase_ = phase::following;
  version_ = local.version;
  digest_ = local.digest;
  if (progress_.state == replica_state::copying) progress_.state = replica_state::following;
}

void copy_pull::pull_deltas(copy_actions& out, time_point now) {
  if (phase_ != phase::following || single_ || retry_at_) return;
  if (sources_.empty()) { // restored, and nobody is left to follow: the centre will name somebody
    detach(out);
    return;
  }
  if (!may_follow(now)) return; // the next tick asks again
  progress_.source = sources_[source_].node;
  single_ = request{next_id_++, now};
  asked_from_ = version_;
  delta_pull ask{partition_, version_, digest_, limits_.delta_bytes, limits_.delta_wait_ms};
  out.push_back(send_to_source{sources_[source_].endpoint, single_->id, ask});
}

void copy_pull::on_batch(const delta_batch& m, copy_actions& out, time_point now) {
  if (phase_ != phase::following || m.partition != partition_) return;
  auto fresh = entries_after(m.entries, version_);
  if (!fresh) {
    trouble(out, {errc::gap, "deltas do not follow on " + to_string(version_)}, now);
    return;
  }
  failures_ = 0;
  sources_tried_ = 0;
  retry_at_.reset();
  if (progress_.state == replica_state::detached) {
    progress_.state = replica_state::following;
    out.push_back(mark_copy{replica_state::following});
  }
  if (fresh->empty()) {
    if (m.head == version_ && m.digest != 0 && m.digest != digest_) {
      ++progress_.checksum_errors;
      start_over(out, now);
      return;
    }
    if (m.head <= version_) {
      had_all_at_ = now;
      keeps_up_ = true;
    }
    pull_deltas(out, now);
    return;
  }
  auto size = payload_bytes(*fresh);
  spend(size, now);
  progress_.copied_bytes += size;
  phase_ = phase::applying;
  expected_head_ = m.head;
  expected_digest_ = m.digest;
  out.push_back(apply_deltas{std::move(*fresh), m.history});
}

void copy_pull::on_not_applied(const error& why, const local_replica& local, copy_actions& out,
                               time_point now) {
  follow_from(local);
  if (why.code == errc::diverged)
    start_over(out, now);
  else if (why.code == errc::gap)
    pull_deltas(out, now); // an append was faster
  else
    retry_at_ = now + limits_.retry; // a full disk may get room again
}

} // namespace harbinger
