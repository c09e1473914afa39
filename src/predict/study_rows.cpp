#include "predict/study_rows.hpp"

#include <algorithm>

#include "core/digest.hpp"
#include "predict/ranking.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t scored_at_once = 4096;

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

} // namespace

std::vector<std::string_view> sets_of(const schema& of) {
  const auto& all = of.features;
  bool compares = std::any_of(all.begin(), all.end(),
                              [](const auto& f) { return f.what == statistic::outgrows; });
  if (!compares) return {"all"};
  return {feature_sets().begin(), feature_sets().end()};
}

training_rows gather(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms,
                     size_t most, uint64_t seed, std::string_view features) {
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

truth truth_of(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms) {
  truth out;
  for (auto i : rows) {
    out.labels.push_back(*from.label(i, horizon_ms));
    out.weights.push_back(static_cast<double>(from.weight[i]));
  }
  return out;
}

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

} // namespace harbinger::predict
