#pragma once

/// Rows sorted once by probability, so that each bootstrap replicate is a single pass over them.
/// Part of judgement.hpp; no checks of its own.

#include <cstdint>
#include <span>
#include <vector>

#include "predict/judgement.hpp"

namespace harbinger::predict {

struct bin_sum {
  double weight = 0, said = 0, came = 0;
};
struct row_figures {
  double positive = 0, negative = 0;
  double roc_auc = undefined, pr_auc = undefined;
  double precision = undefined, recall = undefined, f1 = undefined;
  double brier = undefined, base_brier = undefined, skill = undefined;
  double calibration_error = undefined, calibration_error_by_width = undefined;
};

class ranking {
public:
  enum class by : uint8_t { probability, score };
  /// `unit` of each machine: whose multiplicity its rows have.
  ranking(const judged_rows& given, std::span<const uint32_t> unit, by what, size_t bins);

  /// Each row weighs its weight times the multiplicity of its unit (empty: 1). `sums`, when given,
  /// gets the equal-mass bins'.
  row_figures measure(double threshold, double base_rate, std::span<const double> multiplicity,
                      std::vector<bin_sum>* sums = nullptr) const;

  std::vector<curve_point> roc() const;
  std::vector<curve_point> pr() const;
  std::vector<judged_bin> reliability() const;
  std::vector<judged_bin> reliability_by_width() const;
  double best_threshold() const; ///< NaN without positives

private:
  struct row {
    double value;
    double weight;
    uint32_t unit;
    uint32_t label;
  };
  /// visit(value, positive weight, negative weight) for each group of ties, highest first.
  template <class Visit>
  void each_tie(std::span<const double> multiplicity, Visit visit) const;
  template <class Point>
  std::vector<curve_point> curve(Point point) const;
  void cut_mass();

  std::vector<row> rows_; ///< highest value first; equal ones of one unit and label merged
  size_t bins_;
  std::vector<double> mass_floors_; ///< lowest value of each equal-mass bin, highest bin first
  double positive_ = 0, negative_ = 0;
};

} // namespace harbinger::predict
