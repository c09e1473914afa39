#pragma once

/// How far a value is from what is usual, as features say it.

#include <algorithm>
#include <cmath>

namespace harbinger::predict {

constexpr double far_away = 10.0; ///< horizons: beyond it times are not told apart
constexpr double deviations_max = 20.0;
constexpr double relative_floor = 0.05; ///< of the mean: smaller deviations are not told from noise

/// NaN stays NaN.
inline double clamp(double x, double limit) {
  return std::isnan(x) ? x : std::clamp(x, -limit, limit);
}

/// Deviations of `x` from `centre`; never divides by less than the floors, of which one is relative
/// to `size`.
inline double distance(double x, double centre, double deviation, double floor, double size) {
  double scale = std::max({deviation, floor, relative_floor * std::fabs(size)});
  return clamp((x - centre) / scale, deviations_max);
}
inline double distance(double x, double centre, double deviation, double floor) {
  return distance(x, centre, deviation, floor, centre);
}

} // namespace harbinger::predict
