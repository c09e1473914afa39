#pragma once

/// The learning machines behind one interface: complete rows in (no NaN), a raw score 0..1 out.
/// Calibration comes after.

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

/// Safe to use from several threads at once.
class scorer {
public:
  virtual ~scorer() = default;
  virtual double score(std::span<const double> row) const = 0;
  virtual std::string_view kind() const = 0;
  virtual void save(std::ostream& out) const = 0;
};

/// Rows of `width` values, one after the other; a label 0 or 1 a row.
struct training_rows {
  size_t width = 0;
  std::vector<double> values;
  std::vector<uint8_t> labels;
  size_t size() const { return labels.size(); }
  std::span<const double> row(size_t i) const { return {values.data() + i * width, width}; }
};

struct forest_options {
  uint32_t trees = 60;
  uint32_t leaf_rows_min = 6;
  double feature_share = 0.25; ///< of the features, tried at each split
  uint64_t seed = 1;
};
/// dlib's random forest regression on 0/1 labels, in parts of some hundred rows each: the mean of
/// the leaves is a score, with deaths more frequent than in life, which calibration makes good.
/// Needs both labels among at least 20 rows, else invalid_argument. The same rows and options give
/// the same forest.
result<std::unique_ptr<scorer>> train_forest(const training_rows& rows,
                                             const forest_options& options);
/// Logistic regression on standardised features, L2 penalty, by dlib's L-BFGS. The same needs.
result<std::unique_ptr<scorer>> train_logistic(const training_rows& rows);

/// The inverse of save. malformed for anything else; never throws.
result<std::unique_ptr<scorer>> load_forest(std::istream& in, size_t width);
result<std::unique_ptr<scorer>> load_logistic(std::istream& in, size_t width);

} // namespace harbinger::predict
