#include "prefetch/foreground_yield.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger {
namespace {

constexpr double lately_weight = 0.3;    // of a period's mean in what writes take lately
constexpr double quiet_weight = 0.05;    // and in what they take while quiet
constexpr double slack_ms = 0.2;         // below it a difference is the clock's
constexpr uint64_t trusted_commits = 20; // that a quiet time is learned from before it counts
constexpr double decrease = 0.5;
constexpr double increase = 0.25; // of the floor
constexpr auto alone_after = seconds(1);
constexpr double shortest_ms = 0.05;
constexpr double steps_per_doubling = 4.0;
constexpr double trusted_tail = 100.0; // weight of commits, while quiet, that a tail is taken from
constexpr double chance = 2.5;         // deviations from what is expected that may be chance

void blend(std::optional<double>& into, double value, double weight) {
  into = into ? *into + weight * (value - *into) : value;
}

} // namespace

size_t commit_totals::step_of(double ms) {
  if (!(ms > shortest_ms)) return 0;
  auto step = std::log2(ms / shortest_ms) * steps_per_doubling;
  return std::min(steps - 1, static_cast<size_t>(step));
}

double commit_totals::begin_ms(size_t step) {
  return shortest_ms * std::exp2(static_cast<double>(step) / steps_per_doubling);
}

void commit_totals::add(double ms) {
  ++commits;
  total_ms += ms;
  ++by_time[step_of(ms)];
}

void commit_times::add(const commit_totals& earlier, const commit_totals& later) {
  weight_ *= kept_;
  for (size_t i = 0; i < by_time_.size(); ++i) {
    auto more = static_cast<double>(later.by_time[i] - earlier.by_time[i]);
    by_time_[i] = by_time_[i] * kept_ + more;
    weight_ += more;
  }
}

double commit_times::slowest_ms(double share) const {
  auto left = weight_ * share;
  for (size_t i = by_time_.size(); i-- > 0; left -= by_time_[i])
    if (by_time_[i] > 0.0 && by_time_[i] >= left) { // evenly spread within the step
      auto from = commit_totals::begin_ms(i), to = commit_totals::begin_ms(i + 1);
      return to - (to - from) * left / by_time_[i];
    }
  return 0.0;
}

double commit_times::beyond(double ms) const {
  auto own = commit_totals::step_of(ms);
  double out = 0.0;
  for (size_t i = own + 1; i < by_time_.size(); ++i) out += by_time_[i];
  auto from = commit_totals::begin_ms(own), to = commit_totals::begin_ms(own + 1);
  return out + by_time_[own] * std::clamp((to - ms) / (to - from), 0.0, 1.0);
}

foreground_yield::foreground_yield(yield_limits limits)
    : limits_(limits), rate_(static_cast<double>(limits.ceiling_bytes_per_s)) {}

uint64_t foreground_yield::rate(const commit_totals& totals, uint64_t waiting, time_point now) {
  if (limits_.rise <= 0.0) return 0;
  if (!decided_at_) {
    decided_at_ = now;
    seen_ = totals;
    copied_bytes_ = 0;
  }
  auto elapsed = now - *decided_at_;
  if (elapsed < period) return static_cast<uint64_t>(rate_);
  auto copied_per_s = static_cast<double>(copied_bytes_) / to_seconds(elapsed);
  auto commits = totals.commits - seen_.commits;
  if (commits > 0) learn(totals, copied_per_s);
  decided_at_ = now;
  seen_ = totals;
  copied_bytes_ = 0;
  if (commits > 0 || waiting > 0) busy_at_ = now;
  if (!busy_at_ || now - *busy_at_ >= alone_after)
    rate_ = static_cast<double>(limits_.ceiling_bytes_per_s);
  else if (commits > 0 || waiting > 0)
    decide(copied_per_s, commits == 0);
  return static_cast<uint64_t>(rate_);
}

void foreground_yield::learn(const commit_totals& totals, double copied_per_s) {
  auto commits = totals.commits - seen_.commits;
  auto mean_ms = (totals.total_ms - seen_.total_ms) / double(commits);
  blend(lately_ms_, mean_ms, lately_weight);
  lately_.add(seen_, totals);
  // A burst is saved up in the buckets, and what was asked for comes in: half more than the floor.
  if (copied_per_s > 1.5 * static_cast<double>(limits_.floor_bytes_per_s)) return;
  blend(quiet_ms_, mean_ms, quiet_commits_ < trusted_commits ? lately_weight : quiet_weight);
  quiet_commits_ += commits;
  quiet_.add(seen_, totals);
}

std::optional<double> foreground_yield::quiet_tail_ms() const {
  if (quiet_.weight() < trusted_tail) return std::nullopt;
  return quiet_.slowest_ms(tail_share);
}

bool foreground_yield::slow() const {
  if (*lately_ms_ > *quiet_ms_ * limits_.rise + slack_ms) return true;
  auto tail_ms = quiet_tail_ms();
  if (!tail_ms) return false;
  // A few commits say little: more than chance would bring.
  auto expected = lately_.weight() * tail_share;
  return lately_.beyond(*tail_ms * limits_.rise + slack_ms)
         > expected + chance * std::sqrt(expected);
}

void foreground_yield::decide(double copied_per_s, bool stuck) {
  auto floor = static_cast<double>(limits_.floor_bytes_per_s);
  auto ceiling = std::max(floor, static_cast<double>(limits_.ceiling_bytes_per_s));
  if (quiet_commits_ < trusted_commits) {
    rate_ = floor; // there it can be learned what is quiet
    return;
  }
  if (stuck || slow()) {
    // From what is really copied: a rate that nobody uses up would take long to come down.
    auto used = std::min(rate_, std::max(copied_per_s, floor));
    if (rate_ > floor) ++backoffs_;
    rate_ = std::max(floor, used * decrease);
  } else if (copied_per_s > rate_ / 2 || rate_ < 2 * floor) { // what is not used up need not grow
    rate_ = std::min(ceiling, rate_ + increase * floor);
  }
}

} // namespace harbinger
