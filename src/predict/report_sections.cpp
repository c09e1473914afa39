#include "predict/report_sections.hpp"

#include <algorithm>
#include <cmath>

namespace harbinger::predict {
namespace {

std::string dim(const std::string& text) {
  return "<p class=\"dim\">" + escape_html(text) + "</p>\n";
}
std::string cell(const std::string& html) { return "<td class=\"n\">" + html + "</td>"; }

std::string figure_cell(const named_figure& f) {
  auto value = escape_html(to_text(f.value.value, f.format));
  if (std::isnan(f.value.value) || std::isnan(f.value.low) || std::isnan(f.value.high))
    return cell(value);
  return cell(value + "<small>" + to_text(f.value.low, f.format) + " to "
              + to_text(f.value.high, f.format) + "</small>");
}

/// Figures of all models by key, in the order in which they first come.
struct figure_row {
  named_figure first;
  std::vector<std::string> cells;
};
std::vector<figure_row> figure_rows(const std::vector<report_model>& models) {
  std::vector<figure_row> out;
  for (size_t m = 0; m < models.size(); ++m) {
    auto all = figures(models[m].judged);
    all.insert(all.end(), models[m].more.begin(), models[m].more.end());
    for (const auto& f : all) {
      auto row = std::find_if(out.begin(), out.end(),
                              [&](const auto& known) { return known.first.key == f.key; });
      if (row == out.end())
        row = out.insert(out.end(), {f, std::vector<std::string>(models.size(), cell("-"))});
      row->cells[m] = figure_cell(f);
    }
  }
  return out;
}

std::string heading_before(const std::string& key) {
  if (key == "horizon_ms") return "What was judged";
  if (key == "roc_auc") return "Ranking";
  if (key == "threshold") return "Warnings, row by row";
  if (key == "brier") return "Probabilities";
  if (key == "failures") return "Failures and machines";
  if (key == "warnings_held") return "Lead times";
  return {};
}

std::string head_row(const std::string& title, size_t columns) {
  return "<tr class=\"head\"><th colspan=\"" + std::to_string(columns) + "\">" + title
         + "</th></tr>\n";
}

std::string interval_note(const std::vector<report_model>& models) {
  if (models.empty()) return dim("No model was judged.");
  const auto& j = models.front().judged;
  const bool groups = j.asked.bootstrap.unit == resampling::groups;
  std::string unit = groups ? "groups" : "machines";
  if (j.units < 2)
    return dim("No intervals: they need two " + unit + " at least, and there is "
               + std::to_string(j.units) + ".");
  return dim("Small figures: 95 % intervals by resampling "
             + to_text(static_cast<double>(j.units), figure_format::count) + " " + unit
             + " (not rows) " + std::to_string(j.replicates) + " times, seed "
             + std::to_string(j.asked.bootstrap.seed) + ". "
             + to_text(static_cast<double>(j.units_positive), figure_format::count)
             + " of them had a failure ahead"
             + (j.units_positive < 10 ? ": few, so the intervals are rough." : "."));
}

/// A unit in which durations up to `ms` read well.
std::pair<double, std::string> duration_unit(double ms) {
  if (ms >= 2 * 86'400'000.0) return {86'400'000.0, "days"};
  if (ms >= 2 * 3'600'000.0) return {3'600'000.0, "hours"};
  if (ms >= 2 * 60'000.0) return {60'000.0, "minutes"};
  return {1000.0, "seconds"};
}

chart rate_chart(std::string title, std::string x, std::string y) {
  chart c;
  c.title = std::move(title);
  c.x = linear_axis(0, 1, std::move(x), 5);
  c.y = linear_axis(0, 1, std::move(y), 5);
  c.width = 460;
  c.height = 380;
  return c;
}

chart_line curve_line(const std::vector<curve_point>& points, size_t colour) {
  chart_line out{{}, static_cast<int>(colour % 6), false};
  for (const auto& p : points) out.points.emplace_back(p.x, p.y);
  return out;
}

/// Where most probabilities are small beside the highest, the diagram is drawn in decades.
bool in_decades(const std::vector<judged_bin>& bins) {
  const auto& middle = bins[bins.size() / 2];
  return middle.said > 0 && middle.said < 0.1 * bins.back().said;
}

chart reliability_chart(const std::vector<judged_bin>& bins) {
  const bool decades = in_decades(bins);
  double high = 0, low = 1;
  for (const auto& b : bins) {
    high = std::max({high, b.said, b.came.value, std::isnan(b.came.high) ? 0 : b.came.high});
    if (b.said > 0) low = std::min(low, b.said);
    if (b.came.value > 0) low = std::min(low, b.came.value);
  }
  high = std::min(1.0, high * 1.08);
  const double floor = std::log10(std::max(low, 1e-6)) - 0.3;
  auto at = [&](double v) { return !decades ? v : v > 0 ? std::max(floor, std::log10(v)) : floor; };
  chart c;
  c.title =
      decades ? "What was said and what came (decades, 0 below)" : "What was said and what came";
  auto make = [&](const char* label) {
    return decades ? decade_axis(floor, std::log10(high) + 0.1, label)
                   : linear_axis(0, high > 0 ? high : 1, label, 5);
  };
  c.x = make("said: mean probability");
  c.y = make("came: share that failed");
  c.diagonal = true;
  c.width = 460;
  c.height = 380;
  for (const auto& b : bins)
    c.dots.push_back({at(b.said), at(b.came.value),
                      std::isnan(b.came.low) ? undefined : at(b.came.low),
                      std::isnan(b.came.high) ? undefined : at(b.came.high)});
  return c;
}

chart count_chart(const std::vector<judged_bin>& bins) {
  chart c;
  c.title = "Rows by probability (in decades)";
  c.x = linear_axis(0, 1, "probability", 5);
  double most = 0;
  for (const auto& b : bins) most = std::max(most, std::log10(std::max(b.weight, 1.0)));
  c.y = decade_axis(-0.3, most + 0.2, "rows");
  for (const auto& b : bins) c.bars.push_back({b.from, b.to, std::log10(std::max(b.weight, 1.0))});
  c.width = 460;
  c.height = 380;
  return c;
}

std::string bin_table(const std::vector<judged_bin>& bins, const std::string& title) {
  using enum figure_format;
  std::string out = "<details><summary>" + title
                    + "</summary><div class=\"wide\"><table><tr><th class=\"n\">from</th><th "
                      "class=\"n\">to</th><th class=\"n\">said</th><th class=\"n\">came</th>"
                      "<th class=\"n\">rows</th></tr>\n";
  for (const auto& b : bins)
    out += "<tr>" + cell(to_text(b.from, small)) + cell(to_text(b.to, small))
           + cell(to_text(b.said, small)) + cell(to_text(b.came, small))
           + cell(to_text(b.weight, count)) + "</tr>\n";
  return out + "</table></div></details>\n";
}

/// Against the moment the case is about.
chart trace_chart(const report_series& s, const report_case& c, const judgement& j, bool last) {
  auto span = shown_span(c, j.asked.horizon_ms);
  const auto [unit, unit_name] = duration_unit(static_cast<double>(j.asked.horizon_ms));
  auto at = [&, unit = unit](int64_t ms) { return static_cast<double>(ms - c.at_ms) / unit; };
  chart out;
  out.width = 370;
  out.height = last ? 172 : 140;
  out.title = s.unit.empty() ? s.name : s.name + " (" + s.unit + ")";
  out.x = linear_axis(at(span.first), at(span.second), "", 6);
  chart_line l{{}, last ? 1 : 0, false};
  double low = INFINITY, high = -INFINITY;
  for (const auto& [ms, value] : thinned(s.points)) {
    if (ms < span.first || ms > span.second) continue;
    l.points.emplace_back(at(ms), value);
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (last) {
    low = 0;
    high = std::min(1.0, std::max({high, j.asked.threshold, 1e-6}) * 1.15);
    out.horizontal.push_back(j.asked.threshold);
    out.x.label = unit_name + (c.failed ? " from the failure" : " from the warning");
  }
  const double margin = last || !(high > low) ? 0 : 0.06 * (high - low);
  out.y = linear_axis(low - margin, high + margin, "", 4);
  out.vertical.push_back(0);
  if (c.failed) out.vertical.push_back(at(c.at_ms - j.asked.horizon_ms));
  out.lines.push_back(std::move(l));
  return out;
}

std::string case_block(const report_case& c, const judgement& j, bool unix_time) {
  using enum figure_format;
  std::string name = escape_html(c.machine.node);
  if (!c.machine.group.empty())
    name += " <span class=\"dim\">of</span> " + escape_html(c.machine.group);
  std::string out = "<div class=\"case\"><h4>" + name + "</h4>\n";
  std::string what = c.failed
                         ? "Failed " + time_text(c.at_ms, unix_time)
                               + "; highest probability within the horizon before: "
                         : "Warned from " + time_text(c.at_ms, unix_time)
                               + " on without a failure within the horizon; highest probability: ";
  what += to_text(c.peak_probability, small) + " (threshold " + to_text(j.asked.threshold, small)
          + ").";
  if (!c.machine.note.empty()) what += " " + c.machine.note + ".";
  out += dim(what) + "<div class=\"row tight\">";
  for (size_t i = 0; i < std::min(c.traces.size(), report_traces_max); ++i)
    out += to_svg(trace_chart(c.traces[i], c, j, false));
  out += to_svg(trace_chart(c.probability, c, j, true)) + "</div>";
  if (c.traces.size() > report_traces_max)
    out += dim("And " + std::to_string(c.traces.size() - report_traces_max) + " more traces.");
  return out + "</div>\n";
}

} // namespace

std::string figure_section(const std::vector<report_model>& models) {
  const size_t columns = models.size() + 2;
  std::string out = interval_note(models) + "<div class=\"wide\"><table><tr><th></th>";
  for (const auto& m : models)
    out += "<th class=\"n\">" + escape_html(m.name)
           + (m.chosen ? "<span class=\"tag\">chosen</span>" : "") + "</th>";
  out += "<th></th></tr>\n";
  const size_t own = figures({}).size();
  auto rows = figure_rows(models);
  for (size_t i = 0; i < rows.size(); ++i) {
    auto heading = i == own ? std::string("Further figures") : heading_before(rows[i].first.key);
    if (!heading.empty()) out += head_row(heading, columns);
    out += "<tr><th>" + escape_html(rows[i].first.label) + "</th>";
    for (const auto& c : rows[i].cells) out += c;
    out += "<td class=\"what\">" + escape_html(rows[i].first.meaning) + "</td></tr>\n";
  }
  return out + "</table></div>\n";
}

std::string curve_section(const std::vector<report_model>& models) {
  auto roc = rate_chart("ROC", "false positive rate", "recall");
  auto pr = rate_chart("Precision and recall", "recall", "precision");
  roc.diagonal = true;
  std::string key = "<p class=\"key\">", lacking;
  for (size_t m = 0; m < models.size(); ++m) {
    const auto& j = models[m].judged;
    auto name = escape_html(models[m].name);
    key += "<span><i class=\"c" + std::to_string(m % 6) + "\"></i>" + name + "</span>";
    if (j.roc.empty())
      lacking += "<p class=\"dim\">The curves of " + name
                 + " are not defined: the rows are of one class only.</p>\n";
    roc.lines.push_back(curve_line(j.roc, m));
    pr.lines.push_back(curve_line(j.pr, m));
    if (m == 0 && std::isfinite(j.base_rate)) pr.horizontal.push_back(j.base_rate);
  }
  return key + "</p>\n<div class=\"row\">" + to_svg(roc) + to_svg(pr) + "</div>\n" + lacking
         + dim("Dashed: guessing (the diagonal; the base rate). Both are of the rows' weights.");
}

std::string reliability_section(const judgement& j) {
  if (j.reliability.empty()) return dim("Not defined: there are no rows.");
  return "<div class=\"row\">" + to_svg(reliability_chart(j.reliability))
         + to_svg(count_chart(j.reliability_by_width)) + "</div>\n"
         + dim("Left: bins of equal mass, with intervals; on the dashed line what was said came. "
               "Right: all rows, in bins of equal width.")
         + bin_table(j.reliability, "Bins of equal mass")
         + bin_table(j.reliability_by_width, "Bins of equal width");
}

std::string lead_section(const judgement& j) {
  if (j.lead_times_ms.empty())
    return dim("Not defined: no warning held until a failure. Failures: "
               + std::to_string(j.failures) + ", warned of: " + std::to_string(j.failures_warned)
               + ".");
  const auto horizon = static_cast<double>(j.asked.horizon_ms);
  const auto [unit, unit_name] = duration_unit(horizon);
  constexpr size_t bars = 20;
  // Later than twice the horizon is one bar: a warning that never ends says little.
  const double end = j.lead_times_ms.back() > horizon * 1.001 ? 2 * horizon : horizon;
  std::vector<double> counts(bars);
  size_t beyond = 0;
  for (double ms : j.lead_times_ms) {
    beyond += ms > end;
    counts[std::min(bars - 1, static_cast<size_t>(ms / end * static_cast<double>(bars)))] += 1;
  }
  chart c;
  c.title = "Warnings that held, by lead time";
  c.width = 640;
  c.height = 260;
  c.x = linear_axis(0, end / unit, unit_name + " before the failure", 8);
  c.y = linear_axis(0, *std::max_element(counts.begin(), counts.end()) * 1.08, "failures", 5);
  for (size_t i = 0; i < bars; ++i)
    c.bars.push_back({end / unit * static_cast<double>(i) / bars,
                      end / unit * static_cast<double>(i + 1) / bars, counts[i]});
  c.vertical.push_back(horizon / unit);
  return to_svg(c)
         + dim("Dashed: the horizon. Of " + std::to_string(j.failures) + " failures "
               + std::to_string(j.failures_warned) + " were warned of, and "
               + std::to_string(j.warnings_held) + " warnings held until the failure."
               + (beyond ? " The last bar holds " + std::to_string(beyond)
                               + " that began more than two horizons before."
                         : ""));
}

std::string importance_section(std::vector<report_importance> all) {
  if (all.empty()) return dim("No importances were given.");
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::abs(a.value) > std::abs(b.value);
  });
  const double most = std::abs(all.front().value);
  std::string out = "<div class=\"wide\"><table>\n";
  for (size_t i = 0; i < std::min(all.size(), report_importances_max); ++i) {
    double share = most > 0 ? std::abs(all[i].value) / most : 0;
    out += "<tr><td>" + escape_html(all[i].feature)
           + "</td><td><svg width=\"260\" height=\"12\" role=\"img\" aria-label=\"share of the "
             "largest\"><rect class=\"bar\" width=\""
           + to_text(260 * share, figure_format::share) + "\" height=\"12\"/></svg></td>"
           + cell(to_text(all[i].value, figure_format::small)) + "</tr>\n";
  }
  out += "</table></div>\n";
  if (all.size() > report_importances_max)
    out += dim("And " + std::to_string(all.size() - report_importances_max) + " smaller ones.");
  return out;
}

std::string case_section(const std::vector<report_case>& cases, const judgement& j, bool unix_time,
                         const std::string& none) {
  if (cases.empty()) return dim(none);
  std::string out;
  for (size_t i = 0; i < std::min(cases.size(), report_cases_max); ++i)
    out += case_block(cases[i], j, unix_time);
  if (cases.size() > report_cases_max)
    out += dim("And " + std::to_string(cases.size() - report_cases_max) + " more.");
  return out;
}

} // namespace harbinger::predict
