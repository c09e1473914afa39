#pragma once

/// How a study chooses the features and hyper-parameters of one kind of machine. Part of study.hpp.

#include "predict/study_rows.hpp"

namespace harbinger::predict {

/// What machines say of the validation rows they did not learn from.
struct tried_machine {
  std::vector<double> scores;     ///< parallel to the validation rows, fold after fold
  std::vector<hyper_values> used; ///< a fold
};
result<tried_machine> try_out(const examples& from, const study_split& split,
                              const std::vector<fold_rows>& folds, const std::string& kind,
                              const hyper_values& hyper, const study_options& options);

/// What was said of the validation rows; machines by node, each a group of its own.
judged_rows said_of(const examples& from, const std::vector<size_t>& validation, const truth& known,
                    const std::vector<double>& scores);

struct chosen_settings {
  hyper_values hyper;
  std::string_view features = "all";
};
/// By average precision on `validation` (the validation rows of all folds, one after the other).
result<chosen_settings> choose(const examples& from, const study_split& split,
                               const std::vector<size_t>& validation, const truth& known,
                               const std::string& kind, const study_options& options,
                               const study_progress& tell);

} // namespace harbinger::predict
