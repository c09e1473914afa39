#pragma once

/// Inputs for machines that multiply: counts and ages have long tails, and one wild value must not
/// decide. Each feature becomes sign(u) log(1 + |u|) of u = (value - median) / spread, then mean 0
/// and deviation 1 over the training rows, clipped. A missing value is the mean, and for
/// each feature that was ever missing in training there is one more input that says whether it is.

#include <cstdint>
#include <iosfwd>
#include <span>
#include <vector>

#include "predict/scorer.hpp"

namespace harbinger::predict {

class scaling {
public:
  /// `clip`: standard deviations, above 0.
  static scaling learn(const training_rows& rows, double clip);

  size_t width() const { return center_.size(); }                       ///< of rows
  size_t inputs() const { return center_.size() + indicators_.size(); } ///< of what comes out
  /// Fills `out`, inputs() long. Always finite.
  void apply(std::span<const double> row, std::span<double> out) const;

  void save(std::ostream& out) const;
  /// malformed: torn, of another width, or numbers that are not finite.
  static result<scaling> load(std::istream& in, size_t width);

private:
  double squash(size_t feature, double value) const;

  double clip_ = 5;
  std::vector<double> center_, spread_, mean_, scale_;
  std::vector<uint32_t> indicators_; ///< features that have one, ascending
};

} // namespace harbinger::predict
