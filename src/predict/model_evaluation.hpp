#pragma once

/// `harbinger evaluate --model`: how well a model that is there predicts the failures of a history,
/// which should be one, or a part of one, that it did not learn from.

#include <string>

#include "history/history.hpp"
#include "predict/model.hpp"
#include "predict/report.hpp"
#include "predict/row_options.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

struct model_evaluation_options {
  row_options rows;            ///< every_ms 0: as when it learned
  int64_t from_ms = INT64_MIN; ///< earlier rows only lead up to it: features need a past
  std::string innocent_before; ///< as in evaluation_options
  std::string command_line;
  uint64_t seed = 1;
};

/// A column for each horizon; the one that zones go by is marked. Notes say which inputs of the
/// model the history lacks, and how many of the judged rows are of the time that it learned from.
/// Thresholds and calibration are the model's own: nothing is chosen here.
/// unsupported: the history lacks more than half of the model's metrics and event codes.
/// invalid_argument: no rows from `from_ms` on, or without a failure among them.
result<report> evaluate_model(const model& with, const history& from,
                              const model_evaluation_options& options,
                              const study_progress& tell = {});

} // namespace harbinger::predict
