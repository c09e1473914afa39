#pragma once

/// From a history to examples: what was known of a node at a moment, and how long it then lived.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "history/history.hpp"
#include "predict/schema.hpp"

namespace harbinger::predict {

/// Rows in order of time, then node; the vectors run parallel.
struct examples {
  schema_ptr schema;
  time_scales scales;
  std::vector<float> values;  ///< width() a row; NaN: not known
  std::vector<uint32_t> node; ///< index into history::nodes
  std::vector<int64_t> time_ms;
  std::vector<int64_t> failure_in_ms; ///< until its next failure; -1: none was seen
  std::vector<int64_t> known_for_ms;  ///< how much longer it was watched
  std::vector<float> weight;          ///< how many rows of the same kind it stands for

  size_t size() const { return node.size(); }
  size_t width() const { return schema->width(); }
  std::span<const float> row(size_t i) const { return {values.data() + i * width(), width()}; }
  /// Fails within the horizon; nothing when that is not known (censored).
  std::optional<uint8_t> label(size_t i, int64_t horizon_ms) const;
};

struct example_options {
  int64_t every_ms = 0; ///< a decision about every node, at multiples of this after `phase_ms`
  int64_t phase_ms = 0;
  /// Of the rows whose node does not fail within `near_ms` only this share is kept, chosen by a
  /// hash of node and time, so that the choice is the same each time; their weight makes up for it.
  double healthy_share = 1.0;
  int64_t near_ms = 0;
  size_t rows_max = 20'000'000; ///< more: oversize
};

/// Replays the history through the engine that also serves live. At a moment everything that has
/// arrived by then is known, nothing after. A node takes part while it is watched, not after its
/// shutdown, and not while it is down (from a failure to its `back_ms`). `progress`: 0..1.
/// invalid_argument for `every_ms` below 1 or a history without nodes; oversize.
result<examples> make_examples(const history& from, schema_ptr schema, const time_scales& scales,
                               const example_options& options,
                               const std::function<void(double)>& progress = {});

} // namespace harbinger::predict
