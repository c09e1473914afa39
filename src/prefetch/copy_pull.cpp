#include "prefetch/copy_pull.hpp"

#include <algorithm>

#include "core/ensure.hpp"

/// Commands and events; what they lead to is in copy_pull_snapshot.cpp, copy_pull_deltas.cpp and
/// copy_pull_trouble.cpp.

namespace harbinger {
namespace {

/// A copy that is held back comes in small steps at an even pace: what the foreground waits for is
/// a step at most.
constexpr uint64_t chunks_per_s = 200;
constexpr uint64_t least_chunk_bytes = 64 << 10;
constexpr uint64_t advances_per_s = 50; // a chunk that is lost costs a fiftieth of a second at most

} // namespace

copy_pull::copy_pull(partition_id partition, copy_limits limits,
                     std::shared_ptr<token_bucket> bucket, std::shared_ptr<token_bucket> yielding)
    : partition_(partition),
      limits_(limits),
      bucket_(std::move(bucket)),
      yielding_(std::move(yielding)) {
  ENSURE(bucket_ && yielding_ && limits_.credits > 0);
}

bool copy_pull::may_ask(time_point now) {
  return (unlimited_ || bucket_->ready(now)) && yielding_->ready(now) && source_gives_.ready(now);
}

bool copy_pull::may_follow(time_point now) {
  return keeps_up_ ? unlimited_ || bucket_->ready(now) : may_ask(now);
}

void copy_pull::spend(uint64_t bytes, time_point now) {
  if (!unlimited_) bucket_->spend(bytes, now);
  yielding_->spend(bytes, now);
  source_gives_.spend(bytes, now);
}

void copy_pull::settle(uint64_t spent, uint64_t bytes, time_point now) {
  if (bytes >= spent) return spend(bytes - spent, now);
  if (!unlimited_) bucket_->give_back(spent - bytes, now);
  yielding_->give_back(spent - bytes, now);
  source_gives_.give_back(spent - bytes, now);
}

uint64_t copy_pull::slowest_rate() const {
  uint64_t slowest = 0;
  for (auto rate : {unlimited_ ? 0 : bucket_->rate(), yielding_->rate(), source_gives_.rate()})
    if (rate > 0 && (slowest == 0 || rate < slowest)) slowest = rate;
  return slowest;
}

uint64_t copy_pull::chunk_bytes_max() const {
  auto rate = slowest_rate();
  return rate == 0 ? 0 : std::max(least_chunk_bytes, rate / chunks_per_s);
}

uint64_t copy_pull::in_advance() const {
  return std::min({usual_bytes_, chunk_bytes_max(), slowest_rate() / advances_per_s});
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
  if (command.sources.empty() && command.method == restore_method::pull)
    return fail(errc::invalid_argument, "no source");
  if (local.present && local.role != replica_role::copy)
    return fail(errc::conflict,
                "this node is " + std::string(name_of(local.role)) + " of the partition");

  copy_actions out;
  unlimited_ = command.rate_bytes_per_s == 0;
  if (!unlimited_) bucket_->set_rate(command.rate_bytes_per_s);
  bool again = command.copy == copy_ && phase_ != phase::idle && phase_ != phase::failed
               && !progress_.ended && !lost_ownership(local);
  bool no_source_gave_it = command.method != restore_method::pull
                           && (phase_ == phase::opening || phase_ == phase::pulling);
  if (again && !no_source_gave_it) {
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
  forget_snapshot();
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
  keeps_up_ = false;
  expected_head_.reset();
  progress_.source = sources_.empty() ? node_id{} : sources_[0].node;
}

void copy_pull::replace_sources(const std::vector<node_address>& sources, copy_actions& out,
                                time_point now) {
  if (sources.empty() || sources == sources_) return; // nobody new: the old ones may come back
  auto current = sources_.empty() ? node_address{} : sources_[source_];
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

copy_actions copy_pull::step(copy_event event, const local_replica& local, time_point now) {
  copy_actions out;
  if (phase_ == phase::idle || phase_ == phase::failed || progress_.ended) return out;
  if (lost_ownership(local)) {
    progress_.ended = true;
    return out;
  }
  if (phase_ == phase::following && local.present && local.version != version_) follow_from(local);
  if (phase_ == phase::following && local.present && local.state == replica_state::failed) {
    progress_.state = replica_state::failed; // found damaged, and not mended: only a new one helps
    start_over(out, now);
    return out;
  }

  if (const auto* stored = std::get_if<copy_stored>(&event)) {
    on_stored(stored->outcome, local, out, now);
  } else if (auto* reply = std::get_if<copy_reply>(&event)) {
    on_reply(*reply, out, now);
  } else {
    on_tick(out, now);
  }
  return out;
}

void copy_pull::on_reply(copy_reply& reply, copy_actions& out, time_point now) {
  if (auto* chunk = std::get_if<snapshot_chunk>(
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

void copy_pull::on_stored(const result<void>& outcome, const local_replica& local,
                          copy_actions& out, time_point now) {
  auto was = phase_;
  if (!outcome && was == phase::applying) {
    on_not_applied(outcome.error(), local, out, now);
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
  keeps_up_ = complete;
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
  } else if (phase_ == phase::opening || phase_ == phase::following) {
    watch_single(out, now);
  } else if (phase_ == phase::pulling) {
    watch_chunks(out, now);
  }
}

void copy_pull::watch_single(copy_actions& out, time_point now) {
  auto wait = limits_.reply_timeout;
  if (phase_ == phase::following) wait += milliseconds(limits_.delta_wait_ms);
  if (single_ && expired(*single_, wait, now)) {
    single_.reset();
    trouble(out, {errc::timeout, sources_[source_].node.value + " does not answer"}, now);
  } else if (!single_) {
    resume_phase(out, now);
  }
}

void copy_pull::resume_phase(copy_actions& out, time_point now) {
  if (phase_ == phase::opening) {
    open(out, now);
  } else if (phase_ == phase::pulling) {
    fill(out, now);
  } else if (phase_ == phase::following) {
    pull_deltas(out, now);
  }
}

} // namespace harbinger
