#include <cmath>

#include <nlohmann/json.hpp>

#include "simulate/report.hpp"

namespace harbinger::simulate {

namespace {

using json = nlohmann::ordered_json;

json number(const std::optional<double>& x) {
  return x && std::isfinite(*x) ? json(*x) : json(nullptr);
}

json samples(const std::optional<accounts>& a) {
  json out = json::array();
  if (!a) return out;
  for (const auto& s : a->samples)
    out.push_back({{"at_s", s.at_s},
                   {"zones", s.zones},
                   {"nodes_in_zones", s.nodes_in_zones},
                   {"nodes_down", s.nodes_down},
                   {"ready_copies", s.ready_copies},
                   {"copying", s.copying},
                   {"waiting", s.waiting},
                   {"short_of_replicas", s.short_of_replicas},
                   {"unserved", s.unserved},
                   {"copies_over_best", s.copies_over_best},
                   {"replicas_max_over_mean", s.replicas_max_over_mean}});
  return out;
}

} // namespace

std::string report_json(const report& r) {
  const auto& o = r.options;
  json out{{"version", r.version},
           {"command", r.command_line},
           {"seed", o.seed},
           {"nodes", o.site.nodes},
           {"partitions", o.site.partitions},
           {"replicas", o.site.replicas},
           {"days", o.days},
           {"failures_from", r.failures_from},
           {"predicted_by", r.predicted_by},
           {"events", r.events},
           {"recall", number(r.recall)},
           {"precision", number(r.precision)}};
  for (size_t c = 0; c < causes; ++c)
    out["failures"][enum_names(failure_cause{})[c]] = r.failures[c];
  out["cut"] = {{"all", number(r.cut())},
                {"failover", number(r.cut(outage_kind::failover))},
                {"all_lost", number(r.cut(outage_kind::all_lost))}};
  for (size_t c = 0; c < causes; ++c)
    out["cut"]["by"][enum_names(failure_cause{})[c]] = number(r.cut(static_cast<failure_cause>(c)));
  for (const auto& row : figures(r))
    out["figures"][row.key] = {
        {"unit", row.unit}, {"without", number(row.without)}, {"with", number(row.with)}};
  out["largest_outages"] = json::array();
  for (const auto& o : largest_outages(r))
    out["largest_outages"].push_back({{"event", o.event},
                                      {"cause", enum_names(o.cause)[static_cast<size_t>(o.cause)]},
                                      {"at_s", o.first_s},
                                      {"nodes", o.nodes},
                                      {"in_zones", o.in_zones},
                                      {"lead_s", o.lead_s},
                                      {"without_s", number(o.without)},
                                      {"with_s", number(o.with)}});
  out["samples"] = {{"without", samples(r.without)}, {"with", samples(r.with)}};
  return out.dump(1) + "\n";
}

} // namespace harbinger::simulate
