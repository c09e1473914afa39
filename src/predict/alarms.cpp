#include "predict/alarms.hpp"

#include <algorithm>
#include <tuple>

namespace harbinger::predict {
namespace {

/// Row numbers by machine, then time; then what makes equal times come in one order.
std::vector<uint32_t> in_time_order(const std::vector<judged>& rows) {
  std::vector<uint32_t> order(rows.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const auto &x = rows[a], &y = rows[b];
    return std::tie(x.machine, x.time_ms, x.probability, x.weight)
           < std::tie(y.machine, y.time_ms, y.probability, y.weight);
  });
  return order;
}

int64_t median_step(const std::vector<judged>& rows, const std::vector<uint32_t>& order) {
  std::vector<int64_t> steps;
  for (size_t i = 1; i < order.size(); ++i) {
    const auto &before = rows[order[i - 1]], &now = rows[order[i]];
    if (before.machine == now.machine && now.time_ms > before.time_ms)
      steps.push_back(now.time_ms - before.time_ms);
  }
  if (steps.empty()) return 0;
  auto middle = steps.begin() + static_cast<ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

/// Follows one machine after the other through its rows.
class follower {
public:
  follower(const question& asked, int64_t step_ms, alarm_record& out)
      : asked_(asked), pause_ms_(std::max(asked.horizon_ms, step_ms + step_ms / 2)), out_(out) {}

  void see(const judged& r) {
    if (previous_ && breaks(*previous_, r)) close();
    bool above = r.probability >= asked_.threshold;
    if (!above) close();
    bool in_time = r.failure_in_ms > 0 && r.failure_in_ms <= asked_.horizon_ms;
    if (above) extend(r, in_time);
    if (in_time) count(r, above);
    previous_ = &r;
  }
  void close() {
    if (up_ && !came_true_) {
      alarm_.weight /= static_cast<double>(alarm_rows_);
      out_.false_alarms.push_back(alarm_);
    }
    up_ = false;
  }

private:
  bool breaks(const judged& before, const judged& now) const {
    if (before.machine != now.machine || now.time_ms - before.time_ms > pause_ms_) return true;
    return before.failure_in_ms >= 0 && before.time_ms + before.failure_in_ms <= now.time_ms;
  }
  void extend(const judged& r, bool in_time) {
    if (!up_) {
      alarm_ = {r.machine, r.time_ms, r.time_ms, r.time_ms, r.probability, 0};
      alarm_rows_ = 0;
      came_true_ = false;
      up_ = true;
    }
    if (r.probability > alarm_.peak_probability) {
      alarm_.peak_probability = r.probability;
      alarm_.peak_ms = r.time_ms;
    }
    alarm_.until_ms = r.time_ms;
    alarm_.weight += r.weight;
    ++alarm_rows_;
    came_true_ |= in_time;
  }
  void count(const judged& r, bool above) {
    int64_t at = r.time_ms + r.failure_in_ms;
    auto& all = out_.failures;
    if (all.empty() || all.back().machine != r.machine || all.back().failure_ms != at)
      all.push_back({r.machine, at, r.time_ms, r.probability, false, std::nullopt});
    auto& f = all.back();
    if (r.probability > f.peak_probability) {
      f.peak_probability = r.probability;
      f.peak_ms = r.time_ms;
    }
    f.warned |= above;
    f.lead_ms = above ? std::optional(at - alarm_.from_ms) : std::nullopt;
  }

  const question& asked_;
  int64_t pause_ms_;
  alarm_record& out_;
  const judged* previous_ = nullptr;
  false_alarm alarm_;
  uint64_t alarm_rows_ = 0;
  bool up_ = false, came_true_ = false;
};

} // namespace

alarm_record follow_alarms(const judged_rows& given, const question& asked) {
  alarm_record out;
  auto order = in_time_order(given.rows);
  int64_t step_ms = asked.step_ms > 0 ? asked.step_ms : median_step(given.rows, order);
  out.watched_ms.assign(given.machines.size(), 0);
  follower f(asked, step_ms, out);
  for (auto i : order) {
    const auto& r = given.rows[i];
    if (!(r.weight > 0)) continue;
    out.watched_ms[r.machine] += r.weight * static_cast<double>(step_ms);
    f.see(r);
  }
  f.close();
  return out;
}

} // namespace harbinger::predict
