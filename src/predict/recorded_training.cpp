#include "predict/recorded_training.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "predict/training.hpp"

#include <nlohmann/json.hpp>

namespace harbinger::predict {
namespace {
constexpr std::array kinds{"forest", "logistic"};

/// Medians of the healthy rows; 0 for a feature that no row knows.
std::vector<double> typical_values(const dataset& from, const std::vector<size_t>& rows) {
  std::vector<double> out(service_schema()->width(), 0.0), column;
  for (size_t c = 0; c < out.size(); ++c) {
    column.clear();
    for (size_t i : rows)
      if (!from.labels[i] && std::isfinite(from.row(i)[c])) column.push_back(from.row(i)[c]);
    if (column.empty()) continue;
    auto middle = column.begin() + static_cast<ptrdiff_t>(column.size() / 2);
    std::nth_element(column.begin(), middle, column.end());
    out[c] = *middle;
  }
  return out;
}

std::vector<double> complete(std::span<const double> row, const std::vector<double>& typical) {
  std::vector<double> out(row.begin(), row.end());
  for (size_t i = 0; i < out.size(); ++i)
    if (!std::isfinite(out[i])) out[i] = typical[i];
  return out;
}

training_rows gather(const dataset& from, const std::vector<size_t>& rows,
                     const std::vector<double>& typical) {
  training_rows out;
  out.width = service_schema()->width();
  for (size_t i : rows) {
    auto row = complete(from.row(i), typical);
    out.values.insert(out.values.end(), row.begin(), row.end());
    out.labels.push_back(from.labels[i]);
  }
  return out;
}

result<std::unique_ptr<scorer>> train_kind(size_t kind, const training_rows& rows, uint32_t trees,
                                           uint64_t seed) {
  if (kind == 1) return train_logistic(rows);
  forest_options options;
  options.trees = trees;
  options.seed = seed;
  return train_forest(rows, options);
}

/// Fold of each run: runs sorted by kind of trouble, death and name are dealt in turn.
std::vector<size_t> deal_runs(const dataset& from, size_t folds) {
  std::vector<size_t> order(from.runs.size()), fold(from.runs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto &x = from.runs[a], &y = from.runs[b];
    return std::tuple(x.death_ms.has_value(), x.trouble, x.run)
           < std::tuple(y.death_ms.has_value(), y.trouble, y.run);
  });
  for (size_t i = 0; i < order.size(); ++i) fold[order[i]] = i % folds;
  return fold;
}

struct held_out {
  std::vector<size_t> rows;
  std::vector<double> scores; ///< parallel
};

/// Scores of every row by a machine that did not see its run. Folds that can not be trained are
/// left out.
held_out score_held_out(const dataset& from, const std::vector<size_t>& fold, size_t kind,
                        const recorded_training_options& options) {
  held_out out;
  for (size_t f = 0; f < options.folds; ++f) {
    std::vector<size_t> others, own;
    for (size_t i = 0; i < from.size(); ++i) (fold[from.run[i]] == f ? own : others).push_back(i);
    auto chosen = choose_rows(from, others, options.rows_max * 2 / 3).rows;
    auto typical = typical_values(from, chosen);
    auto machine = train_kind(kind, gather(from, chosen, typical), std::max(10u, options.trees / 5),
                              options.seed + f + 1);
    if (!machine) continue;
    for (size_t i : own) {
      out.rows.push_back(i);
      out.scores.push_back((*machine)->score(complete(from.row(i), typical)));
    }
  }
  return out;
}

calibration fit_without(const dataset& from, const std::vector<size_t>& fold,
                        const held_out& scored, size_t left_out) {
  std::vector<scored_label> rows;
  for (size_t k = 0; k < scored.rows.size(); ++k) {
    size_t i = scored.rows[k];
    if (fold[from.run[i]] != left_out)
      rows.push_back({scored.scores[k], from.labels[i], from.weight[i], from.run[i]});
  }
  return calibration::fit(std::move(rows));
}

evaluation judge(const dataset& from, const std::vector<size_t>& fold, const held_out& scored,
                 const recorded_training_options& options, double horizon_s) {
  std::vector<calibration> by_fold;
  for (size_t f = 0; f < options.folds; ++f) by_fold.push_back(fit_without(from, fold, scored, f));
  std::vector<judged_row> rows;
  for (size_t k = 0; k < scored.rows.size(); ++k) {
    size_t i = scored.rows[k];
    const auto& run = from.runs[from.run[i]];
    rows.push_back({run.run, from.node[i], from.time_ms[i],
                    by_fold[fold[from.run[i]]].probability(scored.scores[k]), from.labels[i],
                    from.weight[i]});
  }
  return evaluate_by_run(std::move(rows), from.outcomes(), horizon_s, options.threshold);
}
} // namespace

