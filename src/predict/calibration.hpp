#pragma once

/// Raw scores to probabilities, by isotonic regression (pool adjacent violators; Zadrozny and
/// Elkan, KDD 2002) on runs that the scorer has not seen, then straight lines between the blocks'
/// centres so that equal blocks do not flatten the order.

#include <cstdint>
#include <span>
#include <vector>

namespace harbinger::predict {

/// One row that was held out.
struct scored_label {
  double score = 0;
  uint8_t label = 0;
  double weight = 1;
  uint32_t run = 0;
};

struct calibration_point {
  double score = 0;
  double probability = 0;
  uint32_t runs = 0; ///< different runs behind it: rows of one run are not independent
};

class calibration {
public:
  calibration() = default;
  explicit calibration(std::vector<calibration_point> points) : points_(std::move(points)) {}
  /// Empty when there is nothing to learn from (one label only).
  static calibration fit(std::vector<scored_label> rows);

  bool empty() const { return points_.empty(); }
  /// 0.001..0.999: a finite number of runs never makes certain. The score itself when empty.
  double probability(double score) const;
  /// Half-width of a two-sided 80 % interval by the number of runs around the score
  /// (Agresti-Coull).
  double uncertainty(double score) const;
  const std::vector<calibration_point>& points() const { return points_; }

private:
  std::vector<calibration_point> points_; ///< ascending in both
};

} // namespace harbinger::predict
