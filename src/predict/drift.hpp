#pragma once

/// Whether the rows that a model is asked about still look like those it learned from.
///
/// Measured by the population stability index of each feature over the bins of its profile:
/// PSI = sum (now - then) ln(now / then) over shares, where "missing" is a bin like the others.
/// The usual rule of thumb: below 0.1 little change, from 0.25 a significant one (Siddiqi, "Credit
/// Risk Scorecards", 2006; Yurdakul and Naranjo, "Statistical properties of the population
/// stability index", Journal of Risk Model Validation 14(4), 2020).

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "predict/profile.hpp"
#include "predict/schema.hpp"

namespace harbinger::predict {

enum class drift_level : uint8_t {
  not_known, ///< too few rows yet
  none,      ///< below 0.1
  some,      ///< below 0.25
  much,
};
constexpr auto enum_names(drift_level) {
  return std::array{"not known yet", "none", "some", "much"};
}

struct drift_options {
  double half_life_s = 3600; ///< after which a row counts half
  /// At most one row of a node in each interval of this length. Rows that follow each other closely
  /// tell the same, and nobody counts more by sending more.
  int64_t every_ms = 10'000;
  /// Below so many rows nothing is said: those of now and of then, n and m, as n m / (n + m). By
  /// chance alone the index of equal distributions is about chi-square(bins - 1) (n + m) / (n m)
  /// (Yurdakul and Naranjo); with 300 and 11 bins it passes 0.1 in one of a thousand features.
  double rows_min = 300;
};

struct metric_drift {
  std::string metric;
  std::string feature; ///< of its features the one with the largest index, as feature_name
  double index = 0;    ///< of that feature
  double missing_then = 0, missing_now = 0; ///< shares of its rows
  drift_level level = drift_level::not_known;
};

struct drift_report {
  double rows = 0;                            ///< that it rests on, decayed
  drift_level level = drift_level::not_known; ///< of the heaviest metric
  std::vector<metric_drift> metrics;          ///< heaviest first, then by name
};

/// Counts live rows. Memory: 88 bytes a feature, about 100 a node.
///
/// Every node weighs by its rows alone: shares are smoothed by 0.01 a bin, so that a few rows where
/// none was before do not outweigh all others. One odd node among twenty (5 % of the rows) makes no
/// drift of the fleet, wherever its values are; one among ten at most "some".
class input_drift {
public:
  /// More at a time are passed over and counted.
  static constexpr size_t nodes_max = 100'000;

  /// The profile must be of the schema's features.
  input_drift(schema_ptr schema, profile_ptr profile, drift_options options);

  /// A row of a node whose input is fresh. Time of any origin, the same in all calls; one that goes
  /// back counts as the newest. False when it was not counted: too soon, or past nodes_max.
  /// O(width).
  bool add(const node_id& node, std::span<const double> row, int64_t time_ms);
  drift_report report(int64_t now_ms) const;
  /// Rows that were refused because of nodes_max.
  uint64_t passed_over() const { return passed_over_; }

private:
  static constexpr size_t bins_max = feature_profile::edges_max + 2;
  double decay_until(int64_t time_ms) const;
  bool take_turn(const node_id& node, int64_t time_ms);
  double index_of(size_t feature) const;
  double missing_now(size_t feature) const;

  schema_ptr schema_;
  profile_ptr profile_;
  drift_options options_;
  std::vector<std::array<double, bins_max>> counts_; ///< a feature
  double rows_ = 0;
  int64_t newest_ms_ = 0;
  std::map<node_id, int64_t> next_ms_; ///< when a row of the node counts again
  int64_t pruned_ms_ = INT64_MIN;
  uint64_t passed_over_ = 0;
};

/// "process.rss_ratio: much drift (PSI 0.83, process.rss_ratio baseline)"; when rows that lack it
/// have become much more or less frequent, followed by "; missing in 98 % of the rows, 1 % when
/// learned".
std::string describe(const metric_drift& drift);

} // namespace harbinger::predict
