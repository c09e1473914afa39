#include "predict/study.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "core/digest.hpp"
#include "predict/ranking.hpp"
#include "predict/tuning.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t scored_at_once = 4096;
constexpr size_t importance_rows_max = 20'000;
constexpr size_t cross_groups_min = 3, cross_groups_max = 10;
constexpr size_t cross_folds = 5;

uint64_t rank_of(const examples& from, size_t i, uint64_t seed) {
  uint64_t key[3] = {from.node[i], static_cast<uint64_t>(from.time_ms[i]), seed};
  return checksum64({reinterpret_cast<const char*>(key), sizeof key});
}

void put_row(const examples& from, size_t i, std::vector<double>& to) {
  for (float x : from.row(i)) to.push_back(static_cast<double>(x));
}

bool in_set(statistic what, std::string_view features) {
  using enum statistic;
  constexpr statistic past[] = {deviation, change, change_short, trend,
                                baseline,  strays, value,        age};
  if (features == "all") return true;
  if (features == "limits" && what == outgrows) return false;
  return std::find(std::begin(past), std::end(past), what) == std::end(past);
}

/// A feature that is never known is one that no machine looks at.
void blank(training_rows& rows, const schema& of, std::string_view features) {
  for (size_t f = 0; f < rows.width; ++f) {
    if (in_set(of.features[f].what, features)) continue;
    for (size_t i = 0; i < rows.size(); ++i) rows.values[i * rows.width + f] = undefined;
  }
}

/// The sets that differ here.
std::vector<std::string_view> sets_of(const schema& of) {
  const auto& all = of.features;
  bool compares = std::any_of(all.begin(), all.end(),
                              [](const auto& f) { return f.what == statistic::outgrows; });
  if (!compares) return {"all"};
  return {feature_sets().begin(), feature_sets().end()};
}

/// All positives, up to half of `most`, and healthy rows by the rank of a hash; weights make up for
/// those that are left out.
training_rows gather(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms,
                     size_t most, uint64_t seed, std::string_view features = "all") {
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
  blank(out, *from.schema, features);
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

/// With weights, ties together.
double average_precision(const std::vector<double>& scores, const std::vector<uint8_t>& labels,
                         const std::vector<double>& weights) {
  judged_rows given;
  given.rows.resize(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    given.rows[i].score = scores[i];
    given.rows[i].label = labels[i];
    given.rows[i].weight = weights[i];
  }
  constexpr uint32_t alone[] = {0};
  return ranking(given, alone, ranking::by::score, 1).measure(0.5, 0.5, {}).pr_auc;
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

/// The folds as machines take them.
struct fold_rows {
  training_rows train, validation; ///< `validation` also stops boosting and the network
};
std::vector<fold_rows> gather_folds(const examples& from, const study_split& split,
                                    const study_options& options, size_t most,
                                    std::string_view features) {
  std::vector<fold_rows> out;
  for (const auto& f : split.folds)
    // Half as many rows as they learn from say enough.
    out.push_back(
        {gather(from, f.train, options.horizon_ms, most, options.seed, features),
         gather(from, f.validation, options.horizon_ms, most / 2, options.seed, features)});
  return out;
}

/// What machines say of the validation rows they did not learn from.
struct tried_machine {
  std::vector<double> scores;     ///< parallel to the validation rows, fold after fold
  std::vector<hyper_values> used; ///< a fold
};
result<tried_machine> try_out(const examples& from, const study_split& split,
                              const std::vector<fold_rows>& folds, const std::string& kind,
                              const hyper_values& hyper, const study_options& options) {
  tried_machine out;
  for (size_t f = 0; f < folds.size(); ++f) {
    auto trained = train_scorer(kind, folds[f].train, hyper, &folds[f].validation, options.seed,
                                options.threads);
    if (!trained) return tl::unexpected<error>(trained.error());
    auto scores = raw_scores(from, split.folds[f].validation, *trained->machine);
    out.scores.insert(out.scores.end(), scores.begin(), scores.end());
    out.used.push_back(std::move(trained->used));
  }
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

/// With which to compare: a verdict needs no machine as steady as the one that serves.
hyper_values lighter(hyper_values h) {
  constexpr double trees = 30, bags = 1;
  if (h.contains("trees")) h["trees"] = std::min(h["trees"], trees);
  if (h.contains("bags")) h["bags"] = bags;
  return h;
}

struct chosen_settings {
  hyper_values hyper;
  std::string_view features;
};
/// Which features and which hyper-parameters, by average precision on the validation rows.
result<chosen_settings> choose(const examples& from, const study_split& split, const truth& known,
                               const std::string& kind, const study_options& options,
                               const study_progress& tell) {
  auto usual = complete_hyper(kind, {});
  if (!usual) return tl::unexpected<error>(usual.error());
  chosen_settings out{*usual, "all"};
  auto sets = sets_of(*from.schema);
  if (options.evaluations <= 1 && sets.size() == 1) return out; // nothing to choose
  size_t trial = 0, trials = options.evaluations - 1 + sets.size();
  auto precision = [&](const std::vector<fold_rows>& folds, const hyper_values& hyper) {
    if (tell)
      tell(kind + ": searching", static_cast<double>(trial++) / static_cast<double>(trials));
    auto tried = try_out(from, split, folds, kind, hyper, options);
    return tried ? average_precision(tried->scores, known.labels, known.weights) : undefined;
  };
  auto light = lighter(*usual);
  double best = -1;
  std::vector<fold_rows> best_folds;
  for (auto features : sets) {
    auto folds = gather_folds(from, split, options, options.tuning_rows, features);
    double value = precision(folds, light);
    if (!(value > best)) continue;
    best = value;
    best_folds = std::move(folds);
    out.features = features;
  }
  if (options.evaluations <= 1 || best_folds.empty()) return out;
  hyper_values fixed;
  for (const char* name : {"trees", "bags"})
    if (light.contains(name)) fixed[name] = light[name];
  auto found = tune(
      kind,
      [&](const hyper_values& hyper) {
        return hyper == light ? best : precision(best_folds, hyper);
      },
      {options.evaluations, options.seed}, fixed);
  if (!found) return tl::unexpected<error>(found.error());
  out.hyper = found->best;
  for (const auto& one : fixed) out.hyper[one.first] = usual->at(one.first);
  return out;
}

result<void> judge_on_validation(const examples& from, const std::vector<size_t>& validation,
                                 const truth& known, const std::vector<double>& scores,
                                 study_machine& out) {
  out.validation_pr_auc = average_precision(scores, known.labels, known.weights);
  out.calibrated = choose_calibration(scored_labels(from, validation, scores, known));
  double squares = 0, weight = 0;
  for (size_t k = 0; k < scores.size(); ++k) {
    auto i = validation[k];
    judged row;
    row.machine = from.node[i];
    row.label = known.labels[k];
    row.time_ms = from.time_ms[i];
    row.probability = out.calibrated.chosen.probability(scores[k]);
    row.score = scores[k];
    row.failure_in_ms = from.failure_in_ms[i];
    row.weight = known.weights[k];
    squares += row.weight * (row.probability - row.label) * (row.probability - row.label);
    weight += row.weight;
    if (row.machine >= out.validation.machines.size())
      out.validation.machines.resize(row.machine + 1);
    out.validation.rows.push_back(row);
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
  auto chosen = choose(from, split, known, kind, options, tell);
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
