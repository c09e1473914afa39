#pragma once

/// Times and durations as people write them. Everything is UTC; no locale, no time zone database.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace harbinger {

/// Length of a unit in milliseconds: "ms", "s", "min", "h", "d"; 0: no such unit.
int64_t unit_ms(std::string_view unit);

/// "90s", "30min", "24h", "30d", "500ms", "1.5h". invalid_argument, naming the text, otherwise and
/// for negative ones.
result<int64_t> parse_duration_ms(std::string_view text);
/// The largest unit that divides it: "24h" comes back as "1d".
std::string duration_text(int64_t ms);

/// Milliseconds since 1970 of `text` by `format`: %Y year, %y year of one or two digits (69..99 are
/// 19xx), %m month, %b its English name of three letters, %d day, %H, %M, %S (fractions of a second
/// are taken to the millisecond), %% a percent sign; everything else stands for itself. Numbers may
/// have fewer digits than usual. What the format does not name counts as the first: %b-%y gives the
/// first of the month, midnight. The format "iso8601" takes 2015-01-02, 2015-01-02 06:00,
/// 2015-01-02T06:00:00.000 with nothing, Z or +hh:mm behind it.
/// invalid_argument when the text does not fit, or is no date (February 30).
result<int64_t> parse_time_ms(std::string_view text, std::string_view format);

/// "2015-01-02T06:00:00Z", with milliseconds only when there are some.
std::string time_text(int64_t time_ms);

} // namespace harbinger
