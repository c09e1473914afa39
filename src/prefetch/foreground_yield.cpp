#include "prefetch/foreground_yield.hpp"

#include <algorithm>

namespace harbinger {
namespace {

constexpr double lately_weight = 0.3;    // of a period's mean in what writes take lately
constexpr double quiet_weight = 0.05;    // and in what they take while quiet
constexpr double slack_ms = 0.2;         // below it a difference is the clock's
constexpr uint64_t trusted_commits = 20; // that a quiet time is learned from before it counts
constexpr double decrease = 0.5;
constexpr double increase = 0.25; // of the floor
constexpr auto alone_after = seconds(1);

void blend(std::optional<double>& into, double value, double weight) {
  into = into ? *into + weight * (value - *into) : value;
}

} // namespace

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
  auto mean_ms = commits == 0 ? 0.0 : (totals.total_ms - seen_.total_ms) / double(commits);
  decided_at_ = now;
  seen_ = totals;
  copied_bytes_ = 0;
  if (commits > 0 || waiting > 0) busy_at_ = now;
  if (commits > 0) learn(mean_ms, commits, copied_per_s);
  if (!busy_at_ || now - *busy_at_ >= alone_after)
    rate_ = static_cast<double>(limits_.ceiling_bytes_per_s);
  else if (commits > 0 || waiting > 0)
    decide(copied_per_s, commits == 0);
  return static_cast<uint64_t>(rate_);
}

void foreground_yield::learn(double mean_ms, uint64_t commits, double copied_per_s) {
  blend(lately_ms_, mean_ms, lately_weight);
  // A burst is saved up in the buckets, and what was asked for comes in: half more than the floor.
  if (copied_per_s > 1.5 * static_cast<double>(limits_.floor_bytes_per_s)) return;
  blend(quiet_ms_, mean_ms, quiet_commits_ < trusted_commits ? lately_weight : quiet_weight);
  quiet_commits_ += commits;
}

void foreground_yield::decide(double copied_per_s, bool stuck) {
  auto floor = static_cast<double>(limits_.floor_bytes_per_s);
  auto ceiling = std::max(floor, static_cast<double>(limits_.ceiling_bytes_per_s));
  if (quiet_commits_ < trusted_commits) {
    rate_ = floor; // there it can be learned what is quiet
    return;
  }
  if (stuck || *lately_ms_ > *quiet_ms_ * limits_.rise + slack_ms) {
    // From what is really copied: a rate that nobody uses up would take long to come down.
    auto used = std::min(rate_, std::max(copied_per_s, floor));
    if (rate_ > floor) ++backoffs_;
    rate_ = std::max(floor, used * decrease);
  } else if (copied_per_s > rate_ / 2 || rate_ < 2 * floor) { // what is not used up need not grow
    rate_ = std::min(ceiling, rate_ + increase * floor);
  }
}

} // namespace harbinger
