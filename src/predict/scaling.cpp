#include "predict/scaling.hpp"

#include <algorithm>
#include <cmath>

#include "predict/bytes.hpp"

namespace harbinger::predict {
namespace {
constexpr double spread_min = 1e-12;
constexpr double deviation_min = 1e-6;

double at_share(std::vector<double>& values, double share) {
  auto place =
      values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

/// Half the distance that holds the middle two thirds; for features that hardly ever move, their
/// deviation.
double spread_of(std::vector<double>& values, double center) {
  double spread = (at_share(values, 5.0 / 6) - at_share(values, 1.0 / 6)) / 2;
  if (spread > spread_min) return spread;
  double squares = 0;
  for (double v : values) squares += (v - center) * (v - center);
  spread = std::sqrt(squares / static_cast<double>(values.size()));
  return spread > spread_min && std::isfinite(spread) ? spread : 1.0;
}
} // namespace

scaling scaling::learn(const training_rows& rows, double clip) {
  scaling out;
  out.clip_ = clip;
  std::vector<double> column;
  for (size_t c = 0; c < rows.width; ++c) {
    column.clear();
    for (size_t i = 0; i < rows.size(); ++i)
      if (double v = rows.row(i)[c]; std::isfinite(v)) column.push_back(v);
    if (column.size() < rows.size()) out.indicators_.push_back(static_cast<uint32_t>(c));
    double center = column.empty() ? 0.0 : at_share(column, 0.5);
    out.center_.push_back(center);
    out.spread_.push_back(column.empty() ? 1.0 : spread_of(column, center));
    double sum = 0, squares = 0;
    for (double v : column) {
      double s = out.squash(c, v);
      sum += s;
      squares += s * s;
    }
    auto n = static_cast<double>(std::max<size_t>(1, column.size()));
    double mean = sum / n, deviation = std::sqrt(std::max(0.0, squares / n - mean * mean));
    out.mean_.push_back(mean);
    out.scale_.push_back(deviation > deviation_min ? 1 / deviation : 0.0);
  }
  return out;
}

double scaling::squash(size_t feature, double value) const {
  double u = (value - center_[feature]) / spread_[feature];
  return std::copysign(std::log(1 + std::min(std::fabs(u), 1e30)), u);
}

void scaling::apply(std::span<const double> row, std::span<double> out) const {
  for (size_t c = 0; c < center_.size(); ++c) {
    bool known = std::isfinite(row[c]) && scale_[c] != 0;
    out[c] = known ? std::clamp((squash(c, row[c]) - mean_[c]) * scale_[c], -clip_, clip_) : 0.0;
  }
  for (size_t k = 0; k < indicators_.size(); ++k)
    out[center_.size() + k] = std::isfinite(row[indicators_[k]]) ? 0.0 : 1.0;
}

void scaling::save(std::ostream& out) const {
  put_number(out, clip_);
  for (const auto* values : {&center_, &spread_, &mean_, &scale_}) put_numbers(out, *values);
  put_numbers(out, indicators_);
}

result<scaling> scaling::load(std::istream& in, size_t width) {
  scaling out;
  auto bad = [] { return fail(errc::malformed, "scaling of the inputs"); };
  if (!take_number(in, out.clip_) || !(out.clip_ > 0) || !std::isfinite(out.clip_)) return bad();
  for (auto* values : {&out.center_, &out.spread_, &out.mean_, &out.scale_}) {
    if (!take_numbers(in, *values, width) || values->size() != width) return bad();
    for (double v : *values)
      if (!std::isfinite(v)) return bad();
  }
  for (double v : out.spread_)
    if (!(v > 0)) return bad();
  if (!take_numbers(in, out.indicators_, width)) return bad();
  for (size_t k = 0; k < out.indicators_.size(); ++k)
    if (out.indicators_[k] >= width || (k && out.indicators_[k] <= out.indicators_[k - 1]))
      return bad();
  return out;
}

} // namespace harbinger::predict
