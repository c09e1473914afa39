#include <algorithm>
#include <cmath>
#include <functional>

#include "predict/charts.hpp"
#include "predict/page.hpp"
#include "simulate/report.hpp"

namespace harbinger::simulate {

namespace {

using predict::escape_html;

constexpr size_t points_most = 1500; ///< of a line; more are thinned evenly
constexpr double day_s = 86'400;

std::string table(const report& r) {
  std::string out = "<div class=\"wide\"><table>\n", section;
  for (const auto& row : figures(r)) {
    if (row.section != section) {
      out += "<tr class=\"head\"><th>" + escape_html(row.section) + "</th>";
      if (r.without) out += "<th class=\"n\">without</th>";
      if (r.with) out += "<th class=\"n\">with</th>";
      out += "</tr>\n";
      section = row.section;
    }
    auto indent = row.label.find_first_not_of(' ');
    out += "<tr><td style=\"padding-left:" + std::to_string(indent * 8) + "px\">"
           + escape_html(row.label.substr(indent)) + "</td>";
    for (const auto& value : {row.without, row.with})
      if (value) out += "<td class=\"n\">" + to_text(*value, row.unit) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

using reader = std::function<double(const sample&)>;

std::string plot(const report& r, const std::string& title, const reader& value) {
  predict::chart c;
  c.title = title;
  c.width = 580;
  c.height = 260;
  double most = 0;
  int colour = 0;
  for (const auto* side : {&r.without, &r.with}) {
    int mine = colour++;
    if (!*side) continue;
    predict::chart_line line;
    line.colour = mine;
    line.steps = true;
    const auto& all = (*side)->samples;
    auto step = all.size() / points_most + 1;
    for (size_t i = 0; i < all.size(); i += step) {
      line.points.emplace_back(all[i].at_s / day_s, value(all[i]));
      most = std::max(most, value(all[i]));
    }
    c.lines.push_back(std::move(line));
  }
  c.x = predict::linear_axis(0, r.options.days, "days");
  c.y = predict::linear_axis(0, most > 0 ? most * 1.05 : 1, "");
  return predict::to_svg(c);
}

std::string plots(const report& r) {
  std::string out = "<p class=\"key\"><span><i class=\"c0\"></i>without</span><span><i "
                    "class=\"c1\"></i>with</span></p>\n<div class=\"row\">\n";
  out += plot(r, "nodes down", [](const sample& s) { return s.nodes_down; });
  out += plot(r, "nodes in zones", [](const sample& s) { return s.nodes_in_zones; });
  out += plot(r, "partitions with a member missing",
              [](const sample& s) { return static_cast<double>(s.short_of_replicas); });
  out += plot(r, "partitions not served",
              [](const sample& s) { return static_cast<double>(s.unserved); });
  out += plot(r, "copies that stand",
              [](const sample& s) { return static_cast<double>(s.ready_copies); });
  out += plot(r, "copies that wait for their turn",
              [](const sample& s) { return static_cast<double>(s.waiting); });
  out += plot(r, "copies on the fullest safe node, over the best possible",
              [](const sample& s) { return s.copies_over_best; });
  out += plot(r, "members on a node, largest over mean",
              [](const sample& s) { return s.replicas_max_over_mean; });
  return out + "</div>\n";
}

/// Partition-seconds that have accrued by cause, as bars beside each other.
std::string by_cause(const report& r) {
  std::string out = "<div class=\"wide\"><table>\n<tr class=\"head\"><th>cause</th>"
                    "<th class=\"n\">node failures</th>";
  for (const auto* name : {"without", "with"})
    out += "<th class=\"n\">until a member took over, " + std::string(name)
           + "</th><th class=\"n\">all members gone, " + name + "</th>";
  out += "<th class=\"n\">cut</th></tr>\n";
  for (size_t c = 0; c < causes; ++c) {
    auto cause = static_cast<failure_cause>(c);
    out += "<tr><td>" + std::string(enum_names(cause)[c]) + "</td><td class=\"n\">"
           + to_text(static_cast<double>(r.failures[c]), "") + "</td>";
    for (const auto* side : {&r.without, &r.with})
      for (auto kind : {outage_kind::failover, outage_kind::all_lost})
        out += "<td class=\"n\">"
               + (*side ? to_text((*side)->of(cause, kind).seconds, "s") : std::string("-"))
               + "</td>";
    auto cut = r.cut(cause);
    out += "<td class=\"n\">" + (cut ? to_text(100 * *cut, "%") + " %" : std::string("-"))
           + "</td></tr>\n";
  }
  return out + "</table></div>\n";
}

std::string outages(const report& r) {
  std::string out = "<div class=\"wide\"><table>\n<tr class=\"head\"><th>cause</th>";
  for (const auto* name : {"day", "nodes", "in a zone", "for, min", "without", "with"})
    out += "<th class=\"n\">" + std::string(name) + "</th>";
  out += "</tr>\n";
  auto cell = [&](const std::string& text) { out += "<td class=\"n\">" + text + "</td>"; };
  auto seconds = [](const std::optional<double>& x) { return x ? to_text(*x, "s") : "-"; };
  for (const auto& o : largest_outages(r)) {
    out += "<tr><td>" + std::string(enum_names(o.cause)[static_cast<size_t>(o.cause)]) + "</td>";
    cell(to_text(o.first_s / day_s, ""));
    cell(to_text(o.nodes, ""));
    cell(r.with ? to_text(o.in_zones, "") : "-");
    cell(o.in_zones > 0 ? to_text(std::round(o.lead_s / 6) / 10, "") : "-");
    cell(seconds(o.without));
    cell(seconds(o.with));
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

} // namespace

std::string report_html(const report& r) {
  auto say = [](const std::string& text) { return "<p>" + escape_html(text) + "</p>\n"; };
  std::string body;
  auto text = report_text(r);
  body += say(text.substr(0, text.find('\n')));
  body += say("Failures: " + r.failures_from + ". Predictor: " + r.predicted_by + ".");
  if (auto cut = r.cut())
    body += say("Unavailability is cut by " + to_text(100 * *cut, "%") + " %.");
  for (const auto& note : r.notes) body += say(note);
  body += "<h2>By cause</h2>\n" + by_cause(r);
  body += "<h2>The largest outages</h2>\n" + outages(r);
  body += "<h2>Over time</h2>\n" + plots(r);
  body += "<h2>Figures</h2>\n" + table(r);
  body += "<h2>How this was made</h2>\n<dl><dt>command</dt><dd><code>" + escape_html(r.command_line)
          + "</code></dd>\n<dt>seed</dt><dd>" + std::to_string(r.options.seed)
          + "</dd>\n<dt>Harbinger</dt><dd>" + escape_html(r.version) + "</dd></dl>\n";
  return predict::page("A simulated cluster with and without Harbinger", body);
}

} // namespace harbinger::simulate
