#pragma once

/// A schema that a test can write rows of by hand.

#include <memory>

#include "predict/schema.hpp"

namespace harbinger::testing {

/// Metric "heat" with a level and a trend, metric "load" with a level.
inline predict::schema_ptr three_features() {
  using predict::statistic;
  auto out = std::make_shared<predict::schema>();
  out->series.resize(2);
  out->features = {
      {"heat", statistic::level, 0}, {"heat", statistic::trend, 0}, {"load", statistic::level, 1}};
  return out;
}

} // namespace harbinger::testing
