#include "predict/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include <nlohmann/json.hpp>

namespace harbinger::predict {
namespace {

/// Both areas in one sweep from the highest probability down; ties go together.
void areas(std::vector<judged_row>& rows, evaluation& out) {
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.probability > b.probability; });
  double positive = 0, negative = 0;
  for (const auto& r : rows) (r.label ? positive : negative) += r.weight;
  out.base_rate = positive / (positive + negative);
  out.roc_auc = out.pr_auc = std::numeric_limits<double>::quiet_NaN();
  if (!(positive > 0) || !(negative > 0)) return;
  double hits = 0, alarms = 0, roc = 0, pr = 0;
  for (size_t i = 0; i < rows.size();) {
    double tied_hits = 0, tied_alarms = 0;
    for (double p = rows[i].probability; i < rows.size() && rows[i].probability == p; ++i)
      (rows[i].label ? tied_hits : tied_alarms) += rows[i].weight;
    roc += tied_alarms * (hits + tied_hits / 2);
    hits += tied_hits;
    alarms += tied_alarms;
    pr += tied_hits / positive * (hits / (hits + alarms)); // average precision
  }
  out.roc_auc = roc / (positive * negative);
  out.pr_auc = pr;
}

struct track {
  std::vector<std::pair<int64_t, double>> points; ///< time, probability
};

/// Times of warnings: the second of two rows in a row above the threshold, while it stays above.
std::vector<std::pair<int64_t, int64_t>> warnings(const track& t, double threshold) {
  std::vector<std::pair<int64_t, int64_t>> out; // from, until
  size_t above = 0;
  for (const auto& [time, p] : t.points) {
    above = p >= threshold ? above + 1 : 0;
    if (above == 2) out.emplace_back(time, time);
    if (above > 2) out.back().second = time;
  }
  return out;
}
} // namespace

evaluation evaluate_by_run(std::vector<judged_row> rows,
                           const std::map<std::string, run_outcome>& outcomes, double horizon_s,
                           double threshold) {
  evaluation out;
  out.rows = rows.size();
  if (rows.empty()) return out;
  std::map<std::string, std::map<node_id, track>> tracks;
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a.run, a.node, a.time_ms) < std::tie(b.run, b.node, b.time_ms);
  });
  double squares = 0, weights = 0;
  for (const auto& r : rows) {
    out.positives += r.label;
    squares += r.weight * std::pow(r.probability - r.label, 2);
    weights += r.weight;
    tracks[r.run][r.node].points.emplace_back(r.time_ms, r.probability);
  }
  out.brier = squares / weights;

  std::vector<double> leads;
  size_t deaths = 0, warned = 0;
  for (const auto& [name, nodes] : tracks) {
    run_verdict v;
    v.run = name;
    run_outcome outcome;
    if (auto known = outcomes.find(name); known != outcomes.end()) outcome = known->second;
    v.trouble = outcome.trouble;
    v.node = outcome.node;
    v.died = outcome.death_ms.has_value();
    for (const auto& [node, t] : nodes) {
      auto spans = warnings(t, threshold);
      bool dies = v.died && node == outcome.node;
      bool false_alarm = false;
      for (const auto& [from, until] : spans) {
        bool in_time = dies && static_cast<double>(*outcome.death_ms - until) <= 1000 * horizon_s;
        false_alarm |= !in_time;
        if (!in_time || v.warned) continue;
        v.warned = true;
        v.lead_s = static_cast<double>(*outcome.death_ms - from) / 1000;
      }
      v.false_alarms += false_alarm;
    }
    deaths += v.died;
    warned += v.warned;
    if (v.lead_s) leads.push_back(*v.lead_s);
    out.false_alarms_per_run += static_cast<double>(v.false_alarms);
    out.runs.push_back(std::move(v));
  }
  out.false_alarms_per_run /= static_cast<double>(out.runs.size());
  out.event_recall = deaths ? static_cast<double>(warned) / static_cast<double>(deaths) : 0;
  std::sort(leads.begin(), leads.end());
  if (!leads.empty()) out.lead_median_s = leads[leads.size() / 2];
  areas(rows, out);
  return out;
}

std::string to_json(const evaluation& e) {
  auto number = [](double x) {
    return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json out{{"rows", e.rows},
                             {"positives", e.positives},
                             {"base_rate", number(e.base_rate)},
                             {"roc_auc", number(e.roc_auc)},
                             {"pr_auc", number(e.pr_auc)},
                             {"brier", number(e.brier)},
                             {"event_recall", number(e.event_recall)},
                             {"lead_median_s", number(e.lead_median_s)},
                             {"false_alarms_per_run", number(e.false_alarms_per_run)},
                             {"runs", nlohmann::ordered_json::array()}};
  for (const auto& r : e.runs)
    out["runs"].push_back(
        {{"run", r.run},
         {"trouble", r.trouble},
         {"node", r.node.value},
         {"died", r.died},
         {"warned", r.warned},
         {"lead_s", r.lead_s ? nlohmann::ordered_json(*r.lead_s) : nlohmann::ordered_json(nullptr)},
         {"false_alarms", r.false_alarms}});
  return out.dump(1);
}

} // namespace harbinger::predict
