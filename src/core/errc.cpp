#include "core/errc.hpp"

#include <array>

namespace harbinger {
namespace {
constexpr std::array names{
    "internal",         "malformed",         "oversize",     "unsupported",   "invalid_argument",
    "unknown_node",     "unknown_partition", "not_primary",  "not_found",     "stale_epoch",
    "stale_term",       "conflict",          "gap",          "diverged",      "log_trimmed",
    "checksum",         "no_space",          "io",           "in_use",        "overloaded",
    "timeout",          "unavailable",       "no_candidate", "lease_expired", "cancelled",
    "condition_failed", "stale_request"};
static_assert(names.size() == static_cast<size_t>(errc::stale_request) + 1);
} // namespace

std::string_view to_string(errc code) {
  auto index = static_cast<size_t>(code);
  return index < names.size() ? names[index] : "internal";
}

std::optional<errc> parse_errc(std::string_view name) {
  for (size_t i = 0; i < names.size(); ++i)
    if (name == names[i]) return static_cast<errc>(i);
  return std::nullopt;
}

} // namespace harbinger
