#include "predict/synthetic_rows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace harbinger::predict {
namespace {
constexpr size_t rows_min = 20, width_min = 8;

/// 0..1 of 53 bits: the standard's own distributions differ from library to library.
double uniform(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1.0p-53; }

/// Of a row whose values are all known.
double hidden_score(std::span<const double> row, double noise) {
  double score = row[0] + 0.7 * row[1] + 0.5 * row[2] * row[2];
  if (row[3] > 0.8 && row[4] > 0.8) score += 1.5;
  return score + noise;
}

/// The `count` rows with the highest scores; the earlier one of equals.
void label_highest(const std::vector<double>& scores, size_t count, training_rows& rows) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  rows.labels.assign(scores.size(), 0);
  for (size_t k = 0; k < count; ++k) rows.labels[order[k]] = 1;
}

bool is_share(double x) { return x >= 0 && x <= 1; }
} // namespace

result<training_rows> synthetic_rows(const synthetic_options& options) {
  if (options.rows < rows_min || options.width < width_min || !is_share(options.positive_share)
      || !is_share(options.missing_share))
    return fail(errc::invalid_argument,
                "synthetic rows: at least 20 of 8 features; shares of 0..1");
  auto positives =
      std::max<size_t>(1, static_cast<size_t>(std::llround(options.positive_share
                                                           * static_cast<double>(options.rows))));
  if (positives >= options.rows)
    return fail(errc::invalid_argument, "synthetic rows: no row would be healthy");
  std::mt19937_64 engine(options.seed);
  training_rows out;
  out.width = options.width;
  out.values.resize(options.rows * options.width);
  std::vector<double> scores(options.rows);
  for (size_t i = 0; i < options.rows; ++i) {
    std::span<double> row{out.values.data() + i * options.width, options.width};
    for (auto& x : row) x = uniform(engine);
    scores[i] = hidden_score(row, 0.5 * uniform(engine));
    for (auto& x : row)
      if (uniform(engine) < options.missing_share) x = std::numeric_limits<double>::quiet_NaN();
  }
  label_highest(scores, positives, out);
  return out;
}

} // namespace harbinger::predict
