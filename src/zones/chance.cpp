#include "zones/chance.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/ensure.hpp"

namespace harbinger {
namespace {

constexpr double nothing_left = 1e-17; ///< of a sum: smaller terms change it no more
constexpr int slices = 64;             ///< of an integral, even
constexpr size_t rank_row_max = 64;

double log_choose(size_t n, size_t k, log_factorials& logs) {
  return logs(n) - logs(k) - logs(n - k);
}

/// P(X == hits).
double exactly(const concentration& s, size_t hits, log_factorials& logs) {
  if (s.draws - hits > s.population - s.marked) return 0.0; // not enough unmarked nodes
  return std::exp(log_choose(s.marked, hits, logs)
                  + log_choose(s.population - s.marked, s.draws - hits, logs)
                  - log_choose(s.population, s.draws, logs));
}

/// P(X == x + 1) / P(X == x).
double growth(const concentration& s, size_t x) {
  auto above = static_cast<double>(s.marked - x) * static_cast<double>(s.draws - x);
  auto below =
      static_cast<double>(x + 1) * static_cast<double>(s.population - s.marked + x + 1 - s.draws);
  return above / below;
}

} // namespace

double log_factorials::operator()(size_t n) {
  while (table_.size() <= n)
    table_.push_back(table_.back() + std::log(static_cast<double>(table_.size())));
  return table_[n];
}

double concentration_tail(const concentration& s, log_factorials& logs) {
  if (s.marked > s.population || s.draws > s.population) return 1.0;
  size_t most = std::min(s.marked, s.draws);
  size_t least = s.draws + s.marked > s.population ? s.draws + s.marked - s.population : 0;
  if (s.hits <= least) return 1.0;
  if (s.hits > most) return 0.0;
  bool above = static_cast<double>(s.hits) * static_cast<double>(s.population)
               > static_cast<double>(s.marked) * static_cast<double>(s.draws);
  // From the side of the expected number on which `hits` lies, so that terms shrink.
  double sum = 0.0;
  if (above) {
    double term = exactly(s, s.hits, logs);
    for (size_t x = s.hits; x <= most && term > nothing_left * sum; ++x) {
      sum += term;
      term *= growth(s, x);
    }
    return std::min(sum, 1.0);
  }
  double term = exactly(s, s.hits - 1, logs);
  for (size_t x = s.hits - 1; term > nothing_left * sum; --x) {
    sum += term;
    if (x == least) break;
    term /= growth(s, x - 1);
  }
  return std::clamp(1.0 - sum, 0.0, 1.0);
}

double least_tail(size_t population, size_t marked, size_t draws, log_factorials& logs) {
  return concentration_tail({population, marked, draws, std::min(marked, draws)}, logs);
}

void rank_row(const float* values, size_t count, float* out) {
  ENSURE(count <= rank_row_max);
  std::array<size_t, rank_row_max> order;
  std::iota(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), size_t{0});
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
            [&](size_t a, size_t b) { return values[a] < values[b]; });
  double middle = (static_cast<double>(count) - 1) / 2, squares = 0;
  for (size_t i = 0; i < count;) {
    size_t end = i;
    while (end < count && values[order[end]] == values[order[i]]) ++end;
    double rank = static_cast<double>(i + end - 1) / 2 - middle;
    squares += rank * rank * static_cast<double>(end - i);
    for (; i < end; ++i) out[order[i]] = static_cast<float>(rank);
  }
  auto scale = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0.0f;
  for (size_t i = 0; i < count; ++i) out[i] *= scale;
}

double lag_one(const float* row, size_t count) {
  double sum = 0;
  for (size_t i = 0; i + 1 < count; ++i) sum += static_cast<double>(row[i]) * row[i + 1];
  return sum;
}

double correlation_tail(double correlation, size_t count, double a, double b) {
  double ab = std::clamp(a * b, -0.999, 0.999);
  auto n = static_cast<double>(count);
  double worth = std::min(n, n * (1 - ab) / (1 + ab));
  if (worth <= 4) return 1.0;
  // Simpson's rule over x = 1 - width * (1 - u)^2, which is dense where the density is not flat.
  double r = std::clamp(correlation, -1.0, 1.0), width = 1 - r, power = (worth - 4) / 2, sum = 0;
  for (int i = 0; i <= slices; ++i) {
    double v = 1.0 - static_cast<double>(i) / slices, x = 1 - width * v * v;
    double weight = i == 0 || i == slices ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * std::pow(1 - x * x, power) * 2 * width * v;
  }
  double half = (worth - 2) / 2;
  double whole = std::exp(std::lgamma(0.5) + std::lgamma(half) - std::lgamma(half + 0.5));
  return std::clamp(sum / (3.0 * slices) / whole, 0.0, 1.0);
}

} // namespace harbinger
