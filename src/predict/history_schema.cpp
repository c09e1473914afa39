#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "history/history.hpp"
#include "predict/history_events.hpp"
#include "predict/schema.hpp"

namespace harbinger::predict {
namespace {
using enum statistic;

constexpr size_t kinds_max = 24; ///< of codes, and of values of an attribute
constexpr double kind_least = 5;

/// The commonest first kept, then by name, so that equal histories give equal schemas.
std::vector<std::string> common(const std::map<std::string, double>& counts) {
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, n] : counts)
    if (n >= kind_least) order.emplace_back(-n, name);
  std::sort(order.begin(), order.end());
  if (order.size() > kinds_max) order.resize(kinds_max);
  std::vector<std::string> out;
  for (auto& [n, name] : order) out.push_back(std::move(name));
  std::sort(out.begin(), out.end());
  return out;
}

/// The metric's values, of a counter its growth a second; some 20,000 of them.
std::vector<double> values_of(const history& from, size_t metric) {
  bool counter = from.metrics[metric].reading == history_reading::counter;
  std::vector<const history_sample*> last(from.nodes.size());
  std::vector<double> out;
  auto step = std::max<size_t>(1, from.samples.size() / 20'000);
  for (size_t i = 0; i < from.samples.size(); ++i) {
    const auto& s = from.samples[i];
    double x = s.values[metric];
    if (!std::isfinite(x)) continue;
    const auto* before = std::exchange(last[s.node], &s);
    if (i % step != 0 || (counter && !before)) continue;
    if (counter)
      x = (x - before->values[metric]) * 1000 / static_cast<double>(s.time_ms - before->time_ms);
    if (std::isfinite(x) && (!counter || x >= 0)) out.push_back(x);
  }
  return out;
}

/// A hundredth of how far its values are apart, by the middle half of them or by their standard
/// deviation: differences below say nothing.
double floor_of(const history& from, size_t metric) {
  auto values = values_of(from, metric);
  if (values.size() < 4) return 1e-9;
  double sum = 0, squares = 0;
  for (double x : values) sum += x;
  double mean = sum / static_cast<double>(values.size());
  for (double x : values) squares += (x - mean) * (x - mean);
  std::sort(values.begin(), values.end());
  double spread = values[values.size() * 3 / 4] - values[values.size() / 4];
  return std::max({spread / 100, std::sqrt(squares / static_cast<double>(values.size())) / 100,
                   std::fabs(values[values.size() / 2]) * 1e-3, 1e-9});
}

std::vector<statistic> statistics_of(const history_metric& m) {
  bool share = m.reading == history_reading::share;
  if (m.comparable && m.reading == history_reading::counter)
    return {total, grown_short, grown_mid, grown_long, grown_since};
  std::vector<statistic> out;
  if (m.comparable && share) out = {change_short, change, limit_in};
  if (m.comparable)
    out.insert(out.end(), {level, mean, mean_mid, mean_long, deviation, peak, trend, baseline,
                           moved_short, moved_mid, moved_long});
  // The distance from the fleet tells roles apart (the one busy master), so who fails by role.
  if (m.comparable) out.push_back(peers);
  if (m.comparable) return out;
  if (share) out = {pressure, full_in_short, full_in, full_in_long};
  out.insert(out.end(), {outgrows, strays, trend, baseline});
  return out;
}
} // namespace

schema_ptr history_schema(const history& from) {
  auto out = std::make_shared<schema>();
  out->one_clock = true;
  for (size_t m = 0; m < from.metrics.size(); ++m) {
    const auto& metric = from.metrics[m];
    for (auto what : statistics_of(metric))
      out->features.push_back({metric.name, what, out->series.size()});
    out->series.push_back({metric.name, metric.floor > 0 ? metric.floor : floor_of(from, m),
                           metric.reading == history_reading::share, metric.name, metric.unit});
  }
  std::map<std::string, double> codes;
  std::map<std::string, bool> is_error;
  for (const auto& e : from.events)
    for (const auto& code : event_codes(e)) {
      codes[code] += e.count;
      is_error[code] = e.what == happening::event;
    }
  auto kept = common(codes);
  for (const auto& code : kept) {
    auto source = out->events.size();
    out->events.push_back({code, is_error[code], code});
    for (auto what : {count_short, count_mid, count_long, count_ever, since})
      out->features.push_back({code, what, source});
    if (code == "failure")
      for (auto what : {fleet_short, fleet_mid, fleet_long})
        out->features.push_back({code, what, source});
  }
  if (std::any_of(out->events.begin(), out->events.end(), [](const auto& e) { return e.error; }))
    for (auto what : {count_short, count_mid, count_long, since, kinds})
      out->features.push_back({"errors", what, out->events.size()});
  for (const auto& name : from.numbers) {
    out->features.push_back({name, number, out->numbers.size()});
    out->numbers.push_back(name);
  }
  for (const auto& name : from.categories) {
    std::map<std::string, double> values;
    for (const auto& node : from.nodes)
      if (auto it = node.attributes.find(name); it != node.attributes.end()) ++values[it->second];
    for (const auto& text : common(values)) {
      out->features.push_back({name, category, out->categories.size()});
      out->categories.emplace_back(name, text);
    }
  }
  if (!from.samples.empty() && !from.on_change) // else silence says nothing
    for (size_t i = 0; i < 3; ++i) out->features.push_back({"input", value, i});
  out->features.push_back({"age", age, 0});
  return out;
}

} // namespace harbinger::predict
