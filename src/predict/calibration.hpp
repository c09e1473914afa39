#pragma once

/// Raw scores to probabilities, learned on groups (runs, nodes) that the scorer has not seen. Two
/// methods: isotonic regression (pool adjacent violators; Zadrozny and Elkan, KDD 2002) and Platt's
/// (1999) logistic curve, here on the log-odds of the score. Either way the result is a rising line
/// through points. Isotonic blocks are tilted by 5 % so that they do not flatten the order.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace harbinger::predict {

/// One row that was held out.
struct scored_label {
  double score = 0;
  uint8_t label = 0;
  double weight = 1;
  uint32_t run = 0; ///< its group: rows of one run, or of one node, are not independent
};

struct calibration_point {
  double score = 0;
  double probability = 0;
  uint32_t runs = 0; ///< different groups behind it
};

/// With fewer groups that have a death neither steps nor slopes are to be believed.
inline constexpr size_t slope_groups_min = 20;

class calibration {
public:
  calibration() = default;
  explicit calibration(std::vector<calibration_point> points) : points_(std::move(points)) {}
  /// Isotonic. Empty when there is nothing to learn from (one label only). Rows with a score that
  /// is not finite or a weight that is not above 0 are left out, by the others too.
  static calibration fit(std::vector<scored_label> rows);
  /// Platt's curve, drawn through some seventy points that follow rows and deaths alike. With fewer
  /// than slope_groups_min groups that have a death only its offset is fitted: the log odds of the
  /// score, shifted until the mean is right. Flat when scores do not rise with deaths. Empty as
  /// above.
  static calibration fit_platt(std::vector<scored_label> rows);

  bool empty() const { return points_.empty(); }
  /// 1e-6..0.999: a finite number of runs never makes certain. Never falls when the score rises.
  /// The score itself, in these bounds, when empty.
  double probability(double score) const;
  /// Half-width of a two-sided 80 % interval by the number of groups around the score
  /// (Agresti-Coull).
  double uncertainty(double score) const;
  const std::vector<calibration_point>& points() const { return points_; }

private:
  std::vector<calibration_point> points_; ///< ascending in both
};

struct calibration_choice {
  calibration chosen;
  /// Or "platt", "offset" (Platt's curve of few groups), "none" when there is nothing to learn
  /// from.
  const char* method = "isotonic";
  /// Mean log-loss on groups that were held out; NaN where there were too few to hold any out.
  double isotonic_log_loss = std::numeric_limits<double>::quiet_NaN();
  double platt_log_loss = std::numeric_limits<double>::quiet_NaN();
};
/// The method with the smaller log-loss on groups dealt to up to `folds` folds, fitted to all
/// rows. Isotonic when the two are equal.
calibration_choice choose_calibration(const std::vector<scored_label>& rows, size_t folds = 5);

} // namespace harbinger::predict
