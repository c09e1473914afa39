#pragma once

/// Whether a model still fits what it is used on: drift of its inputs and of its calibration.

#include <memory>
#include <optional>

#include "predict/calibration_drift.hpp"
#include "predict/drift.hpp"
#include "predict/model.hpp"

namespace harbinger::predict {

class model_watch {
public:
  /// Half-lives and intervals follow the model's horizon: inputs are compared over the last ten
  /// horizons, but at least an hour; calibration over the last hundred, but at least a week.
  explicit model_watch(const model& of);

  /// Of a node with fresh input. The same clock in all calls.
  void scored(const node_id& node, std::span<const double> row, double probability, int64_t now_ms);
  void failed(const node_id& node, int64_t time_ms) { calibration_.failed(node, time_ms); }
  /// On purpose, or followed no more.
  void left(const node_id& node, int64_t time_ms) { calibration_.left(node, time_ms); }
  /// Once a scoring round, after the rows.
  void advance(int64_t now_ms) { calibration_.advance(now_ms); }

  /// Nothing: the model carries no profile of what it learned from.
  std::optional<drift_report> inputs(int64_t now_ms) const;
  calibration_report calibration() const { return calibration_.report(); }

private:
  int64_t horizon_ms_;
  std::optional<input_drift> inputs_;
  calibration_drift calibration_;
};

} // namespace harbinger::predict
