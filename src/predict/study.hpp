#pragma once

/// Learning from examples and judging what was learned, by the rules of honest evaluation: models
/// and thresholds are chosen on validation rows, calibrated on rows the machine did not learn from,
/// and judged on test rows that had no part in either.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "predict/calibration.hpp"
#include "predict/examples.hpp"
#include "predict/judgement.hpp"
#include "predict/scorer.hpp"
#include "predict/splits.hpp"

namespace harbinger::predict {

struct study_options {
  int64_t horizon_ms = 0;
  std::vector<std::string> kinds; ///< empty: all
  size_t evaluations = 12;        ///< of the search for hyper-parameters, a kind; 1: the usual ones
  size_t training_rows = 150'000; ///< most rows to learn from: all positives, some healthy ones
  size_t tuning_rows = 60'000;    ///< the same while searching
  uint64_t seed = 1;
  unsigned threads = 2;
};

/// One kind of machine, learned and chosen without a look at the test rows.
struct study_machine {
  std::string kind;
  std::shared_ptr<const scorer> machine;
  hyper_values hyper;
  calibration_choice calibrated;
  double threshold = 0.5;               ///< best F1 on validation
  double validation_pr_auc = undefined; ///< by which the best kind is chosen
  double validation_brier = undefined;
};

/// Rows of one split, by part.
struct study_split {
  std::vector<size_t> train, validation, test; ///< indices of examples whose label is known
};
/// Rows whose outcome within the horizon is not known are left out.
study_split split_of(const examples& from, const std::vector<part>& parts, int64_t horizon_ms);

/// `tell`: what is done now, and how far (0..1). invalid_argument: too few rows, or one label only,
/// in train or validation.
using study_progress = std::function<void(const std::string& what, double done)>;
result<study_machine> learn(const examples& from, const study_split& split, const std::string& kind,
                            const study_options& options, const study_progress& tell = {});

/// Probabilities and raw scores of those rows.
struct study_scores {
  std::vector<double> probability, score;
};
study_scores score_rows(const examples& from, const std::vector<size_t>& rows,
                        const study_machine& with);

/// How much average precision on (at most 20,000 of) the rows is lost when all features of a metric
/// are shuffled together over them (one alone is hidden by those that tell the same); heaviest
/// first. Deterministic.
struct importance {
  std::string metric;
  double lost = 0;
};
std::vector<importance> importances(const examples& from, const std::vector<size_t>& rows,
                                    const study_machine& of, int64_t horizon_ms, uint64_t seed);

} // namespace harbinger::predict
