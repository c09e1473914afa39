// The features that compare a node with the other nodes of its fleet.

#include <algorithm>
#include <cmath>

#include "predict/distance.hpp"
#include "predict/features.hpp"

namespace harbinger::predict {
namespace {
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr size_t others_min = 3;
/// Turns the median of absolute deviations into a standard deviation for normal noise.
constexpr double mad_scale = 1.4826;
constexpr double outgrowing_from = 2; ///< scaled MADs

bool against_fleet(statistic what) {
  return what >= statistic::peers && what <= statistic::full_in_long;
}
bool is_full_in(statistic what) { return what >= statistic::full_in_short; }
size_t window_of(statistic what) {
  return static_cast<size_t>(what) - static_cast<size_t>(statistic::full_in_short);
}

/// Median of the sorted values without the one at position `skip`.
double median_without(const std::vector<double>& sorted, size_t skip) {
  size_t n = sorted.size() - 1;
  auto at = [&](size_t i) { return sorted[i < skip ? i : i + 1]; };
  return n % 2 == 1 ? at(n / 2) : (at(n / 2 - 1) + at(n / 2)) / 2;
}

/// What is usual among the fresh nodes but one.
class usual {
public:
  explicit usual(std::vector<double> of) : sorted_(std::move(of)) {
    if (sorted_.size() < others_min) return;
    std::sort(sorted_.begin(), sorted_.end());
    centre_ = sorted_[sorted_.size() / 2];
    for (double x : sorted_) spread_.push_back(std::fabs(x - centre_));
    std::sort(spread_.begin(), spread_.end());
  }
  bool known() const { return sorted_.size() >= others_min; }
  double median(double but) const { return median_without(sorted_, place(sorted_, but)); }
  double deviation(double but) const {
    return mad_scale * median_without(spread_, place(spread_, std::fabs(but - centre_)));
  }

private:
  /// Its own place; the end when it takes no part.
  static size_t place(const std::vector<double>& in, double what) {
    auto at = std::lower_bound(in.begin(), in.end(), what);
    return static_cast<size_t>(std::min(at, in.end() - 1) - in.begin());
  }
  std::vector<double> sorted_, spread_;
  double centre_ = 0;
};
} // namespace

double feature_engine::compared_value(const node_state& node, const feature_spec& f) const {
  const auto& windows = node.series[f.source].windows;
  switch (f.what) {
  case statistic::peers: return windows[0].mean();
  case statistic::strays: return windows[0].mean() - windows[2].mean();
  case statistic::outgrows: return windows[1].slope() * scales_.windows_s[1];
  default: return windows[window_of(f.what)].slope();
  }
}

void feature_engine::compare(const std::vector<compared_node>& nodes, feature_table& out) const {
  std::vector<std::vector<compared_node>> fleets(fleets_.size());
  for (const auto& n : nodes) fleets[n.state->fleet].push_back(n);
  for (size_t column = 0; column < out.width; ++column)
    if (against_fleet(schema_->features[column].what))
      for (const auto& fleet : fleets) compare_fleet(fleet, column, out);
}

void feature_engine::compare_fleet(const std::vector<compared_node>& fleet, size_t column,
                                   feature_table& out) const {
  const auto& f = schema_->features[column];
  double floor = schema_->series[f.source].floor;
  std::vector<double> fresh;
  for (const auto& n : fleet)
    if (double x = compared_value(*n.state, f); n.fresh && !std::isnan(x)) fresh.push_back(x);
  usual others(std::move(fresh));
  if (!others.known() && !is_full_in(f.what)) return; // nobody to compare with: stays NaN
  for (const auto& n : fleet) {
    double x = compared_value(*n.state, f);
    if (n.row == npos || std::isnan(x)) continue;
    double median = others.known() ? others.median(x) : 0;
    double deviation = others.known() ? others.deviation(x) : 0;
    const auto& windows = n.state->series[f.source].windows;
    auto& to = out.values[n.row * out.width + column];
    if (is_full_in(f.what)) {
      double excess = x - median - outgrowing_from * deviation;
      double left = std::max(0.0, 1 - windows[0].mean());
      to = excess > 0 ? std::min(left / excess / scales_.horizon_s, far_away) : far_away;
    } else {
      to = distance(x, median, deviation, floor,
                    f.what == statistic::peers    ? median
                    : f.what == statistic::strays ? windows[2].mean()
                                                  : 0.0);
    }
  }
}

} // namespace harbinger::predict
