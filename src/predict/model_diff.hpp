#pragma once

/// What differs between two models, for people and programs.

#include <string>
#include <vector>

#include "core/result.hpp"
#include "predict/model.hpp"

namespace harbinger::predict {

struct difference {
  std::string what;
  std::string a, b; ///< "-": not there
  friend bool operator==(const difference&, const difference&) = default;
};

/// Rows of one kind; where there are more, one more row "... and N more".
struct diff_limits {
  size_t features = 40;
  size_t typical = 10;
  size_t report = 400;
};
/// Of a report, levels of nesting that are looked at, and bytes of a text that are shown.
inline constexpr int diff_depth_max = 12;
inline constexpr size_t diff_text_bytes_max = 80;

/// None for equal models. In this order:
/// * "version", "kind", "horizon_s", "windows_s", "stale_after_s";
/// * "features" (how many) and "feature NAME" for each that only one has ("yes", "-");
/// * "typical NAME (moved X)" of features that both have, furthest first. X is the distance in a
///   measure that fits shares and bytes alike, |a - b| / (1 + max(|a|, |b|)): the difference where
///   values are small, the share by which they differ where they are large;
/// * "calibration" (points) and "calibration at 0.1", 0.25, 0.5, 0.75, 0.9: what such a raw score
///   comes to; of each calibration that the models hold, by the place where it stands;
/// * "report PATH" for every number, text and truth value of their reports, as "report
///   validation.pr_auc" or "report skipped[2]". A report that is not JSON is one text.
std::vector<difference> compare_models(const model& a, const model& b,
                                       const diff_limits& limits = {});

} // namespace harbinger::predict
