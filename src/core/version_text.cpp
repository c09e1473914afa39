#include "core/version_text.hpp"

#include <charconv>

namespace harbinger {

std::optional<version> parse_version(std::string_view text) {
  version v;
  auto colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  auto first = std::from_chars(text.data(), text.data() + colon, v.epoch.value);
  auto second = std::from_chars(text.data() + colon + 1, text.data() + text.size(), v.seq.value);
  if (first.ec != std::errc{} || first.ptr != text.data() + colon || second.ec != std::errc{}
      || second.ptr != text.data() + text.size())
    return std::nullopt;
  return v;
}

} // namespace harbinger
