#pragma once

/// The examples of a history as training and judging want them: with the usual windows and limits
/// where none are given.

#include <string>
#include <vector>

#include "predict/examples.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

struct taking_options {
  int64_t horizon_ms = 0;        ///< that features are made for
  int64_t near_ms = 0;           ///< example_options::near_ms: the longest horizon asked about
  std::vector<double> windows_s; ///< empty: default_windows
  double stale_after_s = 0;      ///< 0: three decisions
  int64_t every_ms = 0;
  int64_t phase_ms = 0;
  double healthy_share = 1;
};

/// A quarter of the horizon, the horizon, seven horizons.
std::vector<double> default_windows(double horizon_s);

/// Tells of "features". Errors of make_examples.
result<examples> take_examples(const history& from, schema_ptr schema,
                               const taking_options& options, const study_progress& tell);

} // namespace harbinger::predict
