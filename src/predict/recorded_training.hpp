#pragma once

/// From labelled rows to a model. Deterministic: the same dataset and options give the same bytes.

#include "core/result.hpp"
#include "core/settings.hpp"
#include "predict/dataset.hpp"
#include "predict/model.hpp"

namespace harbinger::predict {

struct recorded_training_options {
  uint32_t trees = 60;
  size_t rows_max = 4000;
  uint64_t seed = 1;
  size_t folds = 3; ///< of runs
  double threshold =
      0.5; ///< what the report counts as a warning (zones.enter_at); nothing is chosen by it
};

/// Runs are dealt to folds, evenly by kind of trouble. Each fold's rows are scored by machines
/// trained on the others; on these scores, of runs the machine never saw, forest and logistic are
/// compared (area under precision-recall), and the winner is calibrated. The report's figures come
/// from calibrations that leave the judged fold out. The model itself is trained on all runs.
/// invalid_argument: fewer than 3 runs, or fewer than 2 runs with a death or 1 healthy row.
result<model> train(const dataset& from, const time_scales& scales,
                    const recorded_training_options& options);

/// Loads settings.recordings without settings.exclude_runs and trains on them. not_found: no such
/// directory or no usable run.
result<model> train_on_recordings(const prediction_settings& settings, double threshold);

} // namespace harbinger::predict
