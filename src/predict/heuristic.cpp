#include "predict/heuristic.hpp"

#include <algorithm>
#include <cmath>

#include "predict/reasons.hpp"

namespace harbinger::predict {
namespace {
struct symptom {
  std::string_view metric;
  double probability;
};

/// NaN, which no comparison is true of, when it is not known.
double feature(std::span<const double> row, std::string_view metric, statistic what) {
  const auto& features = service_schema()->features;
  for (size_t i = 0; i < features.size(); ++i)
    if (features[i].metric == metric && features[i].what == what) return row[i];
  return std::nan("");
}

std::vector<symptom> symptoms(std::span<const double> row) {
  std::vector<symptom> out;
  for (std::string_view metric : {"process.rss_ratio", "process.vsize_ratio"}) {
    double level = feature(row, metric, statistic::level),
           limit_in = feature(row, metric, statistic::limit_in);
    double p = 0;
    if (limit_in < 1 && level > 0.3) p = 0.5 + 0.4 * (1 - limit_in);
    if (level > 0.95) p = std::max(p, 0.7);
    if (p > 0) out.push_back({metric, p});
  }
  double late_by = feature(row, "loop.lag_ratio", statistic::mean_mid);
  double above_past = feature(row, "loop.lag_ratio", statistic::baseline);
  if (late_by >= 2 && !(above_past < 1)) out.push_back({"loop.lag_ratio", 0.6});
  if (feature(row, "log.errors", statistic::count_short) > std::log1p(10))
    out.push_back({"log.errors", 0.4});
  if (feature(row, "net.unanswered_ratio", statistic::mean) >= 0.5)
    out.push_back({"net.unanswered_ratio", 0.5});
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.probability > b.probability; });
  return out;
}
} // namespace

prediction heuristic_risk(std::span<const double> row) {
  double healthy = 0.99;
  for (const auto& s : symptoms(row)) healthy *= 1 - s.probability;
  return {1 - healthy, 0.4};
}

std::vector<risk_reason> heuristic_reasons(std::span<const double> row, const time_scales& scales) {
  auto all = heuristic_risk(row).probability;
  std::vector<risk_reason> out;
  for (const auto& s : symptoms(row))
    out.push_back({std::string(s.metric), describe_metric(s.metric, row, *service_schema(), scales),
                   std::min(1.0, s.probability / all)});
  return out;
}

} // namespace harbinger::predict
