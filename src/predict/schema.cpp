#include "predict/schema.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "telemetry/metrics.hpp"

namespace harbinger::predict {
namespace {
using enum statistic;
using ordered_json = nlohmann::ordered_json;

constexpr std::array statistic_names{
    "level",        "mean",        "mean_mid",    "mean_long",     "deviation",   "change",
    "change_short", "trend",       "peak",        "limit_in",      "baseline",    "pressure",
    "peers",        "strays",      "outgrows",    "full_in_short", "full_in",     "full_in_long",
    "total",        "grown_short", "grown_mid",   "grown_long",    "grown_since", "moved_short",
    "moved_mid",    "moved_long",  "count_short", "count_mid",     "count_long",  "count_ever",
    "since",        "kinds",       "fleet_short", "fleet_mid",     "fleet_long",  "value",
    "age",          "number",      "category"};
constexpr std::array input_names{"missing_share", "gap", "age"};

struct plan_row {
  const char* metric;
  double floor;
  std::vector<statistic> statistics;
};

const std::vector<plan_row>& service_plan() {
  static const std::vector<plan_row> rows{
      {"process.rss_ratio",
       0.004,
       {level, deviation, change_short, change, peak, limit_in, baseline, peers}},
      {"process.vsize_ratio",
       0.004,
       {level, deviation, change_short, change, peak, limit_in, baseline, peers}},
      {"process.fd_ratio", 0.002, {level, limit_in, baseline}},
      {"host.mem_used_ratio", 0.01, {level, limit_in}},
      {"host.cpu_busy_ratio", 0.05, {mean}},
      {"host.cpu_iowait_ratio", 0.02, {mean}},
      {"host.cpu_steal_ratio", 0.02, {mean}},
      {"host.psi_cpu_some", 0.02, {mean}},
      {"host.psi_memory_some", 0.01, {mean}},
      {"host.psi_io_some", 0.02, {mean}},
      {"host.tcp_retransmits", 1.0, {baseline}},
      {"process.cpu_s", 0.02, {trend, baseline, peers}},
      {"process.run_wait_s", 0.02, {mean, baseline, peers}},
      {"process.switches_forced", 10.0, {baseline, peers}},
      {"process.faults_minor", 50.0, {baseline, peers}},
      {"process.faults_major", 1.0, {baseline}},
      {"process.write_bytes", 50e3, {baseline, peers}},
      {"loop.lag_ratio", 0.05, {mean, mean_mid, peak, baseline, peers}},
      {"store.write_ms", 0.5, {baseline, peers}},
      {"store.queue", 1.0, {baseline}},
      {"net.rtt_ms_mean", 0.3, {baseline, peers}},
      {"net.rtt_ms_min", 0.2, {baseline, peers}},
      {"net.unanswered_ratio", 0.05, {mean, mean_mid, peers}},
  };
  return rows;
}

constexpr std::array service_errors{
    "log.errors_io",     "log.errors_no_space",   "log.errors_timeout", "log.errors_checksum",
    "log.errors_memory", "log.errors_connection", "log.errors_other"};

std::string phrase_of(std::string_view metric) {
  auto at = telemetry::metric_index(metric);
  auto catalogue = telemetry::metric_catalogue();
  return std::string(at < catalogue.size() ? catalogue[at].phrase : metric);
}

schema make_service_schema() {
  schema out;
  for (const auto& row : service_plan()) {
    auto at = telemetry::metric_index(row.metric);
    auto catalogue = telemetry::metric_catalogue();
    std::string unit(at < catalogue.size() ? catalogue[at].unit : "");
    if (std::string_view(row.metric) == "process.run_wait_s") unit = "s/s";
    for (auto what : row.statistics) out.features.push_back({row.metric, what, out.series.size()});
    out.series.push_back({row.metric, row.floor, unit == "ratio", phrase_of(row.metric), unit});
  }
  for (const char* code : service_errors) out.events.push_back({code, true, phrase_of(code)});
  out.events.push_back({"log.warnings", false, phrase_of("log.warnings")});
  for (size_t i = 0; i < out.events.size(); ++i)
    out.features.push_back({out.events[i].code, count_mid, i});
  for (auto what : {count_short, count_mid, count_long, since, kinds})
    out.features.push_back({"log.errors", what, out.events.size()});
  for (size_t i = 0; i < input_names.size(); ++i) out.features.push_back({"input", value, i});
  return out;
}
} // namespace

schema_ptr service_schema() {
  static const auto one = std::make_shared<const schema>(make_service_schema());
  return one;
}

std::string feature_name(const schema& of, size_t feature) {
  const auto& f = of.features.at(feature);
  if (f.what == value) return f.metric + ' ' + input_names.at(f.source);
  if (f.what == category) return f.metric + " = " + of.categories.at(f.source).second;
  if (f.what == number) return f.metric;
  return f.metric + ' ' + statistic_names.at(static_cast<size_t>(f.what));
}

std::string to_json(const schema& s) {
  ordered_json out{{"one_clock", s.one_clock},        {"series", ordered_json::array()},
                   {"events", ordered_json::array()}, {"numbers", s.numbers},
                   {"categories", s.categories},      {"features", ordered_json::array()}};
  for (const auto& x : s.series)
    out["series"].push_back({x.metric, x.floor, x.share, x.phrase, x.unit});
  for (const auto& x : s.events) out["events"].push_back({x.code, x.error, x.phrase});
  for (const auto& f : s.features)
    out["features"].push_back(
        {f.metric, statistic_names.at(static_cast<size_t>(f.what)), f.source});
  return out.dump();
}

result<schema_ptr> parse_schema(const std::string& json) {
  auto out = std::make_shared<schema>();
  try {
    auto in = nlohmann::json::parse(json);
    out->one_clock = in.at("one_clock").get<bool>();
    in.at("numbers").get_to(out->numbers);
    in.at("categories").get_to(out->categories);
    for (const auto& x : in.at("series"))
      out->series.push_back({x.at(0).get<std::string>(), x.at(1).get<double>(), x.at(2).get<bool>(),
                             x.at(3).get<std::string>(), x.at(4).get<std::string>()});
    for (const auto& x : in.at("events"))
      out->events.push_back(
          {x.at(0).get<std::string>(), x.at(1).get<bool>(), x.at(2).get<std::string>()});
    for (const auto& x : in.at("features")) {
      auto name = x.at(1).get<std::string>();
      auto found = std::find(statistic_names.begin(), statistic_names.end(), name);
      if (found == statistic_names.end())
        return fail(errc::unsupported, "a feature of the unknown kind " + name);
      out->features.push_back({x.at(0).get<std::string>(),
                               static_cast<statistic>(found - statistic_names.begin()),
                               x.at(2).get<size_t>()});
    }
  } catch (const nlohmann::json::exception& e) {
    return fail(errc::malformed, std::string("feature schema: ") + e.what());
  }
  for (const auto& f : out->features) {
    bool of_event = f.what >= count_short && f.what <= fleet_long;
    size_t limit = f.what == value      ? input_names.size()
                   : f.what == age      ? 1
                   : f.what == number   ? out->numbers.size()
                   : f.what == category ? out->categories.size()
                   : of_event           ? out->events.size() + 1
                                        : out->series.size();
    if (f.source >= limit) return fail(errc::malformed, "feature schema: " + f.metric);
  }
  return schema_ptr(std::move(out));
}

time_scales make_scales(std::vector<double> windows_s, double horizon_s, double stale_after_s) {
  std::sort(windows_s.begin(), windows_s.end());
  if (windows_s.empty()) windows_s.push_back(60);
  while (windows_s.size() < 3) windows_s.push_back(windows_s.back() * 10);
  windows_s.resize(3);
  return {std::move(windows_s), horizon_s, stale_after_s};
}

uint64_t schema_hash(const schema& s, const time_scales& scales) {
  std::string text = "harbinger features 2\n" + to_json(s) + '\n';
  auto append = [&text](double x) {
    char number_text[32];
    std::snprintf(number_text, sizeof number_text, "%.9g ", x);
    text += number_text;
  };
  for (double w : scales.windows_s) append(w);
  append(scales.horizon_s);
  append(scales.stale_after_s);
  return checksum64(text);
}

} // namespace harbinger::predict
