#include "predict/features.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/ensure.hpp"
#include "predict/distance.hpp"

namespace harbinger::predict {
namespace {
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// NaN for anything but a number.
double number_in(const std::string& text) {
  double out = nan_value;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc{} && end == text.data() + text.size() ? out : nan_value;
}

bool asks_past(statistic what) {
  return what >= statistic::grown_short && what <= statistic::moved_long
         && what != statistic::grown_since;
}

/// Time since, in horizons: exact up to ten, then by its logarithm, so that long memories are told
/// apart too.
double since_feature(int64_t then_ms, int64_t now_ms, double horizon_s, bool long_memory) {
  if (then_ms == INT64_MIN) return long_memory ? nan_value : far_away;
  double since = static_cast<double>(now_ms - then_ms) / 1000.0 / horizon_s;
  if (since <= far_away) return since;
  return long_memory ? far_away + std::log(since / far_away) : far_away;
}
} // namespace

feature_engine::feature_engine(time_scales scales, schema_ptr schema)
    : scales_(std::move(scales)), schema_(std::move(schema)), keeps_past_(schema_->series.size()) {
  ENSURE(scales_.windows_s.size() == 3);
  for (const auto& f : schema_->features)
    if (asks_past(f.what)) keeps_past_[f.source] = true;
}

size_t feature_engine::event_index(std::string_view code) const {
  const auto& events = schema_->events;
  auto it =
      std::find_if(events.begin(), events.end(), [&](const auto& e) { return e.code == code; });
  return it == events.end() ? npos : static_cast<size_t>(it - events.begin());
}

feature_engine::node_state& feature_engine::begin(const node_id& id) {
  auto& node = nodes_[id];
  node = node_state{};
  node.series.resize(schema_->series.size());
  for (size_t i = 0; i < node.series.size(); ++i)
    if (keeps_past_[i]) node.series[i].past.resize(3);
  node.events.resize(schema_->events.size());
  if (fleets_.empty()) fleets_.push_back({"", 0, std::vector<one_event>(schema_->events.size())});
  return node;
}

void feature_engine::forget(const node_id& id) {
  auto it = nodes_.find(id);
  if (it == nodes_.end()) return;
  --fleets_[it->second.fleet].nodes;
  nodes_.erase(it);
}

void feature_engine::add_node(const node_id& id, const std::string& fleet,
                              const std::map<std::string, std::string>& attributes,
                              int64_t first_ms) {
  if (nodes_.size() >= nodes_max) {
    ++passed_over_;
    return;
  }
  forget(id);
  auto& node = begin(id);
  node.first_ms = first_ms;
  auto at =
      std::find_if(fleets_.begin(), fleets_.end(), [&](const auto& f) { return f.name == fleet; });
  node.fleet = static_cast<size_t>(at - fleets_.begin());
  if (at == fleets_.end())
    fleets_.push_back({fleet, 0, std::vector<one_event>(schema_->events.size())});
  ++fleets_[node.fleet].nodes;
  for (const auto& name : schema_->numbers) {
    auto it = attributes.find(name);
    node.attributes.push_back(it == attributes.end() ? nan_value : number_in(it->second));
  }
  for (const auto& [name, text] : schema_->categories) {
    auto it = attributes.find(name);
    node.attributes.push_back(it == attributes.end() ? nan_value
                                                     : static_cast<double>(it->second == text));
  }
}

void feature_engine::add_event(const node_id& id, size_t code, double count, int64_t time_ms) {
  auto it = nodes_.find(id);
  if (it == nodes_.end() || code >= schema_->events.size()) return;
  count_event(it->second.events[code], count, time_ms);
  if (schema_->events[code].error) it->second.last_error_ms = time_ms;
  count_event(fleets_[it->second.fleet].events[code], count, time_ms);
}

void feature_engine::count_event(one_event& e, double count, int64_t time_ms) const {
  for (size_t w = 0; w < 3; ++w) e.counts[w] = decayed(e, w, time_ms) + count;
  e.ever += count;
  e.at_ms = std::max(e.at_ms, time_ms);
}

double feature_engine::decayed(const one_event& e, size_t window, int64_t at_ms) const {
  if (e.at_ms == INT64_MIN || at_ms <= e.at_ms) return e.counts[window];
  return e.counts[window]
         * std::exp(-static_cast<double>(at_ms - e.at_ms) / 1000.0 / scales_.windows_s[window]);
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
  for (const auto& s : schema_->series) {
    auto at = find(s.metric);
    map.series.push_back(at);
    map.counter.push_back(at != SIZE_MAX && (*metrics)[at].kind == metric_kind::counter);
  }
  for (const auto& e : schema_->events) map.events.push_back(find(e.code));
  return schemas_.emplace_back(std::move(map));
}

void feature_engine::add(const telemetry_rows& rows, int64_t received_ms) {
  auto found = nodes_.find(rows.node);
  bool is_new = found == nodes_.end();
  if (is_new && nodes_.size() >= nodes_max) {
    passed_over_ += rows.times.size();
    return;
  }
  if (is_new || found->second.life != rows.life) {
    bool announced = !is_new && found->second.samples == 0; // by add_node
    if (!announced) {
      forget(rows.node);
      begin(rows.node);
      ++fleets_[0].nodes;
    }
    found = nodes_.find(rows.node);
    found->second.life = rows.life;
  }
  auto& node = found->second;
  const auto& map = map_of(rows.metrics);
  for (size_t i = 0; i < rows.times.size(); ++i)
    add_row(node, map, rows.row(i), rows.times[i].value);
  node.received_ms = received_ms;
}

void feature_engine::add_row(node_state& node, const schema_map& map, std::span<const double> row,
                             int64_t time_ms) {
  bool first = node.samples++ == 0;
  double dt_s = first ? 0.0 : static_cast<double>(time_ms - node.newest_ms) / 1000.0;
  std::array<double, 3> decay{};
  for (size_t w = 0; w < 3; ++w) decay[w] = std::exp(-dt_s / scales_.windows_s[w]);
  size_t absent = 0;
  for (size_t i = 0; i < node.series.size(); ++i) {
    double value = map.series[i] == npos ? nan_value : row[map.series[i]];
    absent += std::isnan(value);
    add_series(node.series[i], value, map.counter[i], time_ms, dt_s, decay);
  }
  for (size_t i = 0; i < node.events.size(); ++i) {
    if (map.events[i] == npos || std::isnan(row[map.events[i]])) continue;
    auto& e = node.events[i];
    double fresh = row[map.events[i]] - e.total; // NaN at first; negative after a new start of it
    e.total = row[map.events[i]];
    e.known = true;
    if (!(fresh > 0)) continue;
    count_event(e, fresh, time_ms);
    count_event(fleets_[node.fleet].events[i], fresh, time_ms);
    if (schema_->events[i].error) node.last_error_ms = time_ms;
  }
  node.gap_short.age(dt_s, decay[0]);
  node.gap_long.age(dt_s, decay[2]);
  node.missing_share.age(dt_s, decay[0]);
  if (!first) {
    node.gap_short.add(dt_s);
    node.gap_long.add(dt_s);
  }
  auto all = static_cast<double>(std::max<size_t>(1, node.series.size()));
  node.missing_share.add(static_cast<double>(absent) / all);
  // Spans are told on one clock: the node's own, unless there is only one.
  if (first && (node.first_ms == INT64_MIN || !schema_->one_clock)) node.first_ms = time_ms;
  node.newest_ms = time_ms;
}

void feature_engine::add_series(one_series& s, double value, bool is_counter, int64_t time_ms,
                                double dt_s, const std::array<double, 3>& decay) {
  for (size_t w = 0; w < 3; ++w) s.windows[w].age(dt_s, decay[w]);
  auto remember = [&](double what) {
    for (size_t w = 0; w < s.past.size(); ++w) s.past[w].add(what, time_ms, window_ms(w));
  };
  if (std::isnan(value)) return;
  if (is_counter) {
    double grown = value - s.counter; // NaN at first
    double over_s = static_cast<double>(time_ms - s.counter_ms) / 1000.0;
    s.counter = value;
    s.counter_ms = time_ms;
    if (grown > 0) s.grown += grown;
    remember(s.grown);
    if (!(grown >= 0)) return; // first reading, or the counter started anew
    if (grown > 0) s.grown_ms = time_ms;
    value = grown / over_s;
  } else {
    remember(value);
  }
  s.last = value;
  s.peak.add(value, time_ms, window_ms(1));
  for (auto& w : s.windows) w.add(value);
}

double feature_engine::series_feature(const node_state& node, const feature_spec& f,
                                      int64_t at_ms) const {
  const auto& s = node.series[f.source];
  const auto& spec = schema_->series[f.source];
  double span_s =
      node.samples == 0 ? 0.0 : static_cast<double>(node.newest_ms - node.first_ms) / 1000.0;
  const auto &short_w = s.windows[0], &mid = s.windows[1], &long_w = s.windows[2];
  // A past of its own: enough of the long window seen to speak of a baseline.
  bool has_past = span_s >= 0.25 * scales_.windows_s[2];
  double steepest = spec.share ? 1.0 : std::numeric_limits<double>::infinity();
  switch (f.what) {
  case statistic::level: return s.last;
  case statistic::mean: return short_w.mean();
  case statistic::mean_mid: return mid.mean();
  case statistic::mean_long: return long_w.mean();
  case statistic::deviation: return short_w.deviation();
  case statistic::change_short: return clamp(short_w.slope() * scales_.windows_s[0], steepest);
  case statistic::change: return clamp(mid.slope() * scales_.windows_s[1], steepest);
  case statistic::trend:
    if (!has_past) return nan_value;
    return distance(mid.slope() * scales_.windows_s[1] + long_w.mean(), long_w.mean(),
                    long_w.deviation(), spec.floor);
  case statistic::peak: return s.peak.value();
  case statistic::limit_in: {
    double slope = mid.slope();
    if (std::isnan(slope) || std::isnan(s.last)) return nan_value;
    if (slope <= 0) return far_away;
    return std::clamp((1.0 - s.last) / slope / scales_.horizon_s, 0.0, far_away);
  }
  case statistic::baseline:
    if (!has_past) return nan_value;
    return distance(short_w.mean(), long_w.mean(), long_w.deviation(), spec.floor);
  case statistic::total: return s.counter >= 0 ? std::log1p(s.counter) : nan_value;
  case statistic::grown_short:
  case statistic::grown_mid:
  case statistic::grown_long: {
    auto w = static_cast<size_t>(f.what) - static_cast<size_t>(statistic::grown_short);
    return std::log1p(s.past[w].risen(at_ms, window_ms(w)));
  }
  case statistic::moved_short:
  case statistic::moved_mid:
  case statistic::moved_long: {
    auto w = static_cast<size_t>(f.what) - static_cast<size_t>(statistic::moved_short);
    return s.past[w].risen(at_ms, window_ms(w));
  }
  case statistic::grown_since:
    if (std::isnan(s.counter)) return nan_value;
    return since_feature(s.grown_ms, at_ms, scales_.horizon_s, false);
  case statistic::pressure: return std::clamp((short_w.mean() - 0.5) / 0.5, 0.0, 1.0);
  default: return nan_value; // against the fleet: compare
  }
}

double feature_engine::event_feature(const node_state& node, const feature_spec& f,
                                     int64_t at_ms) const {
  const auto& specs = schema_->events;
  bool all_errors = f.source >= specs.size();
  auto wanted = [&](size_t i) { return all_errors ? specs[i].error : i == f.source; };
  auto count = [&](auto of) {
    double sum = 0;
    bool known = schema_->one_clock; // then no event is a fact, not a gap
    for (size_t i = 0; i < specs.size(); ++i) {
      if (!wanted(i) || !(schema_->one_clock || node.events[i].known)) continue;
      known = true;
      sum += of(node.events[i]);
    }
    return known ? std::log1p(sum) : nan_value;
  };
  auto in_window = [&](size_t w) {
    return count([&](const one_event& e) { return decayed(e, w, at_ms); });
  };
  switch (f.what) {
  case statistic::count_short: return in_window(0);
  case statistic::count_mid: return in_window(1);
  case statistic::count_long: return in_window(2);
  case statistic::count_ever: return count([](const one_event& e) { return e.ever; });
  case statistic::since:
    return since_feature(all_errors ? node.last_error_ms : node.events[f.source].at_ms, at_ms,
                         scales_.horizon_s, schema_->one_clock);
  default: { // kinds
    double n = 0;
    for (size_t i = 0; i < specs.size(); ++i)
      n += specs[i].error && decayed(node.events[i], 1, at_ms) > 0.3;
    return n;
  }
  }
}

double feature_engine::fleet_feature(const node_state& node, const feature_spec& f,
                                     int64_t at_ms) const {
  const auto& fleet = fleets_[node.fleet];
  if (fleet.nodes < 2) return nan_value;
  auto w = static_cast<size_t>(f.what) - static_cast<size_t>(statistic::fleet_short);
  double others =
      decayed(fleet.events[f.source], w, at_ms) - decayed(node.events[f.source], w, at_ms);
  return std::log1p(100 * std::max(0.0, others) / static_cast<double>(fleet.nodes - 1));
}

double feature_engine::node_feature(const node_state& node, const feature_spec& f,
                                    int64_t now_ms) const {
  switch (f.what) {
  case statistic::number: return node.attributes.empty() ? nan_value : node.attributes[f.source];
  case statistic::category:
    return node.attributes.empty() ? nan_value
                                   : node.attributes[schema_->numbers.size() + f.source];
  case statistic::age:
    return std::log1p(static_cast<double>(now_ms - node.first_ms) / 1000.0 / scales_.windows_s[2]);
  default: break;
  }
  if (node.samples == 0) return nan_value;
  double usual_s = node.gap_long.mean();
  double age_s = static_cast<double>(now_ms - node.received_ms) / 1000.0;
  if (f.source == 0) return node.missing_share.mean();
  return clamp((f.source == 1 ? node.gap_short.mean() : age_s) / usual_s, deviations_max);
}

void feature_engine::write_row(const node_state& node, int64_t now_ms,
                               std::span<double> out) const {
  auto at_ms = schema_->one_clock || node.samples == 0 ? now_ms : node.newest_ms;
  for (size_t i = 0; i < schema_->features.size(); ++i) {
    const auto& f = schema_->features[i];
    if (f.what >= statistic::value)
      out[i] = node_feature(node, f, now_ms);
    else if (f.what >= statistic::fleet_short)
      out[i] = fleet_feature(node, f, at_ms);
    else if (f.what >= statistic::count_short)
      out[i] = event_feature(node, f, at_ms);
    else
      out[i] = series_feature(node, f, at_ms);
  }
}

void feature_engine::table(int64_t now_ms, feature_table& out,
                           const std::vector<node_id>* wanted) const {
  out.width = schema_->width();
  out.nodes.clear();
  out.ages_s.clear();
  out.values.clear();
  std::vector<compared_node> all;
  size_t next = 0;
  for (const auto& [id, node] : nodes_) {
    double age_s = node.samples == 0 ? std::numeric_limits<double>::infinity()
                                     : static_cast<double>(now_ms - node.received_ms) / 1000.0;
    while (wanted && next < wanted->size() && (*wanted)[next] < id) ++next;
    bool taken = !wanted || (next < wanted->size() && (*wanted)[next] == id);
    all.push_back({&node, taken ? out.nodes.size() : npos, age_s <= scales_.stale_after_s});
    if (!taken) continue;
    auto begin = out.values.size();
    out.values.resize(begin + out.width, nan_value);
    write_row(node, now_ms, {out.values.data() + begin, out.width});
    out.nodes.push_back(id);
    out.ages_s.push_back(age_s);
  }
  compare(all, out);
}

} // namespace harbinger::predict
