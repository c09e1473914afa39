#include "prefetch/copy_pull.hpp"

#include <algorithm>

#include "core/ensure.hpp"
#include "wire/rows.hpp"

namespace harbinger {
namespace {

size_t payload_bytes(const std::vector<log_entry>& entries) {
  size_t sum = 0;
  for (const auto& entry : entries)
    for (const auto& op : entry.ops) sum += op.key.data.size() + op.value.data.size();
  return sum;
}

/// The entries after `from`, or nothing when one is missing in between.
std::optional<std::vector<log_entry>> entries_after(const std::vector<log_entry>& entries,
                                                    version from) {
  std::vector<log_entry> out;
  for (const auto& entry : entries) {
    if (entry.version.seq <= from.seq) continue;
    if (entry.version.seq.value != from.seq.value + 1 || entry.version.epoch < from.epoch)
      return std::nullopt;
    from = entry.version;
    out.push_back(entry);
  }
  return out;
}

} // namespace

copy_pull::copy_pull(partition_id partition, copy_limits limits,
                     std::shared_ptr<token_bucket> bucket)
    : partition_(partition), limits_(limits), bucket_(std::move(bucket)) {
  ENSURE(bucket_ && limits_.credits > 0);
}

duration copy_pull::lag(time_point now) const {
  return had_all_at_ ? now - *had_all_at_ : duration::zero();
}

bool copy_pull::lost_ownership(const local_replica& local) const {
  return begun_ && (!local.present || local.role != replica_role::copy || local.copy != copy_);
}

bool copy_pull::expired(const request& r, duration wait, time_point now) const {
  return now - r.sent >= wait;
}

// ------------------------------------------------------------------------------------------------
// commands

result<copy_actions> copy_pull::begin(const start_copy& command, const local_replica& local,
                                      time_point now) {
  auto newest = std::max(copy_, local.present ? local.copy : copy_id{});
  if (command.copy < newest)
    return fail(errc::stale_term, "copy " + std::to_string(newest.value) + " is newer");
  if (command.sources.empty()) return fail(errc::invalid_argument, "no source");
  if (local.present && local.role != replica_role::copy)
    return fail(errc::conflict,
                "this node is " + std::string(name_of(local.role)) + " of the partition");

  copy_actions out;
  unlimited_ = command.rate_bytes_per_s == 0;
  if (!unlimited_) bucket_->set_rate(command.rate_bytes_per_s);
  bool again = command.copy == copy_ && phase_ != phase::idle && phase_ != phase::failed
               && !progress_.ended && !lost_ownership(local);
  if (again) {
    replace_sources(command.sources, out, now);
    return out;
  }
  bool ours = local.present && local.copy == command.copy;
  restart_for(command);
  if (ours && (local.state == replica_state::following || local.state == replica_state::detached)) {
    begun_ = true;
    follow_from(local);
    pull_deltas(out, now);
  } else if (command.method != restore_method::pull) {
    phase_ = phase::restoring;
    out.push_back(restore_copy{command.method});
  } else {
    if (ours && local.state == replica_state::copying && !local.cursor.empty()) {
      begun_ = true;
      resuming_ = local.cursor;
      resume_from_ = local.chunks;
    }
    open(out, now);
  }
  return out;
}

void copy_pull::restart_for(const start_copy& command) {
  progress_ = {};
  copy_ = command.copy;
  sources_ = command.sources;
  source_ = sources_tried_ = 0;
  failures_ = 0;
  retry_at_.reset();
  begun_ = false;
  single_.reset();
  resuming_.clear();
  had_all_at_.reset();
  expected_head_.reset();
  progress_.source = sources_[0].node;
}

void copy_pull::replace_sources(const std::vector<node_address>& sources, copy_actions& out,
                                time_point now) {
  if (sources == sources_) return;
  auto current = sources_[source_];
  sources_ = sources;
  sources_tried_ = 0;
  failures_ = 0;
  if (phase_ == phase::restoring) {
    source_ = 0;
    return;
  }
  auto kept = std::find(sources_.begin(), sources_.end(), current);
  bool snapshot_under_way = phase_ == phase::pulling || phase_ == phase::opening;
  if (snapshot_under_way && kept != sources_.end()) {
    source_ = static_cast<size_t>(kept - sources_.begin());
    return;
  }
  source_ = 0;
  progress_.source = sources_[0].node;
  retry_at_.reset();
  if (snapshot_under_way) {
    start_over(out, now);
  } else if (sources_[0] != current) {
    single_.reset();
    pull_deltas(out, now);
  }
}

// ------------------------------------------------------------------------------------------------
// events

copy_actions copy_pull::step(const copy_event& event, const local_replica& local, time_point now) {
  copy_actions out;
  if (phase_ == phase::idle || phase_ == phase::failed || progress_.ended) return out;
  if (lost_ownership(local)) {
    progress_.ended = true;
    return out;
  }
  if (phase_ == phase::following && local.present && local.version != version_) follow_from(local);

  if (const auto* stored = std::get_if<copy_stored>(&event)) {
    on_stored(stored->outcome, local, out, now);
  } else if (const auto* reply = std::get_if<copy_reply>(&event)) {
    on_reply(*reply, out, now);
  } else {
    on_tick(out, now);
  }
  return out;
}

void copy_pull::on_reply(const copy_reply& reply, copy_actions& out, time_point now) {
  if (const auto* chunk = std::get_if<snapshot_chunk>(
          &reply.message)) { // by snapshot and index: a late one is as good
    on_chunk(*chunk, out, now);
    return;
  }
  bool mine = single_ && single_->id == reply.id;
  if (const auto* why = std::get_if<error>(&reply.message)) {
    auto asked = std::find_if(chunks_asked_.begin(), chunks_asked_.end(),
                              [&](const auto& item) { return item.second.id == reply.id; });
    if (asked != chunks_asked_.end()) {
      chunks_again_.insert(asked->first);
      chunks_asked_.erase(asked);
    } else if (!mine) {
      return;
    } else {
      single_.reset();
    }
    on_error(*why, out, now);
    return;
  }
  if (!mine) return; // a duplicate, or of a source we left
  single_.reset();
  if (const auto* opened = std::get_if<snapshot_opened>(&reply.message))
    on_opened(*opened, out, now);
  if (const auto* batch = std::get_if<delta_batch>(&reply.message)) on_batch(*batch, out, now);
}

void copy_pull::on_opened(const snapshot_opened& m, copy_actions& out, time_point now) {
  if (phase_ != phase::opening) return;
  snapshot_ = m;
  next_ask_ = next_ingest_ = 0;
  last_chunk_.reset();
  phase_ = phase::pulling;
  progress_.state = replica_state::copying;
  if (resuming_ == m.snapshot) {
    next_ask_ = next_ingest_ = resume_from_;
  } else {
    begun_ = true;
    had_all_at_.reset();
    out.push_back(begin_copy{m.history, m.snapshot});
  }
  resuming_.clear();
  fill(out, now);
}

void copy_pull::on_chunk(const snapshot_chunk& m, copy_actions& out, time_point now) {
  if (phase_ != phase::pulling || m.snapshot != snapshot_.snapshot || m.index >= next_ask_) return;
  chunks_asked_.erase(m.index);
  chunks_again_.erase(m.index);
  bool wanted = m.index >= next_ingest_ && !chunks_waiting_.contains(m.index)
                && (!last_chunk_ || m.index <= *last_chunk_);
  if (!wanted) {
    fill(out, now);
    return;
  }
  auto rows = wire::open_chunk(m);
  if (!rows) {
    ++progress_.checksum_errors;
    chunks_again_.insert(m.index);
    trouble(out, rows.error(), now);
    if (phase_ != phase::pulling) return;
    retry_at_.reset(); // the source answers: ask again at once
    fill(out, now);
    return;
  }
  failures_ = 0;
  retry_at_.reset();
  if (!unlimited_) bucket_->spend(m.rows.data.size(), now);
  progress_.copied_bytes += m.raw_bytes;
  if (m.last) {
    last_chunk_ = m.index;
    auto beyond = [&](const auto& item) { return item.first > m.index; };
    std::erase_if(chunks_asked_, beyond);
    std::erase_if(chunks_waiting_, beyond);
    std::erase_if(chunks_again_, [&](uint64_t index) { return index > m.index; });
  }
  chunks_waiting_.emplace(m.index, std::move(*rows));
  ingest_in_order(out);
  fill(out, now);
}

void copy_pull::ingest_in_order(copy_actions& out) {
  for (auto it = chunks_waiting_.begin();
       it != chunks_waiting_.end() && it->first == next_ingest_;) {
    out.push_back(ingest_chunk{next_ingest_++, std::move(it->second)});
    it = chunks_waiting_.erase(it);
  }
  if (!last_chunk_ || next_ingest_ <= *last_chunk_) return;
  phase_ = phase::finishing;
  out.push_back(finish_copy{snapshot_.version, snapshot_.digest, snapshot_.history});
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
    if (m.head <= version_) had_all_at_ = now;
    pull_deltas(out, now);
    return;
  }
  auto size = payload_bytes(*fresh);
  if (!unlimited_) bucket_->spend(size, now);
  progress_.copied_bytes += size;
  phase_ = phase::applying;
  expected_head_ = m.head;
  expected_digest_ = m.digest;
  out.push_back(apply_deltas{std::move(*fresh), m.history});
}

