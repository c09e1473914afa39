#include "core/supervision.hpp"

#include <algorithm>
#include <array>

#include "core/ensure.hpp"

namespace harbinger::supervision {

std::string_view name_of(restart_kind kind) {
  return std::array{"permanent", "transient", "temporary"}[static_cast<size_t>(kind)];
}
std::string_view name_of(strategy kind) {
  return std::array{"one_for_one", "rest_for_one", "one_for_all"}[static_cast<size_t>(kind)];
}
std::string_view name_of(child_state state) {
  return std::array{"stopped", "running", "waiting", "stopping"}[static_cast<size_t>(state)];
}

supervisor::supervisor(policy how, std::vector<child_spec> children, uint64_t seed)
    : policy_(how), times_(children.size()), engine_(seed) {
  for (auto& spec : children) views_.push_back({std::move(spec), child_state::stopped, 0, {}, {}});
  for (size_t i = 0; i < views_.size(); ++i)
    for (size_t j = i + 1; j < views_.size(); ++j)
      ENSURE(views_[i].spec.name != views_[j].spec.name);
}

size_t supervisor::index_of(const std::string& name) const {
  auto it = std::find_if(views_.begin(), views_.end(),
                         [&](const auto& view) { return view.spec.name == name; });
  ENSURE(it != views_.end());
  return static_cast<size_t>(it - views_.begin());
}

void supervisor::start(size_t i, time_point now, actions& out) {
  views_[i].state = child_state::running;
  views_[i].started = now;
  times_[i].start_at.reset();
  out.push_back({action::kind::start, views_[i].spec.name});
}

void supervisor::stop(size_t i, time_point now, actions& out) {
  views_[i].state = child_state::stopping;
  times_[i].kill_at = now + policy_.stop_timeout;
  times_[i].killed = false;
  out.push_back({action::kind::stop, views_[i].spec.name});
}

bool supervisor::too_many(time_point now) {
  restarts_.push_back(now);
  while (now - restarts_.front() > policy_.within) restarts_.pop_front();
  return restarts_.size() > policy_.restarts_max;
}

duration supervisor::delay_of(size_t i, time_point now) {
  auto& ends = times_[i].ends;
  ends.push_back(now);
  // A child that keeps failing for longer than the period must not fall back to no delay between
  // two long delays.
  while (now - ends.front() > policy_.within + 2 * policy_.backoff_max) ends.pop_front();
  if (ends.size() == 1) return duration::zero();
  auto doublings = std::min<size_t>(ends.size() - 2, 30);
  auto delay = std::min<duration>(policy_.backoff * (int64_t{1} << doublings), policy_.backoff_max);
  auto share = 0.5 + 0.5 * std::uniform_real_distribution<double>{}(engine_);
  return from_seconds(to_seconds(delay) * share);
}

void supervisor::ask_to_wake(actions& out) const {
  std::optional<time_point> next;
  auto consider = [&](const std::optional<time_point>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto& times : times_) {
    consider(times.start_at);
    consider(times.kill_at);
  }
  if (next) out.push_back({action::kind::wake, {}, *next});
}

actions supervisor::step(const start_all&, time_point now) {
  actions out;
  if (phase_ != phase::idle) return out;
  phase_ = phase::running;
  for (size_t i = 0; i < views_.size(); ++i) start(i, now, out);
  return out;
}

actions supervisor::step(const stop_all&, time_point now) {
  actions out;
  if (phase_ == phase::ending || phase_ == phase::ended) return out;
  phase_ = phase::ending;
  stop_next(now, out);
  end_if_all_stopped(out);
  ask_to_wake(out);
  return out;
}

/// One at a time, so that a child can rely on those started before it until it has stopped itself.
void supervisor::stop_next(time_point now, actions& out) {
  if (phase_ == phase::ending)
    for (size_t i = 0; i < views_.size(); ++i) {
      times_[i].again = false;
      times_[i].start_at.reset();
      if (views_[i].state == child_state::waiting) views_[i].state = child_state::stopped;
    }
  for (size_t i = views_.size(); i-- > 0;) {
    if (views_[i].state == child_state::stopping) return;
    if (views_[i].state == child_state::running && (phase_ == phase::ending || times_[i].again))
      return stop(i, now, out);
  }
}

void supervisor::end_if_all_stopped(actions& out) {
  if (phase_ != phase::ending) return;
  for (const auto& view : views_)
    if (view.state != child_state::stopped) return;
  phase_ = phase::ended;
  out.push_back(escalation_.empty() ? action{action::kind::finished}
                                    : action{action::kind::escalate, {}, {}, escalation_});
}

actions supervisor::step(const child_down& down, time_point now) {
  actions out;
  auto i = index_of(down.name);
  if (views_[i].state != child_state::running && views_[i].state != child_state::stopping)
    return out;
  bool asked = views_[i].state == child_state::stopping;
  views_[i].last_reason = down.reason;
  views_[i].state = child_state::stopped;
  times_[i].kill_at.reset();
  if (asked || phase_ == phase::ending || times_[i].again) {
    gone(i, now, out);
  } else {
    auto kind = views_[i].spec.kind;
    bool again =
        kind == restart_kind::permanent || (kind == restart_kind::transient && down.abnormal);
    if (again && !down.ordered && too_many(now)) {
      phase_ = phase::ending;
      escalation_ = "more than " + std::to_string(policy_.restarts_max) + " restarts within "
                    + std::to_string(static_cast<int64_t>(to_seconds(policy_.within)))
                    + " s; last: " + down.name + " ended: " + down.reason;
      gone(i, now, out);
    } else if (again) {
      restart_group(i, down.ordered, now, out);
    }
  }
  ask_to_wake(out);
  return out;
}

/// A child that had to stop has stopped.
void supervisor::gone(size_t i, time_point now, actions& out) {
  if (phase_ == phase::ending) {
    stop_next(now, out);
    end_if_all_stopped(out);
    return;
  }
  if (times_[i].again && views_[i].spec.kind == restart_kind::temporary) times_[i].again = false;
  stop_next(now, out);
  bool pending = std::any_of(views_.begin(), views_.end(),
                             [](const auto& v) { return v.state == child_state::stopping; });
  if (pending) return;
  for (size_t k = 0; k < views_.size(); ++k) {
    if (!times_[k].again || views_[k].state != child_state::stopped) continue;
    times_[k].again = false;
    ++views_[k].restarts;
    if (times_[k].start_at && *times_[k].start_at > now)
      views_[k].state = child_state::waiting;
    else
      start(k, now, out);
  }
}

void supervisor::restart_group(size_t failed, bool ordered, time_point now, actions& out) {
  auto at = ordered ? now : now + delay_of(failed, now);
  auto in_group = [&](size_t i) {
    return i == failed || policy_.how == strategy::one_for_all
           || (policy_.how == strategy::rest_for_one && i > failed);
  };
  for (size_t i = 0; i < views_.size(); ++i) {
    auto state = views_[i].state;
    if (!in_group(i) || (i != failed && state == child_state::stopped && !times_[i].again))
      continue;
    // All wait for the same moment, so that the order of start is kept after a delay too.
    times_[i].start_at = at;
    times_[i].again = true;
    if (state == child_state::waiting) views_[i].state = child_state::stopped;
  }
  gone(failed, now, out);
}

actions supervisor::step(const woken&, time_point now) {
  actions out;
  for (size_t i = 0; i < views_.size(); ++i) {
    auto& times = times_[i];
    if (views_[i].state == child_state::waiting && times.start_at && *times.start_at <= now)
      start(i, now, out);
    if (views_[i].state != child_state::stopping || !times.kill_at || *times.kill_at > now)
      continue;
    if (!times.killed) {
      times.killed = true;
      times.kill_at = now + policy_.stop_timeout;
      out.push_back({action::kind::kill, views_[i].spec.name});
      continue;
    }
    out.push_back({action::kind::abandon, views_[i].spec.name});
    views_[i].state = child_state::stopped;
    views_[i].last_reason = "did not stop";
    times.kill_at.reset();
    gone(i, now, out);
  }
  ask_to_wake(out);
  return out;
}

} // namespace harbinger::supervision
