#include "predict/report_html.hpp"

#include <algorithm>
#include <cmath>

#include "predict/page.hpp"
#include "predict/report_sections.hpp"

namespace harbinger::predict {
namespace {

std::string paragraph(const std::string& text, const char* kind = "") {
  return "<p" + std::string(*kind ? " class=\"" : "") + kind + (*kind ? "\"" : "") + ">"
         + escape_html(text) + "</p>\n";
}

std::string list(const std::vector<report_field>& fields) {
  if (fields.empty()) return paragraph("Not described.", "dim");
  std::string out = "<dl>";
  for (const auto& f : fields)
    out += "<dt>" + escape_html(f.label) + "</dt><dd>" + escape_html(f.value) + "</dd>\n";
  return out + "</dl>\n";
}

std::string model_section(const report_model& m, const report& r) {
  const auto& j = m.judged;
  std::string out = "<h2>" + escape_html(m.name)
                    + (m.chosen ? "<span class=\"tag\">chosen</span>" : "") + "</h2>\n";
  if (!m.why.empty()) out += paragraph(m.why);
  out += "<h3>Reliability</h3>\n" + reliability_section(j);
  out += "<h3>Lead times</h3>\n" + lead_section(j);
  out += "<h3>What it looks at</h3>\n" + importance_section(m.importances);
  out += "<h3>Worst misses</h3>\n";
  out += case_section(m.misses, j, r.unix_time,
                      j.failures == 0                   ? "There was no failure to miss."
                      : j.failures_warned == j.failures ? "No failure was missed."
                                                        : "None given.");
  out += "<h3>Worst false alarms</h3>\n";
  out += case_section(m.false_alarms, j, r.unix_time,
                      j.false_alarms > 0 ? "None given." : "There was no false alarm.");
  return out;
}

} // namespace

std::string report_html(const report& r) {
  std::string out;
  for (const auto& m : r.models)
    if (m.chosen) out += paragraph("Chosen: " + m.name + ". " + m.why);
  for (const auto& note : r.notes) out += paragraph(note);
  out += "<h2>Figures</h2>\n" + figure_section(r.models);
  out += "<h2>Curves</h2>\n" + curve_section(r.models);
  for (const auto& m : r.models) out += model_section(m, r);
  out += "<h2>Data</h2>\n" + list(r.data);
  out += "<h2>Split</h2>\n" + list(r.split);
  out += "<h2>How this was made</h2>\n<dl><dt>command</dt><dd><code>" + escape_html(r.command_line)
         + "</code></dd>\n<dt>seed</dt><dd>" + std::to_string(r.seed)
         + "</dd>\n<dt>Harbinger</dt><dd>" + escape_html(r.version) + "</dd></dl>\n";
  return page(r.title, out);
}

} // namespace harbinger::predict
