#include "core/ids.hpp"

#include <algorithm>
#include <charconv>

namespace harbinger {

std::string to_string(partition_id id) {
  return std::to_string(volume_of(id)) + '.' + std::to_string(index_of(id));
}

std::optional<partition_id> parse_partition_id(std::string_view text) {
  auto number = [](std::string_view digits) -> std::optional<uint32_t> {
    uint32_t value = 0;
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc{} || end != digits.data() + digits.size() || digits.empty())
      return std::nullopt;
    return value;
  };
  auto point = text.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  auto volume = number(text.substr(0, point));
  auto index = number(text.substr(point + 1));
  if (!volume || !index) return std::nullopt;
  return make_partition_id(*volume, *index);
}

bool valid_node_id(std::string_view name) {
  auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
           || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), legal);
}

} // namespace harbinger
