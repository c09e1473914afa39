#pragma once

/// How good predictions are, on rows of runs that were held out. All figures are plain; nothing is
/// chosen by them here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.hpp"

namespace harbinger::predict {

/// One prediction and what became of it.
struct judged_row {
  std::string run;
  node_id node;
  int64_t time_ms = 0;
  double probability = 0;
  uint8_t label = 0; ///< died within the horizon
  double weight = 1;
};
/// What happened in a run.
struct run_outcome {
  node_id node;
  std::optional<int64_t> death_ms;
  std::string trouble;
};

struct run_verdict {
  std::string run;
  std::string trouble;
  node_id node;
  bool died = false;
  bool warned = false; ///< above the threshold twice in a row within the horizon before the death
  std::optional<double> lead_s; ///< from the first such warning that held until the death
  uint64_t false_alarms = 0;    ///< nodes that were warned of and did not die within the horizon
};
struct evaluation {
  uint64_t rows = 0, positives = 0;
  double roc_auc = 0, pr_auc = 0, brier = 0;
  double base_rate = 0;
  double event_recall = 0;  ///< deaths that were warned of
  double lead_median_s = 0; ///< over the warned ones
  double false_alarms_per_run = 0;
  std::vector<run_verdict> runs; ///< by name
};

/// `threshold`: what counts as a warning (zones.enter_at). Figures that need both labels are NaN
/// without.
evaluation evaluate_by_run(std::vector<judged_row> rows,
                           const std::map<std::string, run_outcome>& outcomes, double horizon_s,
                           double threshold);
/// As a JSON object.
std::string to_json(const evaluation& e);

} // namespace harbinger::predict
