#include "predict/judged_examples.hpp"

#include <algorithm>
#include <map>

namespace harbinger::predict {
namespace {
constexpr size_t traces_shown = 4;

/// Of each metric that matters its first feature stands for the others.
std::vector<size_t> shown_features(const schema& of,
                                   const std::vector<report_importance>& weights) {
  std::vector<size_t> out;
  for (size_t k = 0; k < std::min(weights.size(), traces_shown); ++k) {
    auto it = std::find_if(of.features.begin(), of.features.end(),
                           [&](const auto& f) { return f.metric == weights[k].feature; });
    if (it != of.features.end()) out.push_back(static_cast<size_t>(it - of.features.begin()));
  }
  return out;
}

void add_traces(const history& from, const examples& rows, const std::vector<size_t>& features,
                int64_t horizon_ms, std::vector<report_case>& cases) {
  std::map<std::string, uint32_t> nodes;
  for (size_t n = 0; n < from.nodes.size(); ++n)
    nodes.emplace(from.nodes[n].id.value, static_cast<uint32_t>(n));
  for (auto& c : cases) {
    auto [begin, end] = shown_span(c, horizon_ms);
    auto node = nodes.at(c.machine.node);
    for (auto f : features) {
      report_series series{feature_name(*rows.schema, f), "", {}};
      for (size_t i = 0; i < rows.size(); ++i)
        if (rows.node[i] == node && rows.time_ms[i] >= begin && rows.time_ms[i] <= end)
          series.points.emplace_back(rows.time_ms[i], static_cast<double>(rows.row(i)[f]));
      c.traces.push_back(std::move(series));
    }
  }
}
} // namespace

judged_examples::judged_examples(const history& from, const dealing& d) {
  for (size_t n = 0; n < from.nodes.size(); ++n)
    rows.machines.push_back({from.nodes[n].id.value, d.machine[n], d.group[n]});
}

void judged_examples::add(const examples& of, size_t i, int64_t horizon_ms, double probability,
                          double score) {
  judged row;
  row.machine = of.node[i];
  row.label = of.label(i, horizon_ms).value();
  row.time_ms = of.time_ms[i];
  row.probability = probability;
  row.score = score;
  row.failure_in_ms = of.failure_in_ms[i];
  row.weight = static_cast<double>(of.weight[i]);
  rows.rows.push_back(row);
  example.push_back(i);
}

std::vector<report_field> data_fields(const history& from, const examples& rows) {
  return {{"history", from.name},
          {"source", from.source},
          {"nodes", std::to_string(from.nodes.size())},
          {"samples", std::to_string(from.samples.size())},
          {"events", std::to_string(from.events.size())},
          {"examples", std::to_string(rows.size())},
          {"features", std::to_string(rows.width())}};
}

named_figure innocent_figure(const history& from, const examples& rows, const judged_examples& of,
                             const std::string& note) {
  std::map<std::string, int64_t> first;
  std::vector<bool> fault(from.nodes.size());
  for (const auto& e : from.events) {
    if (e.what == happening::failure) fault[e.node] = true;
    if (e.what != happening::note || e.code != note) continue;
    auto [it, fresh] = first.emplace(from.nodes[e.node].fleet, e.time_ms);
    if (!fresh) it->second = std::min(it->second, e.time_ms);
  }
  judged_rows before;
  before.machines = of.rows.machines;
  for (size_t k = 0; k < of.rows.rows.size(); ++k) {
    auto row = of.rows.rows[k];
    auto it = first.find(from.nodes[rows.node[of.example[k]]].fleet);
    if (it == first.end() || row.time_ms >= it->second) continue;
    row.label = fault[row.machine];
    before.rows.push_back(row);
  }
  question q;
  q.horizon_ms = 1;
  q.bootstrap.replicates = 2;
  auto judged = judge(before, q);
  return {"roc_auc_before_" + note,
          "ROC-AUC before " + note,
          "ranks machines before their fault began; should be near 0.5",
          figure_format::share,
          {judged ? judged->roc_auc.value : undefined, undefined, undefined}};
}

void add_cases(const history& from, const examples& rows, const judged_rows& given,
               report_model& out) {
  auto features = shown_features(*rows.schema, out.importances);
  auto horizon_ms = out.judged.asked.horizon_ms;
  out.misses = worst_misses(given, out.judged);
  out.false_alarms = worst_false_alarms(given, out.judged);
  add_traces(from, rows, features, horizon_ms, out.misses);
  add_traces(from, rows, features, horizon_ms, out.false_alarms);
}

} // namespace harbinger::predict
