#pragma once

/// From recorded runs to labelled rows.

#include <map>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "predict/evaluation.hpp"
#include "predict/features.hpp"
#include "predict/recordings.hpp"

namespace harbinger::predict {

/// Rows of service_schema()->width() values, one after the other; the vectors run parallel.
struct dataset {
  std::vector<double> values;  ///< NaN: not known
  std::vector<uint8_t> labels; ///< died within the horizon
  std::vector<uint32_t> run;   ///< index into `runs`
  std::vector<node_id> node;
  std::vector<int64_t> time_ms;
  std::vector<double> weight; ///< how many rows of the same kind it stands for
  std::vector<run_info> runs;
  uint64_t censored = 0; ///< rows whose future is not known
  uint64_t bad_lines = 0;
  std::vector<std::string> skipped; ///< runs that could not be read, with the reason

  size_t size() const { return labels.size(); }
  std::span<const double> row(size_t i) const;
  std::map<std::string, run_outcome> outcomes() const;
};

/// Labels of one row; nothing when it is censored: after the death, or within a horizon of the end
/// of what is known without a death in it.
std::optional<uint8_t> label_of(const run_info& run, const node_id& node, int64_t time_ms,
                                double horizon_s);

/// Replays `rows` through the feature code and takes a row of every node each `step_ms`.
void add_run(dataset& to, const run_info& run, const std::vector<recorded_rows>& rows,
             const time_scales& scales, int64_t step_ms);
/// All runs of the directory but the excluded, by name. A run that can not be read is skipped and
/// named. not_found when there is no run at all.
result<dataset> load_dataset(const std::string& directory, const std::vector<std::string>& exclude,
                             const time_scales& scales, int64_t step_ms);

/// Indices of at most `rows_max` rows: positives and healthy ones each thinned evenly by rank of a
/// hash, so that the choice is the same each time; positives get up to half. `weight` (parallel)
/// makes up for it.
struct subsample {
  std::vector<size_t> rows;
  std::vector<double> weight;
};
subsample choose_rows(const dataset& from, const std::vector<size_t>& candidates, size_t rows_max);

} // namespace harbinger::predict
