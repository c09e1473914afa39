#pragma once

/// A node's risk in sentences, for the one who is woken by it.

#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "predict/predictor.hpp"

namespace harbinger::predict {

/// The probability and how sure it is; at the other horizons; how it went; how fresh the input is;
/// why; what similar nodes did; which model says so and whether it fits. Nothing: no such node.
std::optional<std::vector<std::string>> explain_in_words(const predictor& of, const node_id& node,
                                                         time_point now);

} // namespace harbinger::predict
