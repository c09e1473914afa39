#include "predict/reasons.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "core/listed.hpp"
#include "history/time_text.hpp"

namespace harbinger::predict {
namespace {
template <class... Args>
std::string format(const char* pattern, Args... args) {
  char out[160];
  std::snprintf(out, sizeof out, pattern, args...);
  return out;
}

/// The known features of one metric.
struct metric_view {
  std::string_view metric;
  std::span<const double> row;
  const predict::schema& schema;
  std::optional<double> get(statistic what, size_t source = SIZE_MAX) const {
    for (size_t i = 0; i < schema.width(); ++i) {
      const auto& f = schema.features[i];
      if (f.metric != metric || f.what != what || (source != SIZE_MAX && f.source != source))
        continue;
      if (std::isfinite(row[i])) return row[i];
    }
    return std::nullopt;
  }
};

std::string describe_input(const metric_view& view) {
  std::vector<std::string> parts;
  if (auto x = view.get(statistic::value, 2); x && *x > 1.5)
    parts.push_back(format("its newest sample is %.1f periods old", *x));
  if (auto x = view.get(statistic::value, 1); x && *x > 1.3)
    parts.push_back(format("samples come %.1f times as far apart as usual", *x));
  if (auto x = view.get(statistic::value, 0); x && *x > 0.2)
    parts.push_back(format("%.0f %% of its metrics are missing", 100 * *x));
  if (parts.empty()) return "how its telemetry arrives";
  return listed(parts);
}

std::string describe_events(const metric_view& view, std::string_view phrase,
                            const time_scales& scales) {
  std::string out{phrase};
  if (auto n = view.get(statistic::count_mid))
    out += format(": about %.0f in the last %.0f s", std::expm1(*n), scales.windows_s[1]);
  if (auto n = view.get(statistic::kinds); n && *n > 1) out += format(", of %.0f kinds", *n);
  if (auto s = view.get(statistic::since); s && *s < 10)
    out += format(", the newest %.1f s ago", *s * scales.horizon_s);
  return out;
}
} // namespace

std::string describe_metric(std::string_view metric, std::span<const double> row,
                            const schema& schema, const time_scales& scales) {
  metric_view view{metric, row, schema};
  if (metric == "input") return describe_input(view);
  if (metric == "age") return "how long it has been watched";
  if (metric == "log.errors" || metric == "errors")
    return describe_events(view, metric == "errors" ? "errors" : "errors in the log", scales);
  for (const auto& e : schema.events)
    if (e.code == metric) return describe_events(view, e.phrase, scales);
  auto of = std::find_if(schema.series.begin(), schema.series.end(),
                         [&](const auto& s) { return s.metric == metric; });
  if (of == schema.series.end()) return std::string(metric);
  const auto& phrase = of->phrase;
  bool share = of->share;
  std::vector<std::string> parts;
  auto level = view.get(statistic::level);
  if (!level) level = view.get(statistic::mean);
  if (level)
    parts.push_back(share ? format("at %.0f %%", 100 * *level)
                          : format("at %.3g %s", *level, of->unit.c_str()));
  if (auto b = view.get(statistic::baseline); b && std::fabs(*b) >= 1)
    parts.push_back(format("%.1f deviations %s this node's own past", std::fabs(*b),
                           *b > 0 ? "above" : "below"));
  if (auto p = view.get(statistic::peers); p && std::fabs(*p) >= 1)
    parts.push_back(
        format("%.1f deviations %s the other nodes", std::fabs(*p), *p > 0 ? "above" : "below"));
  if (auto c = view.get(statistic::change); c && std::fabs(*c) >= 0.002)
    parts.push_back(format("%s %.2g %%/s", *c > 0 ? "rising" : "falling",
                           100 * std::fabs(*c) / scales.windows_s[1]));
  if (auto l = view.get(statistic::limit_in); l && *l < 10)
    parts.push_back(format("at its limit in %.0f s at this rate", *l * scales.horizon_s));
  auto ago = duration_text(static_cast<int64_t>(scales.windows_s[1] * 1000)) + " ago";
  if (auto g = view.get(statistic::grown_mid); g && *g > 0)
    parts.push_back(format("%.3g more than ", std::expm1(*g)) + ago);
  if (auto m = view.get(statistic::moved_mid); m && *m != 0)
    parts.push_back(format("%.3g %s than ", std::fabs(*m), *m > 0 ? "more" : "less") + ago);
  if (parts.empty()) return phrase + " is unusual";
  return phrase + " is " + listed(parts);
}

} // namespace harbinger::predict
