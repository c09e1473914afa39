#pragma once

/// The seeds of a test that runs many: from HARBINGER_SEED on (default 1), HARBINGER_SEEDS of them.

#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <string>

namespace harbinger::test {

inline auto seeds(uint64_t count) {
  auto number = [](const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::stoull(text) : otherwise;
  };
  auto first = number("HARBINGER_SEED", 1);
  return std::views::iota(first, first + number("HARBINGER_SEEDS", count));
}
/// What to type to see one run again.
inline std::string repeat_with(uint64_t seed) {
  return "HARBINGER_SEED=" + std::to_string(seed) + " HARBINGER_SEEDS=1";
}

} // namespace harbinger::test
