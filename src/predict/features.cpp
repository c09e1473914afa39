#include "predict/features.hpp"

#include <algorithm>
#include <cmath>

#include "core/ensure.hpp"

namespace harbinger::predict {
namespace {
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double far_away = 10.0; ///< horizons
constexpr double deviations_max = 20.0;
constexpr double relative_floor = 0.05; ///< of the mean: smaller deviations are not told from noise

double clamp(double x, double limit) { return std::isnan(x) ? x : std::clamp(x, -limit, limit); }

/// Deviations of `x` from `centre`; never divides by less than the floors.
double distance(double x, double centre, double deviation, double floor) {
  double scale = std::max({deviation, floor, relative_floor * std::fabs(centre)});
  return clamp((x - centre) / scale, deviations_max);
}

/// Median of the sorted values without the one at position `skip`.
double median_without(const std::vector<double>& sorted, size_t skip) {
  size_t n = sorted.size() - 1;
  auto at = [&](size_t i) { return sorted[i < skip ? i : i + 1]; };
  return n % 2 == 1 ? at(n / 2) : (at(n / 2 - 1) + at(n / 2)) / 2;
}
} // namespace

feature_engine::feature_engine(time_scales scales) : scales_(std::move(scales)) {
  ENSURE(scales_.windows_s.size() == 3);
}

const feature_engine::schema_map&
feature_engine::map_of(const std::shared_ptr<const std::vector<metric_spec>>& metrics) {
  for (const auto& known : schemas_)
    if (known.metrics == metrics) return known;
  if (schemas_.size() >= schemas_max) schemas_.clear();
  schema_map map;
  map.metrics = metrics;
  auto find = [&](std::string_view name) {
    for (size_t i = 0; i < metrics->size(); ++i)
      if ((*metrics)[i].name == name) return i;
    return SIZE_MAX;
  };
  for (const auto& s : series()) {
    auto at = find(s.metric);
    map.series.push_back(at);
    map.counter.push_back(at != SIZE_MAX && (*metrics)[at].kind == metric_kind::counter);
  }
  for (auto name : events()) map.events.push_back(find(name));
  return schemas_.emplace_back(std::move(map));
}

void feature_engine::add(const telemetry_rows& rows, int64_t received_ms) {
  auto found = nodes_.find(rows.node);
  if (found == nodes_.end()) {
    if (nodes_.size() >= nodes_max) {
      passed_over_ += rows.times.size();
      return;
    }
    found = nodes_.emplace(rows.node, node_state{}).first;
  }
  auto& node = found->second;
  if (node.series.empty() || node.life != rows.life) {
    node = node_state{};
    node.life = rows.life;
    node.series.resize(series().size());
    node.events.resize(events().size());
  }
  const auto& map = map_of(rows.metrics);
  for (size_t i = 0; i < rows.times.size(); ++i)
    add_row(node, map, rows.row(i), rows.times[i].value);
  node.received_ms = received_ms;
}

void feature_engine::add_row(node_state& node, const schema_map& map, std::span<const double> row,
                             int64_t time_ms) {
  bool first = node.first_ms == 0;
  double dt_s = first ? 0.0 : static_cast<double>(time_ms - node.newest_ms) / 1000.0;
  std::array<double, 3> decay{};
  for (size_t w = 0; w < 3; ++w) decay[w] = std::exp(-dt_s / scales_.windows_s[w]);
  size_t absent = 0;
  for (size_t i = 0; i < node.series.size(); ++i) {
    double value = map.series[i] == SIZE_MAX ? nan_value : row[map.series[i]];
    absent += std::isnan(value);
    add_series(node.series[i], value, map.counter[i], time_ms, dt_s, decay);
  }
  for (size_t i = 0; i < node.events.size(); ++i) {
    auto& e = node.events[i];
    for (size_t w = 0; w < 3; ++w) e.counts[w] *= decay[w];
    double total = map.events[i] == SIZE_MAX ? nan_value : row[map.events[i]];
    if (std::isnan(total)) continue;
    double fresh = total - e.total; // NaN at first; negative after a new start of the counter
    e.total = total;
    if (!(fresh > 0)) continue;
    for (auto& c : e.counts) c += fresh;
    if (i + 1 < node.events.size()) node.last_event_ms = time_ms; // the last class is warnings
  }
  node.gap_short.age(dt_s, decay[0]);
  node.gap_long.age(dt_s, decay[2]);
  node.missing_share.age(dt_s, decay[0]);
  if (!first) {
    node.gap_short.add(dt_s);
    node.gap_long.add(dt_s);
  }
  node.missing_share.add(static_cast<double>(absent) / static_cast<double>(node.series.size()));
  if (first) node.first_ms = time_ms;
  node.newest_ms = time_ms;
}

void feature_engine::add_series(one_series& s, double value, bool is_counter, int64_t time_ms,
                                double dt_s, const std::array<double, 3>& decay) {
  for (size_t w = 0; w < 3; ++w) s.windows[w].age(dt_s, decay[w]);
  if (std::isnan(value)) return;
  if (is_counter) {
    double grown = value - s.counter; // NaN at first
    double over_s = static_cast<double>(time_ms - s.counter_ms) / 1000.0;
    s.counter = value;
    s.counter_ms = time_ms;
    if (!(grown >= 0)) return; // first reading, or the counter started anew
    value = grown / over_s;
  }
  s.last = value;
  s.peak.add(value, time_ms, static_cast<int64_t>(scales_.windows_s[1] * 1000));
  for (auto& w : s.windows) w.add(value);
}

double feature_engine::series_feature(const node_state& node, const feature_spec& f) const {
  const auto& s = node.series[f.series];
  double span_s = static_cast<double>(node.newest_ms - node.first_ms) / 1000.0;
  const auto &short_w = s.windows[0], &mid = s.windows[1], &long_w = s.windows[2];
  double floor = series()[f.series].floor;
  // A past of its own: enough of the long window seen to speak of a baseline.
  bool has_past = span_s >= 0.25 * scales_.windows_s[2];
  switch (f.what) {
  case statistic::level: return s.last;
  case statistic::mean: return short_w.mean();
  case statistic::mean_mid: return mid.mean();
  case statistic::deviation: return short_w.deviation();
  case statistic::change_short: return clamp(short_w.slope() * scales_.windows_s[0], 1.0);
  case statistic::change: return clamp(mid.slope() * scales_.windows_s[1], 1.0);
  case statistic::trend:
    if (!has_past) return nan_value;
    return distance(mid.slope() * scales_.windows_s[1] + long_w.mean(), long_w.mean(),
                    long_w.deviation(), floor);
  case statistic::peak: return s.peak.value();
  case statistic::limit_in: {
    double slope = mid.slope();
    if (std::isnan(slope) || std::isnan(s.last)) return nan_value;
    if (slope <= 0) return far_away;
    return std::clamp((1.0 - s.last) / slope / scales_.horizon_s, 0.0, far_away);
  }
  case statistic::baseline:
    if (!has_past) return nan_value;
    return distance(short_w.mean(), long_w.mean(), long_w.deviation(), floor);
  default: return nan_value; // peers: compare_peers
  }
}

double feature_engine::event_feature(const node_state& node, const feature_spec& f) const {
  auto count = [&](size_t window) {
    double sum = 0;
    bool known = false;
    for (size_t i = 0; i < node.events.size(); ++i) {
      bool wanted = f.series < node.events.size() ? i == f.series : i + 1 < node.events.size();
      if (!wanted || std::isnan(node.events[i].total)) continue;
      known = true;
      sum += node.events[i].counts[window];
    }
    return known ? std::log1p(sum) : nan_value;
  };
  switch (f.what) {
  case statistic::count_short: return count(0);
  case statistic::count_mid: return count(1);
  case statistic::count_long: return count(2);
  case statistic::since: {
    if (node.last_event_ms == INT64_MIN) return far_away;
    double since_s = static_cast<double>(node.newest_ms - node.last_event_ms) / 1000.0;
    return std::min(since_s / scales_.horizon_s, far_away);
  }
  default: { // kinds
    double n = 0;
    for (size_t i = 0; i + 1 < node.events.size(); ++i) n += node.events[i].counts[1] > 0.3;
    return n;
  }
  }
}

void feature_engine::write_row(const node_state& node, int64_t now_ms,
                               std::span<double> out) const {
  for (size_t i = 0; i < features().size(); ++i) {
    const auto& f = features()[i];
    if (f.what == statistic::value) {
      double usual_s = node.gap_long.mean();
      double age_s = static_cast<double>(now_ms - node.received_ms) / 1000.0;
      if (f.series == 0)
        out[i] = node.missing_share.mean();
      else if (f.series == 1)
        out[i] = clamp(node.gap_short.mean() / usual_s, deviations_max);
      else
        out[i] = clamp(age_s / usual_s, deviations_max);
    } else if (f.what >= statistic::count_short) {
      out[i] = event_feature(node, f);
    } else {
      out[i] = series_feature(node, f);
    }
  }
}

void feature_engine::compare_peers(const std::vector<const node_state*>& nodes,
                                   const std::vector<bool>& fresh, feature_table& out) const {
  auto width = features().size();
  std::vector<double> sorted, spread;
  for (size_t column = 0; column < width; ++column) {
    const auto& f = features()[column];
    if (f.what != statistic::peers) continue;
    auto mean_of = [&](size_t i) { return nodes[i]->series[f.series].windows[0].mean(); };
    sorted.clear();
    for (size_t i = 0; i < nodes.size(); ++i)
      if (double x = mean_of(i); fresh[i] && !std::isnan(x)) sorted.push_back(x);
    if (sorted.size() < 3) continue; // nobody to compare with: stays NaN
    std::sort(sorted.begin(), sorted.end());
    double centre = sorted[sorted.size() / 2];
    spread.clear();
    for (double x : sorted) spread.push_back(std::fabs(x - centre));
    std::sort(spread.begin(), spread.end());
    for (size_t i = 0; i < nodes.size(); ++i) {
      double x = mean_of(i);
      if (std::isnan(x)) continue;
      auto place = [](const std::vector<double>& in,
                      double what) { // its own place; the end when it takes no part
        auto at = std::lower_bound(in.begin(), in.end(), what);
        return static_cast<size_t>(std::min(at, in.end() - 1) - in.begin());
      };
      double median = median_without(sorted, place(sorted, x));
      double mad = median_without(spread, place(spread, std::fabs(x - centre)));
      // 1.4826: turns the median of absolute deviations into a standard deviation for normal noise.
      out.values[i * width + column] = distance(x, median, 1.4826 * mad, series()[f.series].floor);
    }
  }
}

void feature_engine::table(int64_t now_ms, feature_table& out) const {
  auto width = features().size();
  out.nodes.clear();
  out.ages_s.clear();
  out.values.assign(nodes_.size() * width, nan_value);
  std::vector<const node_state*> states;
  std::vector<bool> fresh;
  for (const auto& [id, node] : nodes_) {
    double age_s = static_cast<double>(now_ms - node.received_ms) / 1000.0;
    write_row(node, now_ms, {out.values.data() + states.size() * width, width});
    out.nodes.push_back(id);
    out.ages_s.push_back(age_s);
    states.push_back(&node);
    fresh.push_back(age_s <= scales_.stale_after_s);
  }
  compare_peers(states, fresh, out);
}

} // namespace harbinger::predict
