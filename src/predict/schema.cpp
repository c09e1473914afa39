#include "predict/schema.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/digest.hpp"

namespace harbinger::predict {
namespace {
using enum statistic;
constexpr std::array statistic_names{
    "level",     "mean",       "mean_mid", "deviation", "change", "change_short",
    "trend",     "peak",       "limit_in", "baseline",  "peers",  "count_short",
    "count_mid", "count_long", "since",    "kinds",     "value"};

struct plan_row {
  series_spec series;
  std::vector<statistic> statistics;
};

const std::vector<plan_row>& plan() {
  static const std::vector<plan_row> rows{
      {{"process.rss_ratio", 0.004},
       {level, deviation, change_short, change, peak, limit_in, baseline, peers}},
      {{"process.vsize_ratio", 0.004},
       {level, deviation, change_short, change, peak, limit_in, baseline, peers}},
      {{"process.fd_ratio", 0.002}, {level, limit_in, baseline}},
      {{"host.mem_used_ratio", 0.01}, {level, limit_in}},
      {{"host.cpu_busy_ratio", 0.05}, {mean}},
      {{"host.cpu_iowait_ratio", 0.02}, {mean}},
      {{"host.cpu_steal_ratio", 0.02}, {mean}},
      {{"host.psi_cpu_some", 0.02}, {mean}},
      {{"host.psi_memory_some", 0.01}, {mean}},
      {{"host.psi_io_some", 0.02}, {mean}},
      {{"host.tcp_retransmits", 1.0}, {baseline}},
      {{"process.cpu_s", 0.02}, {trend, baseline, peers}},
      {{"process.run_wait_s", 0.02}, {mean, baseline, peers}},
      {{"process.switches_forced", 10.0}, {baseline, peers}},
      {{"process.faults_minor", 50.0}, {baseline, peers}},
      {{"process.faults_major", 1.0}, {baseline}},
      {{"process.write_bytes", 50e3}, {baseline, peers}},
      {{"loop.lag_ratio", 0.05}, {mean, mean_mid, peak, baseline, peers}},
      {{"store.write_ms", 0.5}, {baseline, peers}},
      {{"store.queue", 1.0}, {baseline}},
      {{"net.rtt_ms_mean", 0.3}, {baseline, peers}},
      {{"net.rtt_ms_min", 0.2}, {baseline, peers}},
      {{"net.unanswered_ratio", 0.05}, {mean, mean_mid, peers}},
  };
  return rows;
}
} // namespace

const std::vector<series_spec>& series() {
  static const auto all = [] {
    std::vector<series_spec> out;
    for (const auto& row : plan()) out.push_back(row.series);
    return out;
  }();
  return all;
}

const std::vector<std::string_view>& events() {
  static const std::vector<std::string_view> all{
      "log.errors_io",     "log.errors_no_space",   "log.errors_timeout", "log.errors_checksum",
      "log.errors_memory", "log.errors_connection", "log.errors_other",   "log.warnings"};
  return all;
}

const std::vector<feature_spec>& features() {
  static const auto all = [] {
    std::vector<feature_spec> out;
    for (size_t i = 0; i < plan().size(); ++i)
      for (auto what : plan()[i].statistics) out.push_back({plan()[i].series.metric, what, i});
    for (size_t i = 0; i < events().size(); ++i) out.push_back({events()[i], count_mid, i});
    for (auto what : {count_short, count_mid, count_long, since, kinds})
      out.push_back({"log.errors", what, events().size()});
    for (size_t i = 0; i < 3; ++i) // missing share, gap between rows, age at scoring
      out.push_back({"input", value, i});
    return out;
  }();
  return all;
}

std::string feature_name(const feature_spec& feature) {
  static constexpr std::array inputs{"missing_share", "gap", "age"};
  std::string name{feature.metric};
  name += ' ';
  return name
         + (feature.what == value ? inputs.at(feature.series)
                                  : statistic_names.at(static_cast<size_t>(feature.what)));
}

time_scales make_scales(std::vector<double> windows_s, double horizon_s, double stale_after_s) {
  std::sort(windows_s.begin(), windows_s.end());
  if (windows_s.empty()) windows_s.push_back(60);
  while (windows_s.size() < 3) windows_s.push_back(windows_s.back() * 10);
  windows_s.resize(3);
  return {std::move(windows_s), horizon_s, stale_after_s};
}

uint64_t schema_hash(const time_scales& scales) {
  std::string text = "harbinger features 1\n";
  for (const auto& f : features()) {
    text += feature_name(f);
    char floor[32];
    std::snprintf(floor, sizeof floor, " %.9g\n",
                  f.series < series().size() ? series()[f.series].floor : 0.0);
    text += floor;
  }
  auto append = [&text](double x) {
    char number[32];
    std::snprintf(number, sizeof number, "%.9g ", x);
    text += number;
  };
  for (double w : scales.windows_s) append(w);
  append(scales.horizon_s);
  append(scales.stale_after_s);
  return checksum64(text);
}

} // namespace harbinger::predict
