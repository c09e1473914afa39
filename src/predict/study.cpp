#include "predict/study.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "core/digest.hpp"
#include "predict/study_choice.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t importance_rows_max = 20'000;
constexpr size_t cross_groups_min = 3, cross_groups_max = 10;
constexpr size_t cross_folds = 5;

std::vector<scored_label> scored_labels(const examples& from, const std::vector<size_t>& rows,
                                        const std::vector<double>& scores, const truth& t) {
  std::vector<scored_label> out;
  for (size_t k = 0; k < rows.size(); ++k)
    out.push_back({scores[k], t.labels[k], t.weights[k], from.node[rows[k]]});
  return out;
}

/// For learning again from all rows: rounds are the median of where the folds stopped.
hyper_values common_of(std::vector<hyper_values> used) {
  auto middle = used.size() / 2;
  auto rounds_of = [](const hyper_values& h) {
    auto it = h.find("rounds");
    return it == h.end() ? 0.0 : it->second;
  };
  std::sort(used.begin(), used.end(),
            [&](const auto& a, const auto& b) { return rounds_of(a) < rounds_of(b); });
  return used[middle];
}

result<void> judge_on_validation(const examples& from, const std::vector<size_t>& validation,
                                 const truth& known, const std::vector<double>& scores,
                                 study_machine& out) {
  out.validation_pr_auc = average_precision(scores, known.labels, known.weights);
  out.calibrated = choose_calibration(scored_labels(from, validation, scores, known));
  out.validation = said_of(from, validation, known, scores);
  double squares = 0, weight = 0;
  for (auto& row : out.validation.rows) {
    row.probability = out.calibrated.chosen.probability(row.score);
    squares += row.weight * (row.probability - row.label) * (row.probability - row.label);
    weight += row.weight;
  }
  out.validation_brier = squares / weight;
  auto threshold = best_threshold(out.validation);
  if (!threshold) return tl::unexpected<error>(threshold.error());
  out.threshold = *threshold;
  return {};
}
} // namespace

std::span<const std::string_view> feature_sets() {
  static constexpr std::array<std::string_view, 3> names{"all", "rates", "limits"};
  return names;
}

study_split split_of(const examples& from, const std::vector<part>& parts, int64_t horizon_ms) {
  study_split out;
  study_fold fold;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!from.label(i, horizon_ms)) continue;
    if (parts[i] == part::train) fold.train.push_back(i);
    if (parts[i] == part::validation) fold.validation.push_back(i);
    if (parts[i] == part::train || parts[i] == part::validation) out.known.push_back(i);
    if (parts[i] == part::test) out.test.push_back(i);
  }
  out.folds.push_back(std::move(fold));
  return out;
}

study_split cross_split_of(const examples& from, const std::vector<part>& parts,
                           const std::vector<split_row>& rows, int64_t horizon_ms, uint64_t seed) {
  auto out = split_of(from, parts, horizon_ms);
  std::map<std::string_view, size_t> groups, machines;
  for (auto i : out.known) {
    groups.emplace(rows[i].group, 0);
    machines.emplace(rows[i].machine, 0);
  }
  // Of two groups each would be judged by what was learned from the other alone.
  bool by_group = groups.size() >= cross_groups_min && groups.size() <= cross_groups_max;
  bool by_machine = machines.size() >= 2 && machines.size() <= cross_groups_max;
  auto& units = by_group ? groups : machines;
  size_t count = by_group || by_machine ? units.size() : cross_folds;
  size_t next = 0;
  for (auto& [name, at] : units) at = next++;
  auto fold_of = [&](size_t i) {
    if (by_group || by_machine) return units.at(by_group ? rows[i].group : rows[i].machine);
    auto name = std::string(rows[i].machine) + '#' + std::to_string(seed);
    return static_cast<size_t>(checksum64(name) % count);
  };
  out.folds.assign(count, {});
  for (auto i : out.known) {
    auto own = fold_of(i);
    for (size_t f = 0; f < count; ++f)
      (f == own ? out.folds[f].validation : out.folds[f].train).push_back(i);
  }
  return out;
}

result<study_machine> learn(const examples& from, const study_split& split, const std::string& kind,
                            const study_options& options, const study_progress& tell) {
  std::vector<size_t> validation;
  for (const auto& f : split.folds)
    validation.insert(validation.end(), f.validation.begin(), f.validation.end());
  auto known = truth_of(from, validation, options.horizon_ms);
  auto positives = std::count(known.labels.begin(), known.labels.end(), 1);
  if (positives == 0 || positives == std::ssize(known.labels))
    return fail(errc::invalid_argument, "validation needs rows with and without a failure; it has "
                                            + std::to_string(positives) + " with one of "
                                            + std::to_string(known.labels.size()));
  auto chosen = choose(from, split, validation, known, kind, options, tell);
  if (!chosen) return tl::unexpected<error>(chosen.error());
  if (tell) tell(kind + ": learning", 0.9);
  auto folds = gather_folds(from, split, options, options.training_rows, chosen->features);
  auto tried = try_out(from, split, folds, kind, chosen->hyper, options);
  if (!tried) return tl::unexpected<error>(tried.error());
  study_machine out;
  out.kind = kind;
  out.features = chosen->features;
  out.hyper = common_of(std::move(tried->used));
  if (auto judged = judge_on_validation(from, validation, known, tried->scores, out); !judged)
    return tl::unexpected<error>(judged.error());
  out.validation_rows = std::move(validation);
  if (tell) tell(kind + ": learning from all rows", 0.95);
  auto rows = gather(from, split.known, options.horizon_ms, options.training_rows, options.seed,
                     chosen->features);
  auto trained = train_scorer(kind, rows, out.hyper, nullptr, options.seed, options.threads);
  if (!trained) return tl::unexpected<error>(trained.error());
  out.machine = std::move(trained->machine);
  return out;
}

study_scores score_rows(const examples& from, const std::vector<size_t>& rows,
                        const study_machine& with) {
  study_scores out;
  out.score = raw_scores(from, rows, *with.machine);
  for (double s : out.score) out.probability.push_back(with.calibrated.chosen.probability(s));
  return out;
}

std::vector<importance> importances(const examples& from, const std::vector<size_t>& rows,
                                    const study_machine& of, int64_t horizon_ms, uint64_t seed) {
  auto sample = gather(from, rows, horizon_ms, importance_rows_max, seed);
  std::vector<double> weights(sample.weights.begin(), sample.weights.end());
  std::vector<double> scores(sample.size());
  of.machine->scores(sample.values, sample.size(), scores);
  double whole = average_precision(scores, sample.labels, weights);
  std::vector<size_t> order(sample.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::mt19937_64 random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  std::map<std::string, std::vector<size_t>> columns;
  for (size_t f = 0; f < sample.width; ++f) columns[from.schema->features[f].metric].push_back(f);
  std::vector<importance> out;
  auto shuffled = sample.values;
  for (const auto& [metric, group] : columns) {
    for (size_t i = 0; i < sample.size(); ++i)
      for (auto f : group)
        shuffled[i * sample.width + f] = sample.values[order[i] * sample.width + f];
    of.machine->scores(shuffled, sample.size(), scores);
    if (double lost = whole - average_precision(scores, sample.labels, weights); lost > 0)
      out.push_back({metric, lost});
    for (size_t i = 0; i < sample.size(); ++i)
      for (auto f : group) shuffled[i * sample.width + f] = sample.values[i * sample.width + f];
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.lost > b.lost; });
  return out;
}

} // namespace harbinger::predict
