#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

namespace harbinger {

/// A value of type `Rep` that does not mix with others of the same representation.
/// Ordered, hashable, default constructible; `value` is the bare representation.
template <class Tag, class Rep>
struct strong {
  using rep = Rep;
  Rep value{};

  constexpr strong() = default;
  constexpr explicit strong(Rep v) : value(std::move(v)) {}

  friend constexpr auto operator<=>(const strong&, const strong&) = default;
  friend constexpr bool operator==(const strong&, const strong&) = default;
};

} // namespace harbinger

template <class Tag, class Rep>
struct std::hash<harbinger::strong<Tag, Rep>> {
  size_t operator()(const harbinger::strong<Tag, Rep>& x) const noexcept {
    return std::hash<Rep>{}(x.value);
  }
};
