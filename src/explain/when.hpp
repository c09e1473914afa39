#pragma once

/// Times as people say them when they ask about the past. Pure.

#include <cstdint>
#include <string>

#include "core/result.hpp"

namespace harbinger::explain {

/// Milliseconds since 1970 of "2026-11-28T03:04:05Z" (also with an offset; without either it is
/// UTC), "2026-11-28 03:04", "03:04" or "03:04:05" (UTC; the latest such time that is not in the
/// future), "10m ago" and "-10m" (ms, s, m, min, h, d), "now", and a number: seconds since 1970, or
/// milliseconds when it has 12 digits or more. invalid_argument, naming the text, for anything else
/// and for the future.
result<int64_t> parse_when(std::string text, int64_t now_ms);

/// "12 s", "5 min", "3 h", "4 d": roughly, for people.
std::string rough_duration(int64_t ms);

} // namespace harbinger::explain
