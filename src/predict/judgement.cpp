#include "predict/judgement.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "predict/alarms.hpp"
#include "predict/bootstrap.hpp"
#include "predict/ranking.hpp"

namespace harbinger::predict {
namespace {

constexpr double month_ms = 30.0 * 86'400'000;

std::string complaint(const judged& r, size_t machines) {
  if (std::isnan(r.probability)) return "the probability is not a number";
  if (!(r.probability >= 0 && r.probability <= 1)) return "the probability is outside 0..1";
  if (std::isinf(r.score)) return "the score is not finite";
  if (r.label > 1) return "the label is neither 0 nor 1";
  if (r.machine >= machines) return "there is no such machine";
  if (!(r.weight >= 0) || std::isinf(r.weight)) return "the weight is not a number from 0 on";
  if (r.failure_in_ms < -1) return "the time to the failure is negative";
  return {};
}

result<> check(const judged_rows& given) {
  if (given.rows.size() > judged_rows_max)
    return fail(errc::oversize, std::to_string(given.rows.size()) + " rows; at most "
                                    + std::to_string(judged_rows_max));
  for (size_t i = 0; i < given.rows.size(); ++i)
    if (auto wrong = complaint(given.rows[i], given.machines.size()); !wrong.empty())
      return fail(errc::invalid_argument, "row " + std::to_string(i) + ": " + wrong);
  return {};
}

result<> check(const question& q) {
  if (q.horizon_ms <= 0) return fail(errc::invalid_argument, "the horizon must be positive");
  if (std::isnan(q.threshold)) return fail(errc::invalid_argument, "the threshold is no number");
  if (!std::isnan(q.base_rate) && !(q.base_rate >= 0 && q.base_rate <= 1))
    return fail(errc::invalid_argument, "the base rate is outside 0..1");
  if (q.step_ms < 0) return fail(errc::invalid_argument, "a negative step");
  if (q.bins == 0 || q.bins > reliability_bins_max)
    return fail(errc::invalid_argument,
                "bins must be 1 to " + std::to_string(reliability_bins_max));
  if (q.bootstrap.replicates > bootstrap_replicates_max)
    return fail(errc::oversize,
                "at most " + std::to_string(bootstrap_replicates_max) + " replicates");
  return {};
}

/// What a unit adds to the figures of warnings.
struct unit_events {
  double failures = 0, warned = 0, false_alarms = 0, months = 0;
};
struct event_sums {
  std::vector<unit_events> units;
  std::vector<std::pair<double, uint32_t>> leads; ///< ms, unit; ascending
};

event_sums sum_events(const alarm_record& record, const unit_map& units) {
  event_sums out;
  out.units.resize(units.count);
  for (const auto& f : record.failures) {
    auto& u = out.units[units.of[f.machine]];
    u.failures += 1;
    u.warned += f.warned;
    if (f.lead_ms) out.leads.emplace_back(static_cast<double>(*f.lead_ms), units.of[f.machine]);
  }
  for (const auto& a : record.false_alarms) out.units[units.of[a.machine]].false_alarms += a.weight;
  for (size_t i = 0; i < record.watched_ms.size(); ++i)
    if (record.watched_ms[i] > 0) out.units[units.of[i]].months += record.watched_ms[i] / month_ms;
  std::sort(out.leads.begin(), out.leads.end());
  return out;
}

double weighted_median(const std::vector<std::pair<double, uint32_t>>& leads,
                       std::span<const double> multiplicity) {
  std::vector<double> drawn;
  for (const auto& [ms, unit] : leads)
    drawn.insert(drawn.end(), static_cast<size_t>(multiplicity[unit]), ms);
  return quantile(drawn, 0.5);
}

/// All figures with intervals in the order in which `take` hands them out.
std::vector<double> all_figures(const ranking& ranked, const event_sums& events, const question& q,
                                std::span<const double> multiplicity) {
  std::vector<bin_sum> bins;
  auto r = ranked.measure(q.threshold, q.base_rate, multiplicity, &bins);
  unit_events e;
  for (size_t i = 0; i < multiplicity.size(); ++i) {
    e.failures += multiplicity[i] * events.units[i].failures;
    e.warned += multiplicity[i] * events.units[i].warned;
    e.false_alarms += multiplicity[i] * events.units[i].false_alarms;
    e.months += multiplicity[i] * events.units[i].months;
  }
  std::vector<double> out{
      r.roc_auc,
      r.pr_auc,
      r.precision,
      r.recall,
      r.f1,
      r.brier,
      r.base_brier,
      r.skill,
      r.calibration_error,
      r.calibration_error_by_width,
      e.failures > 0 ? e.warned / e.failures : undefined,
      e.months > 0 ? e.false_alarms / e.months : undefined,
      weighted_median(events.leads, multiplicity),
  };
  for (const auto& b : bins) out.push_back(b.weight > 0 ? b.came / b.weight : undefined);
  return out;
}

void take(judgement& j, const std::vector<figure>& all) {
  size_t i = 0;
  for (figure* f : {&j.roc_auc, &j.pr_auc, &j.precision, &j.recall, &j.f1, &j.brier, &j.base_brier,
                    &j.skill, &j.calibration_error, &j.calibration_error_by_width, &j.event_recall,
                    &j.false_alarms_per_month, &j.lead_median_ms})
    *f = all[i++];
  // The figures know the bins from the highest down, the page from the lowest up.
  for (size_t bin = j.reliability.size(); bin-- > 0;) j.reliability[bin].came = all[i++];
}

void count(judgement& j, const judged_rows& given, const unit_map& units) {
  std::vector<bool> seen(given.machines.size());
  std::vector<bool> positive(units.count);
  for (const auto& r : given.rows) {
    if (!(r.weight > 0)) continue;
    ++j.rows;
    j.positives += r.label;
    if (r.label) positive[units.of[r.machine]] = true;
    seen[r.machine] = true;
  }
  std::set<std::string> groups, nodes;
  for (size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) {
      nodes.insert(given.machines[i].node);
      groups.insert(given.machines[i].group);
    }
  j.machines = nodes.size();
  j.groups = groups.size();
  j.units = units.count;
  j.units_positive = static_cast<uint64_t>(std::count(positive.begin(), positive.end(), true));
}

void count_events(judgement& j, const alarm_record& record, const event_sums& events) {
  std::map<uint32_t, bool> machines;
  for (const auto& f : record.failures) {
    ++j.failures;
    j.failures_warned += f.warned;
    machines[f.machine] = machines[f.machine] || f.warned;
  }
  j.failing_machines = machines.size();
  for (const auto& [machine, warned] : machines) j.failing_machines_warned += warned;
  for (const auto& [ms, unit] : events.leads) j.lead_times_ms.push_back(ms);
  j.warnings_held = events.leads.size();
  for (const auto& u : events.units) {
    j.false_alarms += u.false_alarms;
    j.machine_months += u.months;
  }
}

void keep_worst(judgement& j, const alarm_record& record, const judged_rows& given) {
  for (const auto& f : record.failures)
    if (!f.warned) j.missed.push_back(f);
  std::sort(j.missed.begin(), j.missed.end(), [&](const auto& a, const auto& b) {
    return std::tie(a.peak_probability, given.machines[a.machine].node, a.failure_ms)
           < std::tie(b.peak_probability, given.machines[b.machine].node, b.failure_ms);
  });
  if (j.missed.size() > worst_cases_max) j.missed.resize(worst_cases_max);
  auto all = record.false_alarms;
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return std::tie(b.peak_probability, given.machines[a.machine].node, a.from_ms)
           < std::tie(a.peak_probability, given.machines[b.machine].node, b.from_ms);
  });
  std::set<uint32_t> seen;
  for (const auto& a : all)
    if (j.false_alarmed.size() < worst_cases_max && seen.insert(a.machine).second)
      j.false_alarmed.push_back(a);
}

