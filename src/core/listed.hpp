#pragma once

#include <string>

namespace harbinger {

/// "a, b, c": for people.
template <class Names>
std::string listed(const Names& names) {
  std::string out;
  for (const auto& name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

} // namespace harbinger