result<model> train(const dataset& from, const time_scales& scales,
                    const recorded_training_options& options) {
  auto deaths = std::count_if(from.runs.begin(), from.runs.end(),
                              [](const auto& r) { return r.death_ms.has_value(); });
  if (from.runs.size() < 3 || deaths < 2)
    return fail(errc::invalid_argument,
                "training needs at least 3 runs, 2 of them with a death; there are "
                    + std::to_string(from.runs.size()) + " and " + std::to_string(deaths));
  auto fold = deal_runs(from, options.folds);
  std::array<held_out, kinds.size()> scored;
  std::array<evaluation, kinds.size()> judged;
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    scored[kind] = score_held_out(from, fold, kind, options);
    judged[kind] = judge(from, fold, scored[kind], options, scales.horizon_s);
  }
  size_t best = judged[1].pr_auc > judged[0].pr_auc
                    ? 1
                    : 0; // the forest unless the other is really better; NaN is not
  std::vector<size_t> all(from.size());
  std::iota(all.begin(), all.end(), size_t{0});
  auto chosen = choose_rows(from, all, options.rows_max).rows;
  auto typical = typical_values(from, chosen);
  auto machine = train_kind(best, gather(from, chosen, typical), options.trees, options.seed);
  if (!machine) return tl::unexpected<error>(machine.error());

  nlohmann::ordered_json report{
      {"kind", kinds[best]},
      {"runs", from.runs.size()},
      {"deaths", deaths},
      {"rows", from.size()},
      {"rows_used", chosen.size()},
      {"rows_censored", from.censored},
      {"bad_lines", from.bad_lines},
      {"skipped", from.skipped},
      {"validation", nlohmann::ordered_json::parse(to_json(judged[best]))}};
  report["compared"] = nlohmann::ordered_json::object();
  for (size_t kind = 0; kind < kinds.size(); ++kind)
    report["compared"][kinds[kind]] = {{"roc_auc", judged[kind].roc_auc},
                                       {"pr_auc", judged[kind].pr_auc},
                                       {"brier", judged[kind].brier},
                                       {"event_recall", judged[kind].event_recall}};
  return model(service_schema(), scales, std::move(typical),
               {{scales.horizon_s, std::move(*machine),
                 fit_without(from, fold, scored[best], SIZE_MAX), options.threshold}},
               report.dump());
}

result<model> train_on_recordings(const prediction_settings& settings, double threshold) {
  auto scales = scales_of(settings);
  // A row a scoring round, but no more than some forty of a horizon: neighbours tell the same.
  auto step_ms =
      std::max<int64_t>(settings.scoring_ms, static_cast<int64_t>(settings.horizon_s * 1000 / 40));
  auto rows = load_dataset(settings.recordings, settings.exclude_runs, scales, step_ms);
  if (!rows) return tl::unexpected<error>(rows.error());
  recorded_training_options options;
  options.trees = settings.trees;
  options.rows_max = settings.train_rows_max;
  options.threshold = threshold;
  return train(*rows, scales, options);
}

} // namespace harbinger::predict
