#pragma once

#include <optional>
#include <string_view>

#include "core/version.hpp"

namespace harbinger {

/// "epoch:seq", as to_string() writes it; nothing: it is something else.
std::optional<version> parse_version(std::string_view text);

} // namespace harbinger
