#pragma once

/// What a feature row says of how far the node is from its own past, by groups of metrics. Pure.

#include <array>
#include <span>
#include <vector>

#include "messages/risk.hpp"
#include "predict/schema.hpp"

namespace harbinger::predict {

class movement_reader {
public:
  explicit movement_reader(const schema& of);
  /// Mean of the known features of each group, which are distances from the node's own past
  /// (statistic::baseline); of errors: those of the short window, log(1 + n).
  group_deviations read(std::span<const double> row) const;

private:
  std::array<std::vector<size_t>, metric_groups> features_;
};

} // namespace harbinger::predict
