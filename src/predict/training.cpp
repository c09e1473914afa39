#include "predict/training.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "predict/cases.hpp"
#include "predict/dealing.hpp"
#include "predict/profile.hpp"
#include "predict/take_examples.hpp"

namespace harbinger::predict {
namespace {
using json = nlohmann::ordered_json;

json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }

/// Medians of the healthy rows; 0 for a feature that no row knows.
std::vector<double> typical_values(const examples& rows, const std::vector<size_t>& known,
                                   int64_t horizon_ms) {
  std::vector<double> out(rows.width(), 0.0), column;
  auto step = std::max<size_t>(1, known.size() / 50'000);
  for (size_t c = 0; c < out.size(); ++c) {
    column.clear();
    for (size_t k = 0; k < known.size(); k += step) {
      auto i = known[k];
      double x = static_cast<double>(rows.row(i)[c]);
      if (*rows.label(i, horizon_ms) == 0 && std::isfinite(x)) column.push_back(x);
    }
    if (column.empty()) continue;
    auto middle = column.begin() + static_cast<ptrdiff_t>(column.size() / 2);
    std::nth_element(column.begin(), middle, column.end());
    out[c] = *middle;
  }
  return out;
}

result<study_split> split_for(const examples& rows, const dealing& d,
                              const training_options& options, int64_t horizon_ms) {
  std::vector<part> parts(rows.size(), part::train);
  if (options.rule == validation_rule::groups)
    return cross_split_of(rows, parts, d.rows, horizon_ms, options.study.seed);
  auto cuts = cuts_by_share(d.rows, {options.validation_share, 0});
  if (!cuts) return tl::unexpected<error>(cuts.error());
  auto by_time = split_by_time(d.rows, *cuts, horizon_ms);
  if (!by_time) return tl::unexpected<error>(by_time.error());
  return split_of(rows, *by_time, horizon_ms);
}

struct contest_result {
  std::vector<study_machine> machines; ///< the chosen one first, then by average precision
  std::string why;
};

/// What must stay together is resampled together.
void put_chosen_first(contest_result& all, const dealing& d) {
  std::vector<contestant> compete;
  for (auto& m : all.machines) {
    for (size_t n = 0; n < m.validation.machines.size(); ++n)
      m.validation.machines[n].group = d.machine[n];
    compete.push_back({m.kind, m.validation_pr_auc, &m.validation});
  }
  auto verdict = choose_kind(compete);
  all.why = verdict.why;
  auto at = all.machines.begin() + static_cast<ptrdiff_t>(verdict.chosen);
  std::rotate(all.machines.begin(), at, at + 1);
}

result<contest_result> contest(const examples& rows, const study_split& split, const dealing& d,
                               const study_options& options, const study_progress& tell) {
  contest_result out;
  std::string why;
  auto kinds = options.kinds;
  if (kinds.empty()) kinds.assign(scorer_kinds().begin(), scorer_kinds().end());
  for (const auto& kind : kinds) {
    auto learned = learn(rows, split, kind, options, tell);
    if (learned)
      out.machines.push_back(std::move(*learned));
    else
      why = to_string(learned.error());
  }
  if (out.machines.empty()) return fail(errc::invalid_argument, why);
  std::stable_sort(out.machines.begin(), out.machines.end(), [](const auto& a, const auto& b) {
    return a.validation_pr_auc > b.validation_pr_auc;
  });
  put_chosen_first(out, d);
  return out;
}

json figures_of(const judgement& j) {
  json out;
  for (const auto& f : figures(j)) out[f.key] = number(f.value.value);
  return out;
}

result<json> report_of(const contest_result& all, int64_t horizon_ms,
                       const training_options& options) {
  const auto& best = all.machines.front();
  question q;
  q.horizon_ms = horizon_ms;
  q.threshold = options.warning_at > 0 ? options.warning_at : best.threshold;
  q.step_ms = options.rows.every_ms;
  q.bootstrap.replicates = 2; // values are wanted, not intervals
  auto judged = judge(best.validation, q);
  if (!judged) return tl::unexpected<error>(judged.error());
  json out{{"horizon_s", static_cast<double>(horizon_ms) / 1000},
           {"kind", best.kind},
           {"features", best.features},
           {"calibrated_by", best.calibrated.method},
           {"threshold", best.threshold},
           {"hyper", best.hyper},
           {"validation", figures_of(*judged)},
           {"kinds", json::object()}};
  for (const auto& m : all.machines)
    out["kinds"][m.kind] = {{"pr_auc", number(m.validation_pr_auc)},
                            {"brier", number(m.validation_brier)}};
  out["why"] = all.why;
  return out;
}

json history_report(const history& from, const examples& rows, const training_options& options) {
  std::set<uint32_t> failed;
  size_t failures = 0;
  for (const auto& e : from.events)
    if (e.what == happening::failure) {
      ++failures;
      failed.insert(e.node);
    }
  auto [first, last] = std::minmax_element(rows.time_ms.begin(), rows.time_ms.end());
  return {{"history", from.name},
          {"nodes", from.nodes.size()},
          {"failures", failures},
          {"failed_nodes", failed.size()},
          {"rows", rows.size()},
          {"features", rows.width()},
          {"from_ms", *first},
          {"until_ms", *last},
          {"every_ms", options.rows.every_ms},
          {"rule", name_of(options.rule)},
          {"seed", options.study.seed}};
}

result<void> check_options(const training_options& options) {
  const auto& h = options.horizons_ms;
  if (h.empty() || h.size() > horizons_max)
    return fail(errc::invalid_argument, "1 to 8 horizons are needed");
  if (*std::min_element(h.begin(), h.end()) < 1)
    return fail(errc::invalid_argument, "a horizon must be above 0");
  if (std::set<int64_t>(h.begin(), h.end()).size() != h.size())
    return fail(errc::invalid_argument, "two horizons are the same");
  return {};
}

/// Profile and cases; and the report learns which metrics the machine looks at.
result<model_parts> parts_of(const history& from, const examples& rows, const study_split& split,
                             const study_machine& best, const training_options& options,
                             json& report) {
  auto horizon_ms = options.horizons_ms.front();
  auto weights = importances(rows, split.known, best, horizon_ms, options.study.seed);
  report["importances"] = json::array();
  for (const auto& w : weights)
    report["importances"].push_back({{"metric", w.metric}, {"pr_auc_lost", w.lost}});
  auto made = make_profile(rows, split.known);
  if (!made) return tl::unexpected<error>(made.error());
  auto profile = std::make_shared<const feature_profile>(std::move(*made));
  auto probability = score_rows(rows, split.known, best).probability;
  std::map<size_t, double> honest;
  for (size_t k = 0; k < best.validation_rows.size(); ++k)
    honest[best.validation_rows[k]] = best.validation.rows[k].probability;
  for (size_t k = 0; k < split.known.size(); ++k)
    if (auto it = honest.find(split.known[k]); it != honest.end()) probability[k] = it->second;
  case_options wanted;
  wanted.horizon_ms = horizon_ms;
  wanted.alarm_at = options.warning_at > 0 ? options.warning_at : best.threshold;
  wanted.label_attribute = options.cause;
  auto cases = make_cases({from, rows, split.known, probability}, profile,
                          feature_weights(*rows.schema, weights), wanted);
  if (!cases) return tl::unexpected<error>(cases.error());
  return model_parts{{model_part::profile, profile->serialize()},
                     {model_part::cases, cases->serialize()}};
}

result<examples> rows_of(const history& from, schema_ptr schema, const training_options& options,
                         const study_progress& tell) {
  const auto& h = options.horizons_ms;
  auto rows = take_examples(from, std::move(schema),
                            {h.front(), *std::max_element(h.begin(), h.end()), options.windows_s,
                             options.stale_after_s, options.rows.every_ms, options.rows.phase_ms,
                             options.rows.healthy_share},
                            tell);
  if (rows && rows->size() == 0) return fail(errc::invalid_argument, "the history gives no rows");
  return rows;
}
} // namespace

result<model> train(const history& from, schema_ptr schema, const training_options& given,
                    const study_progress& tell) {
  if (auto good = check_options(given); !good) return tl::unexpected<error>(good.error());
  auto options = given;
  if (options.rows.every_ms == 0) options.rows.every_ms = options.horizons_ms.front();
  auto taken = rows_of(from, schema ? std::move(schema) : history_schema(from), options, tell);
  if (!taken) return tl::unexpected<error>(taken.error());
  const auto& rows = *taken;
  auto d = deal(from, rows, options.rows.machine, options.rows.group);
  auto report = history_report(from, rows, options);
  report["horizons"] = json::array();
  std::vector<horizon_machine> horizons;
  std::vector<double> typical;
  model_parts parts;
  auto ascending = options.horizons_ms;
  std::sort(ascending.begin(), ascending.end());
  for (auto horizon_ms : ascending) {
    auto study = options.study;
    study.horizon_ms = horizon_ms;
    auto split = split_for(rows, d, options, horizon_ms);
    if (!split) return tl::unexpected<error>(split.error());
    auto machines = contest(rows, *split, d, study, tell);
    if (!machines) return tl::unexpected<error>(machines.error());
    auto one = report_of(*machines, horizon_ms, options);
    if (!one) return tl::unexpected<error>(one.error());
    report["horizons"].push_back(std::move(*one));
    auto& best = machines->machines.front();
    if (horizon_ms == options.horizons_ms.front()) {
      typical = typical_values(rows, split->known, horizon_ms);
      auto made = parts_of(from, rows, *split, best, options, report);
      if (!made) return tl::unexpected<error>(made.error());
      parts = std::move(*made);
    }
    horizons.push_back({static_cast<double>(horizon_ms) / 1000, std::move(best.machine),
                        std::move(best.calibrated.chosen), best.threshold});
  }
  return model(rows.schema, rows.scales, std::move(typical), std::move(horizons), report.dump(),
               std::move(parts));
}

} // namespace harbinger::predict
