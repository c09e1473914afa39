#pragma once

/// Statistics over a moving past, O(1) a sample and of fixed size.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace harbinger::predict {

/// Exponentially weighted moments and least-squares line: a point of age `a` weighs exp(-a /
/// window). The sums are those of weighted linear regression with the newest point at time 0;
/// shifting the origin by dt turns St into St - dt S0 and so on. The deviation is West's weighted
/// incremental variance (West 1979, CACM 22(9)).
class decayed_moments {
public:
  /// Lets `dt_s` pass; `decay` is exp(-dt_s / window_s), shared by all series of a row.
  void age(double dt_s, double decay) {
    double st = sum_t_ - dt_s * sum_w_;
    sum_tt_ = decay * (sum_tt_ - 2 * dt_s * sum_t_ + dt_s * dt_s * sum_w_);
    sum_ty_ = decay * (sum_ty_ - dt_s * sum_y_);
    sum_t_ = decay * st;
    sum_w_ *= decay;
    sum_y_ *= decay;
    squares_ *= decay;
  }
  void add(double y) {
    if (sum_w_ <= 0) origin_ = y; // keeps the sums small
    y -= origin_;
    double before = sum_w_ > 0 ? sum_y_ / sum_w_ : y;
    sum_w_ += 1;
    sum_y_ += y;
    squares_ += (y - before) * (y - sum_y_ / sum_w_);
  }
  double weight() const { return sum_w_; }
  bool empty() const { return sum_w_ < 1e-9; }
  double mean() const { return empty() ? nan() : origin_ + sum_y_ / sum_w_; }
  double deviation() const { return empty() ? nan() : std::sqrt(std::max(0.0, squares_ / sum_w_)); }
  /// Per second; NaN until there are a few points apart in time.
  double slope() const {
    double spread = sum_w_ * sum_tt_ - sum_t_ * sum_t_;
    if (sum_w_ < 2.5 || spread <= 1e-9 * sum_w_ * sum_w_) return nan();
    return (sum_w_ * sum_ty_ - sum_t_ * sum_y_) / spread;
  }

private:
  static double nan() { return std::numeric_limits<double>::quiet_NaN(); }
  double origin_ = 0, sum_w_ = 0, sum_t_ = 0, sum_tt_ = 0, sum_y_ = 0, sum_ty_ = 0, squares_ = 0;
};

/// The largest value of the last half to whole window: two buckets that take turns.
class recent_peak {
public:
  void add(double y, int64_t time_ms, int64_t window_ms) {
    auto bucket = time_ms / std::max<int64_t>(1, window_ms / 2);
    if (bucket != bucket_) {
      previous_ = bucket == bucket_ + 1 ? current_ : nan();
      current_ = nan();
      bucket_ = bucket;
    }
    current_ = std::fmax(current_, y); // fmax passes NaN over
  }
  double value() const { return std::fmax(current_, previous_); }

private:
  static double nan() { return std::numeric_limits<double>::quiet_NaN(); }
  int64_t bucket_ = INT64_MIN / 2;
  double current_ = nan(), previous_ = nan();
};

/// By how much the value that holds is above the one that held a window ago, which is told in steps
/// of an eighth of the window: a value that rests gives the same answer for whole steps, so that no
/// two machines can be told apart by when they last changed.
class stepped_past {
public:
  static constexpr int64_t steps = 8;

  /// In order of time.
  void add(double y, int64_t time_ms, int64_t window_ms) {
    auto step_ms = std::max<int64_t>(1, window_ms / steps);
    auto now = step_of(time_ms, step_ms);
    if (std::isnan(last_)) {
      held_.fill(y);
      newest_ = now;
    }
    for (auto b = std::max(newest_ + 1, now - steps); b <= now; ++b) at(b) = last_;
    newest_ = std::max(newest_, now);
    if (time_ms == newest_ * step_ms) at(newest_) = y;
    last_ = y;
  }
  /// Before there was a value: above the first one. NaN without any.
  double risen(int64_t now_ms, int64_t window_ms) const {
    auto then = step_of(now_ms, std::max<int64_t>(1, window_ms / steps)) - steps;
    if (std::isnan(last_) || then > newest_) return last_ - last_;
    return last_ - held_[slot(std::max(then, newest_ - steps))];
  }

private:
  static constexpr int64_t slots = steps + 1;
  static int64_t step_of(int64_t time_ms, int64_t step_ms) {
    return time_ms / step_ms - (time_ms % step_ms < 0);
  }
  static size_t slot(int64_t boundary) {
    return static_cast<size_t>((boundary % slots + slots) % slots);
  }
  double& at(int64_t boundary) { return held_[slot(boundary)]; }

  std::array<double, slots> held_{}; ///< at the newest boundaries of steps
  double last_ = std::numeric_limits<double>::quiet_NaN();
  int64_t newest_ = 0; ///< boundary
};

} // namespace harbinger::predict