void judge_scores(judgement& j, const judged_rows& given, const unit_map& units) {
  for (const auto& r : given.rows)
    if (std::isnan(r.score)) return;
  auto r = ranking(given, units.of, ranking::by::score, 1).measure(undefined, undefined, {});
  j.roc_auc_of_score = r.roc_auc;
  j.pr_auc_of_score = r.pr_auc;
}

} // namespace

result<judgement> judge(const judged_rows& given, const question& asked) {
  if (auto good = check(asked); !good) return tl::make_unexpected(good.error());
  if (auto good = check(given); !good) return tl::make_unexpected(good.error());
  judgement out;
  out.asked = asked;
  const auto units = units_of(given, asked.bootstrap.unit);
  const ranking ranked(given, units.of, ranking::by::probability, asked.bins);
  const auto record = follow_alarms(given, asked);
  const auto events = sum_events(record, units);
  count(out, given, units);
  auto sums = ranked.measure(asked.threshold, asked.base_rate, {});
  out.weight = sums.positive + sums.negative;
  if (out.weight > 0) out.base_rate = sums.positive / out.weight;
  count_events(out, record, events);
  keep_worst(out, record, given);
  judge_scores(out, given, units);
  out.roc = ranked.roc();
  out.pr = ranked.pr();
  out.reliability = ranked.reliability();
  out.reliability_by_width = ranked.reliability_by_width();
  out.replicates =
      asked.bootstrap.replicates ? asked.bootstrap.replicates : replicates_for(out.rows);
  take(out, bootstrap(units.count, out.replicates, asked.bootstrap.seed,
                      [&](std::span<const double> multiplicity) {
                        return all_figures(ranked, events, asked, multiplicity);
                      }));
  return out;
}

result<double> best_threshold(const judged_rows& validation) {
  if (auto good = check(validation); !good) return tl::make_unexpected(good.error());
  const auto units = units_of(validation, resampling::machines);
  double best = ranking(validation, units.of, ranking::by::probability, 1).best_threshold();
  if (std::isnan(best))
    return fail(errc::invalid_argument, "no failure among the validation rows: no threshold can "
                                        "be chosen from them");
  return best;
}

double quantile(std::span<const double> ascending, double q) {
  if (ascending.empty()) return undefined;
  double at = q * static_cast<double>(ascending.size() - 1);
  auto below = static_cast<size_t>(at);
  if (below + 1 >= ascending.size()) return ascending.back();
  return std::lerp(ascending[below], ascending[below + 1], at - static_cast<double>(below));
}

} // namespace harbinger::predict
