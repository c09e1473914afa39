#pragma once

#include <string>
#include <string_view>

namespace harbinger::wire {

/// Whether every byte belongs to a well-formed UTF-8 sequence (RFC 3629: no surrogates, no overlong
/// forms, at most U+10FFFF).
bool valid_utf8(std::string_view text);

/// `text` with each byte that does not belong to a well-formed sequence replaced by '?'.
std::string clean_utf8(std::string_view text);

} // namespace harbinger::wire