void copy_pull::on_error(const error& why, copy_actions& out, time_point now) {
  if (phase_ == phase::opening && !resuming_.empty() && why.code == errc::not_found) {
    resuming_.clear(); // the source no longer has that snapshot
    open(out, now);
    return;
  }
  if (phase_ == phase::following && (why.code == errc::log_trimmed || why.code == errc::diverged)) {
    // Said of the version we asked from. Appends may have brought us on since, and then the primary
    // may count on this replica already: only a new answer, about what it holds now, may empty it.
    if (version_ == asked_from_)
      start_over(out, now);
    else
      pull_deltas(out, now);
    return;
  }
  bool snapshot_gone = phase_ == phase::pulling && why.code == errc::not_found;
  trouble(out, why, now);
  if (snapshot_gone && phase_ == phase::pulling) {
    ++progress_.restarts;
    forget_snapshot();
    phase_ = phase::opening;
  }
}

void copy_pull::on_stored(const result<void>& outcome, const local_replica& local,
                          copy_actions& out, time_point now) {
  auto was = phase_;
  if (!outcome && was == phase::applying) {
    follow_from(local);
    if (outcome.error().code == errc::diverged)
      start_over(out, now);
    else if (outcome.error().code == errc::gap)
      pull_deltas(out, now); // an append was faster
    else
      retry_at_ = now + limits_.retry; // a full disk may get room again
    return;
  }
  if (!outcome && outcome.error().code == errc::checksum && was != phase::restoring) {
    ++progress_.checksum_errors;
    next_source(out, outcome.error(), now);
    return;
  }
  if (!outcome) {
    give_up(out, outcome.error());
    return;
  }
  if (was != phase::finishing && was != phase::restoring && was != phase::applying) return;
  begun_ = true;
  follow_from(local);
  bool complete = expected_head_ && local.version >= *expected_head_;
  if (complete) had_all_at_ = now;
  if (expected_head_ == local.version && expected_digest_ != 0
      && expected_digest_ != local.digest) {
    ++progress_.checksum_errors;
    start_over(out, now);
    return;
  }
  expected_head_.reset();
  pull_deltas(out, now);
}

