#pragma once

/// Examples as machines take them, and what is asked of their scores. Part of study.hpp.

#include <string_view>
#include <vector>

#include "predict/examples.hpp"
#include "predict/scorer.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

/// The feature sets that differ with this schema, the one with the most features first.
std::vector<std::string_view> sets_of(const schema& of);

/// All positives, up to half of `most`, and healthy rows by the rank of a hash; weights make up for
/// those that are left out. A feature outside the set is never known, so that no machine looks at
/// it.
training_rows gather(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms,
                     size_t most, uint64_t seed, std::string_view features = "all");

/// The folds as machines take them.
struct fold_rows {
  training_rows train, validation; ///< `validation` also stops boosting and the network
};
std::vector<fold_rows> gather_folds(const examples& from, const study_split& split,
                                    const study_options& options, size_t most,
                                    std::string_view features);

std::vector<double> raw_scores(const examples& from, const std::vector<size_t>& rows,
                               const scorer& machine);

struct truth {
  std::vector<uint8_t> labels;
  std::vector<double> weights;
};
truth truth_of(const examples& from, const std::vector<size_t>& rows, int64_t horizon_ms);

/// Average precision with weights, ties together.
double average_precision(const std::vector<double>& scores, const std::vector<uint8_t>& labels,
                         const std::vector<double>& weights);

} // namespace harbinger::predict
