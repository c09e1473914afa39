#include "bench.hpp"

#include <algorithm>

namespace harbinger {

namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

} // namespace

bench_row make_row(std::string name, std::string metric, std::string unit, better which,
                   std::vector<double> values, std::string opponent,
                   std::vector<double> opponent_values, double target) {
  bench_row row;
  row.name = std::move(name);
  row.metric = std::move(metric);
  row.unit = std::move(unit);
  row.opponent = std::move(opponent);
  row.value = median(values);
  row.opponent_value = median(opponent_values);
  row.target = target;
  row.runs = values.size();
  if (!values.empty()) {
    row.min = *std::min_element(values.begin(), values.end());
    row.max = *std::max_element(values.begin(), values.end());
  }
  double over = which == better::more ? row.opponent_value : row.value;
  double under = which == better::more ? row.value : row.opponent_value;
  row.ratio = over > 0 ? under / over : 0.0;
  return row;
}

} // namespace harbinger
