#pragma once

/// Features in words, for people.

#include <span>
#include <string>
#include <string_view>

#include "predict/schema.hpp"

namespace harbinger::predict {

/// What stands out about a metric in a feature row, with values: "resident memory as a share of its
/// limit is at 83 %, 4.2 deviations above this node's own past, rising 1.3 %/s, at its limit in 14
/// s".
std::string describe_metric(std::string_view metric, std::span<const double> row,
                            const schema& schema, const time_scales& scales);

} // namespace harbinger::predict
