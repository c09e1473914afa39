#pragma once

/// The metrics of a history as the feature engine wants them.

#include <memory>
#include <vector>

#include "history/history.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::predict {

/// In the history's order, which is that of its samples' values.
inline std::shared_ptr<const std::vector<metric_spec>> specs_of(const history& from) {
  auto out = std::make_shared<std::vector<metric_spec>>();
  for (const auto& m : from.metrics)
    out->push_back({m.name, m.reading == history_reading::counter ? metric_kind::counter
                                                                  : metric_kind::gauge});
  return out;
}

} // namespace harbinger::predict
