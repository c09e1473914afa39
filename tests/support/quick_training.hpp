#pragma once

/// Training that a test need not wait for: few kinds, nothing searched.

#include <string>
#include <utility>
#include <vector>

#include "predict/training.hpp"
#include "tests/support/failing_history.hpp"

namespace harbinger::testing {

/// Of failing_history: decisions four times a day.
inline predict::training_options quick_training(std::vector<int64_t> horizons_ms,
                                                std::vector<std::string> kinds) {
  predict::training_options out;
  out.horizons_ms = std::move(horizons_ms);
  out.windows_s = {6 * 3600, 24 * 3600, 7 * 24 * 3600};
  out.rows.every_ms = 6 * hour;
  out.study.kinds = std::move(kinds);
  out.study.evaluations = 1;
  return out;
}

/// Of synthetic_runs.hpp: a decision each second, what will be within 12 s.
inline predict::training_options quick_training_of_runs(std::vector<std::string> kinds,
                                                        size_t rows_max) {
  predict::training_options out;
  out.horizons_ms = {12'000};
  out.windows_s = {3, 10, 40};
  out.stale_after_s = 2;
  out.rows.every_ms = 1000;
  out.rows.machine = "run";
  out.rule = predict::validation_rule::groups;
  out.cause = "trouble";
  out.study.kinds = std::move(kinds);
  out.study.evaluations = 1;
  out.study.training_rows = rows_max;
  return out;
}

} // namespace harbinger::testing
