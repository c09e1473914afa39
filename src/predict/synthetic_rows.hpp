#pragma once

/// Rows to measure training with: as many as asked for, of machines that never were.

#include <cstdint>

#include "core/result.hpp"
#include "predict/scorer.hpp"

namespace harbinger::predict {

struct synthetic_options {
  size_t rows = 100'000;
  size_t width = 60;
  double positive_share = 0.01; ///< exactly so many rows, rounded, are positive; at least one
  double missing_share = 0.05;  ///< of the values, about
  uint64_t seed = 1;
};

/// Every feature is uniform over 0..1, apart from the NaNs. Positive are the rows with the highest
/// hidden score: a few features that add up, a pair that only counts together, and noise, so that
/// trees have something to find, and never all of it. The same options give the same bits.
/// invalid_argument: fewer than 20 rows or 8 features, or shares that leave no row of one label or
/// are outside 0..1.
result<training_rows> synthetic_rows(const synthetic_options& options);

} // namespace harbinger::predict
