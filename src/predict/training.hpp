#pragma once

/// From a history to a model. Deterministic: the same history, schema and options give the same
/// bytes.

#include <string>
#include <vector>

#include "history/history.hpp"
#include "predict/model.hpp"
#include "predict/row_options.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

/// How the machines that choose and calibrate are kept apart from those that learn.
enum class validation_rule : uint8_t {
  later,  ///< the last part of the time validates, a horizon after what is learned from
  groups, ///< each group of machines in turn validates (study.hpp: cross_split_of)
};
constexpr auto enum_names(validation_rule) { return std::array{"later", "groups"}; }

struct training_options {
  std::vector<int64_t> horizons_ms; ///< 1..8, at least 1 ms; the first is that of the scales
  std::vector<double> windows_s;    ///< empty: default_windows (take_examples.hpp) of the first
  double stale_after_s = 0;         ///< 0: three decisions
  row_options rows;                 ///< every_ms 0: the first horizon
  validation_rule rule = validation_rule::later;
  double validation_share = 0.2; ///< of `later`
  /// Of the figures in the report; 0: each machine's own threshold.
  double warning_at = 0;
  std::string cause;   ///< attribute that says why a node failed, where failures have no code
  study_options study; ///< its horizon is not used
};

/// For each horizon every kind is tried, and of those that the best leads, in average precision on
/// validation, by no more than a standard error of the lead the simplest is taken (choose_kind of
/// study.hpp; in the order of scorer_kinds).
/// `schema`: which features; null: history_schema(from).
///
/// The report (JSON) says on what it was trained (history, nodes, rows, failures, from and until
/// when), and for each horizon: which kind and why, what each kind reached, features,
/// hyper-parameters, calibration, threshold, base rate, and the figures of judgement.hpp on
/// validation rows (the machine that judged them did not learn from them; the calibration did, so
/// those are a little flattering).
/// Parts of the model: model_part::profile and model_part::cases, both of the first horizon. Cases
/// carry the probability that validation gave, where there was one.
/// invalid_argument, with the reason, when the history has too little of something: 2 machines with
/// a failure, 1 healthy row.
result<model> train(const history& from, schema_ptr schema, const training_options& options,
                    const study_progress& tell = {});

} // namespace harbinger::predict