void copy_pull::on_tick(copy_actions& out, time_point now) {
  if (retry_at_) {
    if (now < *retry_at_) return;
    retry_at_.reset();
    resume_phase(out, now);
    return;
  }
  if (phase_ == phase::opening || phase_ == phase::following) {
    auto wait = limits_.reply_timeout;
    if (phase_ == phase::following) wait += milliseconds(limits_.delta_wait_ms);
    if (single_ && expired(*single_, wait, now)) {
      single_.reset();
      trouble(out, {errc::timeout, sources_[source_].node.value + " does not answer"}, now);
    } else if (!single_) {
      resume_phase(out, now);
    }
  } else if (phase_ == phase::pulling) {
    auto before = chunks_asked_.size();
    for (const auto& [index, asked] : chunks_asked_)
      if (expired(asked, limits_.reply_timeout, now)) chunks_again_.insert(index);
    for (auto index : chunks_again_) chunks_asked_.erase(index);
    if (chunks_asked_.size() < before)
      trouble(out, {errc::timeout, sources_[source_].node.value + " does not answer"}, now);
    else
      fill(out, now);
  }
}

// ------------------------------------------------------------------------------------------------
// asking

void copy_pull::resume_phase(copy_actions& out, time_point now) {
  if (phase_ == phase::opening) {
    open(out, now);
  } else if (phase_ == phase::pulling) {
    fill(out, now);
  } else if (phase_ == phase::following) {
    pull_deltas(out, now);
  }
}

