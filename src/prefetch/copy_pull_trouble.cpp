#include "prefetch/copy_pull.hpp"

/// What copy_pull does when a source or the store says no: ask again, change the source, start
/// over, give up.

namespace harbinger {

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

void copy_pull::trouble(copy_actions& out, const error& why, time_point now) {
  ++progress_.retries;
  retry_at_ = now + limits_.retry;
  if (++failures_ > limits_.retries_max) next_source(out, why, now);
}

void copy_pull::detach(copy_actions& out) {
  if (progress_.state == replica_state::detached) return;
  progress_.state = replica_state::detached;
  progress_.source = node_id{};
  out.push_back(mark_copy{replica_state::detached});
}

void copy_pull::next_source(copy_actions& out, const error& why, time_point now) {
  failures_ = 0;
  source_ = (source_ + 1) % sources_.size();
  ++sources_tried_;
  bool used_up = sources_tried_ >= sources_.size();
  if (phase_ == phase::following) {
    if (used_up) detach(out);
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
