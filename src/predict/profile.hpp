#pragma once

/// What the rows looked like that a model learned from: the reference against which live rows are
/// compared (drift.hpp), and the ruler on which rows are measured (cases.hpp).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "predict/examples.hpp"
#include "predict/scorer.hpp"

namespace harbinger::predict {

/// Bin b holds the values in (edges[b-1], edges[b]]; the first and the last are open.
struct feature_shape {
  std::vector<float> edges;  ///< ascending; deciles, fewer where values repeat
  std::vector<float> shares; ///< of all rows, one a bin; with `missing` they make 1
  float missing = 1;         ///< share of the rows in which it was not known
  float lowest = 0, highest = 0;
  friend bool operator==(const feature_shape&, const feature_shape&) = default;
};

class feature_profile {
public:
  static constexpr size_t edges_max = 9;
  /// Of more rows so many are looked at, spread evenly.
  static constexpr size_t rows_max = 200'000;

  /// `shapes`: one a feature. `rows`: how many equal rows the learned ones are worth.
  feature_profile(std::vector<feature_shape> shapes, double rows);

  size_t width() const { return shapes_.size(); }
  /// Kish's effective number of rows, (sum of weights)^2 / sum of squared weights.
  double rows() const { return rows_; }
  const feature_shape& of(size_t feature) const { return shapes_[feature]; }

  /// 0..bins(feature)-1; the last one is for what is missing. NaN and infinite count as missing.
  size_t bin(size_t feature, double value) const;
  size_t bins(size_t feature) const { return shapes_[feature].shares.size() + 1; }
  /// The share of learned rows in that bin.
  double share(size_t feature, size_t bin) const;

  /// Where a value stands among the learned ones: 0 below all, 1 above all, the middle of its
  /// equals for a value that many rows have, between the edges by distance. Never falls when the
  /// value rises. Nothing for a missing value, and for a feature that no learned row knew.
  std::optional<double> rank(size_t feature, double value) const;

  /// Without a checksum: the file that holds it has one.
  std::string serialize() const;
  /// malformed for anything that serialize() does not write; oversize for too many features.
  static result<feature_profile> parse(std::string_view bytes);

  friend bool operator==(const feature_profile&, const feature_profile&) = default;

private:
  std::vector<feature_shape> shapes_;
  double rows_ = 0;
};
using profile_ptr = std::shared_ptr<const feature_profile>;

/// Of the examples with these indices, by their weights. Rows whose weight is not above 0 do not
/// count. invalid_argument: no row counts, or one that does not exist; oversize: more than
/// training_width_max features. O(width n log n) for the n rows that are looked at.
result<feature_profile> make_profile(const examples& from, std::span<const size_t> rows);
/// The same, of rows that are still as measured: not those whose gaps were filled in for a machine.
result<feature_profile> make_profile(const training_rows& from);

} // namespace harbinger::predict
