#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "predict/report.hpp"

namespace harbinger::predict {
namespace {

using json = nlohmann::ordered_json;

json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }

json interval(const figure& f) {
  return {{"value", number(f.value)}, {"low", number(f.low)}, {"high", number(f.high)}};
}

json fields(const std::vector<report_field>& all) {
  json out = json::object();
  for (const auto& f : all) out[f.label] = f.value;
  return out;
}

json points(const std::vector<curve_point>& curve) {
  json out = json::array();
  for (const auto& p : curve) out.push_back({number(p.x), number(p.y), number(p.threshold)});
  return out;
}

json bins(const std::vector<judged_bin>& all) {
  json out = json::array();
  for (const auto& b : all)
    out.push_back({{"from", number(b.from)},
                   {"to", number(b.to)},
                   {"said", number(b.said)},
                   {"came", interval(b.came)},
                   {"weight", number(b.weight)}});
  return out;
}

json series(const report_series& s) {
  json out{{"name", s.name}, {"unit", s.unit}, {"points", json::array()}};
  for (const auto& [time, value] : thinned(s.points))
    out["points"].push_back({time, number(value)});
  return out;
}

json cases(const std::vector<report_case>& all) {
  json out = json::array();
  for (size_t i = 0; i < std::min(all.size(), report_cases_max); ++i) {
    const auto& c = all[i];
    json one{{"node", c.machine.node},
             {"group", c.machine.group},
             {"note", c.machine.note},
             {c.failed ? "failure_ms" : "warned_ms", c.at_ms},
             {"peak_probability", number(c.peak_probability)},
             {"probability", series(c.probability)},
             {"traces", json::array()}};
    for (size_t t = 0; t < std::min(c.traces.size(), report_traces_max); ++t)
      one["traces"].push_back(series(c.traces[t]));
    out.push_back(std::move(one));
  }
  return out;
}

/// Evenly thinned at the limit, so that their distribution stays.
std::vector<double> lead_times(const std::vector<double>& all) {
  if (all.size() <= report_lead_times_max) return all;
  std::vector<double> out;
  for (size_t i = 0; i < report_lead_times_max; ++i)
    out.push_back(all[i * (all.size() - 1) / (report_lead_times_max - 1)]);
  return out;
}

json model(const report_model& m) {
  const auto& j = m.judged;
  json out{{"name", m.name}, {"chosen", m.chosen}, {"why", m.why}, {"figures", json::object()}};
  for (const auto& f : figures(j)) out["figures"][f.key] = interval(f.value);
  for (const auto& f : m.more) out["figures"][f.key] = interval(f.value);
  out["bootstrap"] = {
      {"replicates", j.replicates},
      {"unit", enum_names(resampling{})[static_cast<size_t>(j.asked.bootstrap.unit)]},
      {"units", j.units},
      {"units_with_failures", j.units_positive},
      {"seed", j.asked.bootstrap.seed}};
  out["roc"] = points(j.roc);
  out["pr"] = points(j.pr);
  out["reliability"] = bins(j.reliability);
  out["reliability_by_width"] = bins(j.reliability_by_width);
  out["lead_times_ms"] = lead_times(j.lead_times_ms);
  out["importances"] = json::array();
  for (const auto& i : m.importances)
    out["importances"].push_back({{"feature", i.feature}, {"value", number(i.value)}});
  out["worst_misses"] = cases(m.misses);
  out["worst_false_alarms"] = cases(m.false_alarms);
  return out;
}

} // namespace

std::string report_json(const report& r) {
  json out{{"title", r.title},         {"version", r.version},     {"command_line", r.command_line},
           {"seed", r.seed},           {"unix_time", r.unix_time}, {"data", fields(r.data)},
           {"split", fields(r.split)}, {"notes", r.notes},         {"models", json::array()}};
  for (const auto& m : r.models) out["models"].push_back(model(m));
  // Names come from files: bytes that are no UTF-8 are replaced rather than refused.
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

} // namespace harbinger::predict
