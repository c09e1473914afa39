#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "core/errc.hpp"

namespace harbinger {

/// An expected failure: what kind, and in words what and where. `detail` is for people, `code` for
/// programs.
struct error {
  errc code = errc::internal;
  std::string detail;
  friend bool operator==(const error&, const error&) = default;
};

inline std::string to_string(const error& e) {
  std::string text{to_string(e.code)};
  return e.detail.empty() ? text : text + ": " + e.detail;
}

template <class T = void>
using result = tl::expected<T, error>;

inline tl::unexpected<error> fail(errc code, std::string detail = {}) {
  return tl::unexpected<error>(error{code, std::move(detail)});
}

} // namespace harbinger
