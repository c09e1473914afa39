#pragma once

/// Learning from examples and judging what was learned, by the rules of honest evaluation: models
/// features and thresholds are chosen, and probabilities calibrated, on validation rows that the
/// machine at hand did not learn from; then it learns once more, from all but the test rows, which
/// have no part in any of it.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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

/// Features may be too many for the few failures there are. Sets to choose from, where they differ;
/// of those that the best leads by no more than a standard error the one with the fewest:
/// "all"; "rates", without how far a series is from its own past, how long the node has been
/// watched and how its input came; "limits", without how it outgrows the others either: how near it
/// is to what it can not exceed.
std::span<const std::string_view> feature_sets();

/// One kind of machine, learned and chosen without a look at the test rows.
struct study_machine {
  std::string kind;
  std::shared_ptr<const scorer> machine;
  hyper_values hyper;
  std::string features = "all"; ///< of feature_sets(); it ignores the others
  calibration_choice calibrated;
  double threshold = 0.5;               ///< best F1 on validation
  double validation_pr_auc = undefined; ///< by which the best kind is chosen
  double validation_brier = undefined;
  /// What was said of rows it had not learned from, and which those are (indices of examples);
  /// machines by node index.
  judged_rows validation;
  std::vector<size_t> validation_rows;
};

/// A machine that learned from `train` is tried on `validation`. Indices of examples whose label is
/// known.
struct study_fold {
  std::vector<size_t> train, validation;
};
struct study_split {
  std::vector<study_fold> folds; ///< one or more; no row is in the validation of two
  std::vector<size_t> known;     ///< all that may be learned from in the end
  std::vector<size_t> test;
};
/// One fold, by part. Rows whose outcome within the horizon is not known are left out.
study_split split_of(const examples& from, const std::vector<part>& parts, int64_t horizon_ms);
/// Train and validation together are dealt to folds: by `group` (parallel to the rows), one held
/// out at a time, when there are 3..10 groups among them; else by `machine` in the same way, when
/// there are 2..10 of them; else by hash of `machine` to 5 folds.
study_split cross_split_of(const examples& from, const std::vector<part>& parts,
                           const std::vector<split_row>& rows, int64_t horizon_ms, uint64_t seed);

/// `tell`: what is done now, and how far (0..1). invalid_argument: too few rows, or one label only,
/// in train or validation.
using study_progress = std::function<void(const std::string& what, double done)>;
result<study_machine> learn(const examples& from, const study_split& split, const std::string& kind,
                            const study_options& options, const study_progress& tell = {});

/// Standard error of the lead of one's average precision over the other's on the same rows, by
/// resampling groups of machines (what is hard for one is hard for the other, so this is less than
/// either's own). NaN: not to be told.
double lead_error(const judged_rows& best, const judged_rows& other);

/// A kind that learned, and what it said of validation rows (the same for all who compete).
struct contestant {
  std::string kind;
  double pr_auc = undefined; ///< on validation
  const judged_rows* validation = nullptr;
};
struct kind_verdict {
  size_t chosen = 0; ///< index
  std::string why;   ///< in words
};
/// Breiman's rule of one standard error: what the one with the highest average precision leads by
/// no more than that (lead_error) can not be told from it, and the simplest of these, which comes
/// first in scorer_kinds(), is least likely to be there by luck. At least one contestant.
kind_verdict choose_kind(const std::vector<contestant>& all);

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
