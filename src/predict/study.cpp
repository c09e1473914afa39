#include "predict/study.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "core/digest.hpp"
#include "predict/tuning.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t scored_at_once = 4096;
constexpr size_t importance_rows_max = 20'000;

uint64_t rank_of(const examples& from, size_t i, uint64_t seed) {
  uint64_t key[3] = {from.node[i], static_cast<uint64_t>(from.time_ms[i]), seed};
  return checksum64({reinterpret_cast<const char*>(key), sizeof key});
}

void put_row(const examples& from, size_t i, std::vector<double>& to) {
  for (float x : from.row(i)) to.push_back(static_cast<double>(x));
}

/// All positives, up to half of `most`, and healthy rows by the rank of a hash; weights make up for
/// those that are left out.
training_rows gather(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms,
                     size_t most, uint64_t seed) {
  std::vector<std::pair<uint64_t, size_t>> by_label[2];
  for (auto i : rows) by_label[*from.label(i, horizon_ms)].emplace_back(rank_of(from, i, seed), i);
  size_t positives =
      std::min(by_label[1].size(), std::max(most / 2, most - std::min(most, by_label[0].size())));
  size_t kept[2] = {std::min(by_label[0].size(), most - positives), positives};
  std::vector<std::pair<size_t, float>> chosen;
  for (int label = 0; label < 2; ++label) {
    auto& all = by_label[label];
    std::sort(all.begin(), all.end());
    auto share =
        static_cast<float>(all.size()) / static_cast<float>(std::max<size_t>(1, kept[label]));
    for (size_t k = 0; k < kept[label]; ++k)
      chosen.emplace_back(all[k].second, from.weight[all[k].second] * share);
  }
  std::sort(chosen.begin(), chosen.end());
  training_rows out;
  out.width = from.width();
  out.values.reserve(chosen.size() * out.width);
  for (const auto& [i, weight] : chosen) {
    put_row(from, i, out.values);
    out.labels.push_back(*from.label(i, horizon_ms));
    out.weights.push_back(weight);
  }
  return out;
}

std::vector<double> raw_scores(const examples& from, const std::vector<size_t>& rows,
                               const scorer& machine) {
  std::vector<double> out(rows.size()), block;
  for (size_t begin = 0; begin < rows.size(); begin += scored_at_once) {
    auto count = std::min(scored_at_once, rows.size() - begin);
    block.clear();
    for (size_t k = 0; k < count; ++k) put_row(from, rows[begin + k], block);
    machine.scores(block, count, std::span(out).subspan(begin, count));
  }
  return out;
}

/// Average precision with weights, ties together.
double average_precision(const std::vector<double>& scores, const std::vector<uint8_t>& labels,
                         const std::vector<double>& weights) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  double hit = 0, seen = 0, all = 0, sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) all += labels[i] ? weights[i] : 0;
  for (size_t k = 0; k < order.size();) {
    double fresh = 0;
    for (auto value = scores[order[k]]; k < order.size() && scores[order[k]] == value; ++k) {
      seen += weights[order[k]];
      fresh += labels[order[k]] ? weights[order[k]] : 0;
    }
    hit += fresh;
    if (fresh > 0) sum += fresh / all * hit / seen;
  }
  return all > 0 ? sum : undefined;
}

struct truth {
  std::vector<uint8_t> labels;
  std::vector<double> weights;
};
truth truth_of(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms) {
  truth out;
  for (auto i : rows) {
    out.labels.push_back(*from.label(i, horizon_ms));
    out.weights.push_back(static_cast<double>(from.weight[i]));
  }
  return out;
}

std::vector<scored_label> scored_labels(const examples& from, const std::vector<size_t>& rows,
                                        const std::vector<double>& scores, const truth& t) {
  std::vector<scored_label> out;
  for (size_t k = 0; k < rows.size(); ++k)
    out.push_back({scores[k], t.labels[k], t.weights[k], from.node[rows[k]]});
  return out;
}

result<hyper_values> search(const examples& from, const study_split& split, const std::string& kind,
                            const study_options& options, const training_rows& validation,
                            const truth& known, const study_progress& tell) {
  if (options.evaluations <= 1) return complete_hyper(kind, {});
  auto rows = gather(from, split.train, options.horizon_ms, options.tuning_rows, options.seed);
  size_t trial = 0;
  auto objective = [&](const hyper_values& hyper) {
    if (tell)
      tell(kind + ": searching",
           static_cast<double>(trial++) / static_cast<double>(options.evaluations));
    auto trained = train_scorer(kind, rows, hyper, &validation, options.seed, options.threads);
    if (!trained) return undefined;
    return average_precision(raw_scores(from, split.validation, *trained->machine), known.labels,
                             known.weights);
  };
  auto found = tune(kind, objective, {options.evaluations, options.seed});
  if (!found) return tl::unexpected<error>(found.error());
  return found->best;
}
} // namespace

study_split split_of(const examples& from, const std::vector<part>& parts, int64_t horizon_ms) {
  study_split out;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!from.label(i, horizon_ms)) continue;
    if (parts[i] == part::train) out.train.push_back(i);
    if (parts[i] == part::validation) out.validation.push_back(i);
    if (parts[i] == part::test) out.test.push_back(i);
  }
  return out;
}

result<study_machine> learn(const examples& from, const study_split& split, const std::string& kind,
                            const study_options& options, const study_progress& tell) {
  auto known = truth_of(from, split.validation, options.horizon_ms);
  auto positives = std::count(known.labels.begin(), known.labels.end(), 1);
  if (positives == 0 || positives == std::ssize(known.labels))
    return fail(errc::invalid_argument, "validation needs rows with and without a failure; it has "
                                            + std::to_string(positives) + " with one of "
                                            + std::to_string(known.labels.size()));
  // Also what stops boosting and the network: half as many rows as they learn from say enough.
  auto validation =
      gather(from, split.validation, options.horizon_ms, options.training_rows / 2, options.seed);
  auto hyper = search(from, split, kind, options, validation, known, tell);
  if (!hyper) return tl::unexpected<error>(hyper.error());
  if (tell) tell(kind + ": learning", 1);
  auto rows = gather(from, split.train, options.horizon_ms, options.training_rows, options.seed);
  auto trained = train_scorer(kind, rows, *hyper, &validation, options.seed, options.threads);
  if (!trained) return tl::unexpected<error>(trained.error());

  study_machine out;
  out.kind = kind;
  out.machine = std::move(trained->machine);
  out.hyper = trained->used;
  auto scores = raw_scores(from, split.validation, *out.machine);
  out.validation_pr_auc = average_precision(scores, known.labels, known.weights);
  out.calibrated = choose_calibration(scored_labels(from, split.validation, scores, known));
  judged_rows judged_validation;
  judged_validation.machines.resize(1);
  double squares = 0, weight = 0;
  for (size_t k = 0; k < scores.size(); ++k) {
    judged row;
    row.label = known.labels[k];
    row.probability = out.calibrated.chosen.probability(scores[k]);
    row.weight = known.weights[k];
    squares += row.weight * (row.probability - row.label) * (row.probability - row.label);
    weight += row.weight;
    judged_validation.rows.push_back(row);
  }
  out.validation_brier = squares / weight;
  auto threshold = best_threshold(judged_validation);
  if (!threshold) return tl::unexpected<error>(threshold.error());
  out.threshold = *threshold;
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
