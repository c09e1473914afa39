#include "predict/report.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace harbinger::predict {
namespace {

report_series track(const judged_rows& given, uint32_t machine, std::pair<int64_t, int64_t> span) {
  report_series out{"probability", "", {}};
  for (const auto& r : given.rows)
    if (r.machine == machine && r.time_ms >= span.first && r.time_ms <= span.second)
      out.points.emplace_back(r.time_ms, r.probability);
  std::sort(out.points.begin(), out.points.end());
  return out;
}

report_case made(const judged_rows& given, uint32_t machine, bool failed, int64_t at_ms,
                 double peak, int64_t horizon_ms) {
  report_case out{given.machines[machine], failed, at_ms, peak, {}, {}};
  out.probability = track(given, machine, shown_span(out, horizon_ms));
  return out;
}

} // namespace

std::vector<report_case> worst_misses(const judged_rows& given, const judgement& j, size_t count) {
  std::vector<report_case> out;
  for (size_t i = 0; i < std::min(count, j.missed.size()); ++i) {
    const auto& m = j.missed[i];
    out.push_back(
        made(given, m.machine, true, m.failure_ms, m.peak_probability, j.asked.horizon_ms));
  }
  return out;
}

std::vector<report_case> worst_false_alarms(const judged_rows& given, const judgement& j,
                                            size_t count) {
  std::vector<report_case> out;
  for (size_t i = 0; i < std::min(count, j.false_alarmed.size()); ++i) {
    const auto& a = j.false_alarmed[i];
    out.push_back(made(given, a.machine, false, a.from_ms, a.peak_probability, j.asked.horizon_ms));
  }
  return out;
}

std::pair<int64_t, int64_t> shown_span(const report_case& c, int64_t horizon_ms) {
  return {c.at_ms - 4 * horizon_ms, c.failed ? c.at_ms : c.at_ms + 2 * horizon_ms};
}

std::vector<std::pair<int64_t, double>>
thinned(const std::vector<std::pair<int64_t, double>>& points) {
  if (points.size() <= report_points_max) return points;
  constexpr size_t stretches = report_points_max / 2;
  std::vector<std::pair<int64_t, double>> out;
  for (size_t s = 0; s < stretches; ++s) {
    auto from = points.begin() + static_cast<ptrdiff_t>(s * points.size() / stretches);
    auto to = points.begin() + static_cast<ptrdiff_t>((s + 1) * points.size() / stretches);
    auto lowest = to, highest = to;
    for (auto p = from; p != to; ++p) {
      if (std::isnan(p->second)) continue;
      if (lowest == to || p->second < lowest->second) lowest = p;
      if (highest == to || p->second > highest->second) highest = p;
    }
    if (lowest == to) {
      out.push_back(*from);
      continue;
    }
    out.push_back(std::min(*lowest, *highest));
    if (lowest != highest) out.push_back(std::max(*lowest, *highest));
  }
  return out;
}

std::string time_text(int64_t time_ms, bool unix_time) {
  std::array<char, 64> out{};
  if (!unix_time) {
    std::snprintf(out.data(), out.size(), "day %.1f", static_cast<double>(time_ms) / 86'400'000);
    return out.data();
  }
  using namespace std::chrono;
  auto time = sys_time<milliseconds>(milliseconds(time_ms));
  auto midnight = floor<days>(time);
  year_month_day date(midnight);
  auto minutes_of_day = duration_cast<minutes>(time - midnight).count();
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02u %02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(minutes_of_day / 60), static_cast<int>(minutes_of_day % 60));
  return out.data();
}

std::string report_text(const report& r) {
  std::vector<std::vector<std::string>> columns(1 + r.models.size());
  columns[0].push_back("");
  auto add_row = [&](const std::string& label, size_t model, const std::string& value) {
    auto at = std::find(columns[0].begin() + 1, columns[0].end(), label);
    auto row = static_cast<size_t>(at - columns[0].begin());
    if (at == columns[0].end()) columns[0].push_back(label);
    columns[model + 1].resize(std::max(columns[model + 1].size(), row + 1), "-");
    columns[model + 1][row] = value;
  };
  for (size_t m = 0; m < r.models.size(); ++m) {
    columns[m + 1].push_back(r.models[m].name + (r.models[m].chosen ? " *" : ""));
    for (const auto& f : figures(r.models[m].judged))
      add_row(f.label, m, to_text(f.value, f.format));
    for (const auto& f : r.models[m].more) add_row(f.label, m, to_text(f.value, f.format));
  }
  std::string out = r.title + "\n\n";
  for (size_t row = 0; row < columns[0].size(); ++row) {
    std::string line;
    size_t edge = 0;
    for (const auto& column : columns) {
      line += row < column.size() ? column[row] : "-";
      size_t width = 0;
      for (const auto& cell : column) width = std::max(width, cell.size());
      line.resize(std::max(line.size(), edge += width + 2), ' ');
    }
    out += line.erase(line.find_last_not_of(' ') + 1) + "\n";
  }
  for (const auto& m : r.models)
    if (m.chosen) out += "\n* chosen" + (m.why.empty() ? "" : ": " + m.why) + "\n";
  for (const auto& note : r.notes) out += note + "\n";
  return out;
}

} // namespace harbinger::predict
