#include "predict/drift.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/ensure.hpp"
#include "messages/common.hpp"

namespace harbinger::predict {
namespace {
constexpr double some_from = 0.1, much_from = 0.25;
constexpr double smoothing = 0.01;           ///< added to the share of each bin
constexpr double missing_worth_saying = 0.1; ///< change of the share

drift_level level_of(double index) {
  return index < some_from   ? drift_level::none
         : index < much_from ? drift_level::some
                             : drift_level::much;
}
} // namespace

input_drift::input_drift(schema_ptr schema, profile_ptr profile, drift_options options)
    : schema_(std::move(schema)), profile_(std::move(profile)), options_(options) {
  ENSURE(schema_ && profile_ && profile_->width() == schema_->width());
  ENSURE(options_.half_life_s > 0 && options_.every_ms > 0);
  counts_.resize(schema_->width());
}

/// What a row counted until now is worth at `time_ms`.
double input_drift::decay_until(int64_t time_ms) const {
  if (rows_ == 0 || time_ms <= newest_ms_) return 1;
  double passed_s = (static_cast<double>(time_ms) - static_cast<double>(newest_ms_)) / 1000;
  return std::exp2(-passed_s / options_.half_life_s);
}

bool input_drift::take_turn(const node_id& node, int64_t time_ms) {
  auto found = next_ms_.find(node);
  if (found != next_ms_.end() && time_ms < found->second) return false;
  if (found == next_ms_.end() && next_ms_.size() >= nodes_max) {
    // Those whose turn has come again need not be remembered. Looked for once a moment.
    if (pruned_ms_ != time_ms)
      std::erase_if(next_ms_, [&](const auto& n) { return n.second <= time_ms; });
    pruned_ms_ = time_ms;
    if (next_ms_.size() >= nodes_max) {
      ++passed_over_;
      return false;
    }
  }
  next_ms_[node] = time_ms - time_ms % options_.every_ms + options_.every_ms;
  return true;
}

bool input_drift::add(const node_id& node, std::span<const double> row, int64_t time_ms) {
  ENSURE(row.size() == counts_.size());
  if (rows_ > 0) time_ms = std::max(time_ms, newest_ms_);
  if (!take_turn(node, time_ms)) return false;
  if (double decay = decay_until(time_ms); decay < 1) {
    for (auto& feature : counts_)
      for (double& n : feature) n *= decay;
    rows_ *= decay;
  }
  newest_ms_ = time_ms;
  rows_ += 1;
  for (size_t f = 0; f < row.size(); ++f) counts_[f][profile_->bin(f, row[f])] += 1;
  return true;
}

double input_drift::index_of(size_t feature) const {
  if (rows_ <= 0) return 0;
  auto bins = profile_->bins(feature);
  double all = 1 + smoothing * static_cast<double>(bins), sum = 0;
  for (size_t b = 0; b < bins; ++b) {
    double then = (profile_->share(feature, b) + smoothing) / all;
    double now = (counts_[feature][b] / rows_ + smoothing) / all;
    sum += (now - then) * std::log(now / then);
  }
  return sum;
}

double input_drift::missing_now(size_t feature) const {
  return rows_ > 0 ? counts_[feature][profile_->bins(feature) - 1] / rows_ : 0;
}

drift_report input_drift::report(int64_t now_ms) const {
  drift_report out;
  out.rows = rows_ * decay_until(now_ms);
  std::map<std::string, std::pair<double, size_t>> worst; // index, feature
  for (size_t f = 0; f < counts_.size(); ++f) {
    double index = index_of(f);
    auto [it, fresh] = worst.try_emplace(schema_->features[f].metric, index, f);
    if (!fresh && index > it->second.first) it->second = {index, f};
  }
  double then = profile_->rows();
  bool known = out.rows * then / (out.rows + then) >= options_.rows_min;
  for (const auto& [metric, found] : worst) {
    auto [index, f] = found;
    auto level = known ? level_of(index) : drift_level::not_known;
    out.metrics.push_back({metric, feature_name(*schema_, f), index,
                           profile_->share(f, profile_->bins(f) - 1), missing_now(f), level});
    out.level = std::max(out.level, level);
  }
  std::stable_sort(out.metrics.begin(), out.metrics.end(),
                   [](const auto& a, const auto& b) { return a.index > b.index; });
  return out;
}

std::string describe(const metric_drift& drift) {
  char text[200];
  std::snprintf(text, sizeof text, " (PSI %.2f, ", drift.index);
  auto level = std::string(name_of(drift.level));
  auto out = drift.metric + ": "
             + (drift.level == drift_level::not_known ? "drift " + level : level + " drift") + text
             + drift.feature + ")";
  if (std::abs(drift.missing_now - drift.missing_then) >= missing_worth_saying) {
    std::snprintf(text, sizeof text, "; missing in %.0f %% of the rows, %.0f %% when learned",
                  100 * drift.missing_now, 100 * drift.missing_then);
    out += text;
  }
  return out;
}

} // namespace harbinger::predict