void copy_pull::forget_snapshot() {
  chunks_asked_.clear();
  chunks_waiting_.clear();
  chunks_again_.clear();
  last_chunk_.reset();
  snapshot_ = {};
}

void copy_pull::open(copy_actions& out, time_point now) {
  forget_snapshot();
  phase_ = phase::opening;
  progress_.source = sources_[source_].node;
  single_ = request{next_id_++, now};
  out.push_back(send_to_source{sources_[source_].endpoint, single_->id,
                               snapshot_open{partition_, resuming_}});
}

void copy_pull::fill(copy_actions& out, time_point now) {
  if (phase_ != phase::pulling || retry_at_) return;
  while (chunks_asked_.size() < limits_.credits && (unlimited_ || bucket_->ready(now))) {
    uint64_t index = next_ask_;
    if (!chunks_again_.empty()) {
      index = *chunks_again_.begin();
      chunks_again_.erase(chunks_again_.begin());
      ++progress_.retries;
    } else {
      bool beyond_end = last_chunk_ && next_ask_ > *last_chunk_;
      if (beyond_end || next_ask_ >= next_ingest_ + 2 * limits_.credits) return;
      ++next_ask_;
    }
    auto id = next_id_++;
    chunks_asked_[index] = request{id, now};
    out.push_back(
        send_to_source{sources_[source_].endpoint, id, snapshot_pull{snapshot_.snapshot, index}});
  }
}

void copy_pull::pull_deltas(copy_actions& out, time_point now) {
  if (phase_ != phase::following || single_ || retry_at_) return;
  if (!unlimited_ && !bucket_->ready(now)) return; // the next tick asks again
  progress_.source = sources_[source_].node;
  single_ = request{next_id_++, now};
  asked_from_ = version_;
  delta_pull ask{partition_, version_, digest_, limits_.delta_bytes, limits_.delta_wait_ms};
  out.push_back(send_to_source{sources_[source_].endpoint, single_->id, ask});
}

void copy_pull::follow_from(const local_replica& local) {
  phase_ = phase::following;
  version_ = local.version;
  digest_ = local.digest;
  if (progress_.state == replica_state::copying) progress_.state = replica_state::following;
}

// ------------------------------------------------------------------------------------------------
// trouble

void copy_pull::trouble(copy_actions& out, const error& why, time_point now) {
  ++progress_.retries;
  retry_at_ = now + limits_.retry;
  if (++failures_ > limits_.retries_max) next_source(out, why, now);
}

void copy_pull::next_source(copy_actions& out, const error& why, time_point now) {
  failures_ = 0;
  source_ = (source_ + 1) % sources_.size();
  ++sources_tried_;
  bool used_up = sources_tried_ >= sources_.size();
  if (phase_ == phase::following) {
    if (used_up && progress_.state != replica_state::detached) {
      progress_.state = replica_state::detached;
      progress_.source = node_id{};
      out.push_back(mark_copy{replica_state::detached});
    }
  } else if (used_up) {
    give_up(out, why);
  } else {
    ++progress_.restarts;
    forget_snapshot();
    resuming_.clear();
    phase_ = phase::opening;
    retry_at_ = now; // the next tick opens there
  }
}

void copy_pull::start_over(copy_actions& out, time_point now) {
  ++progress_.restarts;
  resuming_.clear();
  retry_at_.reset();
  expected_head_.reset();
  open(out, now);
}

void copy_pull::give_up(copy_actions& out, const error& why) {
  phase_ = phase::failed;
  forget_snapshot();
  single_.reset();
  retry_at_.reset();
  progress_.state = replica_state::failed;
  progress_.source = node_id{};
  progress_.failure = to_string(why);
  if (begun_) out.push_back(mark_copy{replica_state::failed});
}

} // namespace harbinger
