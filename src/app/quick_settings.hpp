#pragma once

/// The settings that make minutes of a real cluster seconds of the demo, the same in demo,
/// campaign and benchmarks: telemetry and windows must mean the same where a model is trained and
/// where it is used.

#include <map>
#include <string>

#include "core/result.hpp"
#include "core/settings.hpp"

namespace harbinger {

/// As TOML literals, for cluster.hpp.
std::map<std::string, std::string> quick_central_settings();
std::map<std::string, std::string> quick_node_settings();

/// What the centre makes of quick_central_settings().
result<settings> parsed_quick_settings();

} // namespace harbinger
