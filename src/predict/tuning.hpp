#pragma once

/// Hyper-parameters: which there are, and their search by dlib's global optimiser (LIPO with a
/// trust region; Malherbe and Vayatis, 2017, and King).

#include <functional>
#include <vector>

#include "predict/scorer.hpp"

namespace harbinger::predict {

struct hyper_range {
  const char* name;
  double low, high, usual;
  bool searched;    ///< otherwise the usual value, unless given
  bool logarithmic; ///< searched so
  bool integer;
  const char* effect; ///< for people
};

/// What a kind knows; empty for an unknown kind.
///
///   logistic  l2 1e-5..3 (.01), clip 2..10 (5), positive_power 0..1 (.5)
///   forest    leaf_rows_min 1..200 (20), features_tried .3..5 (1), healthy_ratio 1..30 (20),
///             smoothing .1..20 (1); not searched: trees 1..150 (100)
///   network   hidden 4..48 (16), l2 1e-4..0.3 (.003), positive_power 0..1 (.5); not searched:
///             hidden2 0..32 (0), rounds 1..300 (60)
///   boosting  learning_rate .02..0.3 (.08), depth 2..8 (5), leaf_weight_min .5..50 (5),
///             feature_share .1..1 (.5), l2 .1..50 (2), positive_power 0..1 (.5); not searched:
///             rounds 1..1000 (150), bags 1..8 (2), row_share .2..1 (.8)
std::span<const hyper_range> hyper_ranges(std::string_view kind);

/// `given` with the usual values for the rest, integers rounded. invalid_argument: an unknown kind
/// or name, or a value outside its range.
result<hyper_values> complete_hyper(std::string_view kind, const hyper_values& given);

struct tuning_options {
  size_t evaluations = 20; ///< calls of the objective, the one of the usual values included
  uint64_t seed = 1;
};
struct tuning_trial {
  hyper_values hyper;
  double value = 0; ///< NaN: could not be judged
};
struct tuning_result {
  hyper_values best;
  double value = 0;
  std::vector<tuning_trial> trials; ///< in their order
};
inline constexpr size_t tuning_evaluations_max = 1000;

/// Larger is better (say, average precision on validation rows). Anything not finite counts as
/// worse than all others.
using tuning_objective = std::function<double(const hyper_values&)>;

/// Tries the usual values, then what the search asks for, one after the other. The same objective,
/// options and seed give the same result; time is bounded by the count alone. Values in `fixed`
/// are not searched. invalid_argument: as complete_hyper, no evaluations, or no trial was finite.
result<tuning_result> tune(std::string_view kind, const tuning_objective& objective,
                           const tuning_options& options, const hyper_values& fixed = {});

} // namespace harbinger::predict
