#pragma once

#include "core/errc.hpp"

namespace harbinger {

/// What `harbingerd` and `harbinger` exit with. Stable: scripts and systemd units rely on the
/// numbers.
enum class exit_code : int {
  ok = 0,
  failure = 1,     ///< it was tried and went wrong
  usage = 2,       ///< the command line makes no sense
  unreachable = 3, ///< nobody answered
  refused = 4,     ///< configuration, request or state refused as invalid
  in_use = 5,      ///< a port or the state directory belongs to another process
};

constexpr int to_int(exit_code code) { return static_cast<int>(code); }

constexpr exit_code exit_code_of(errc code) {
  switch (code) {
  case errc::timeout:
  case errc::unavailable: return exit_code::unreachable;
  case errc::in_use: return exit_code::in_use;
  case errc::malformed:
  case errc::oversize:
  case errc::unsupported:
  case errc::invalid_argument:
  case errc::unknown_node:
  case errc::unknown_partition:
  case errc::not_found:
  case errc::no_candidate:
  case errc::condition_failed:
  case errc::conflict: return exit_code::refused;
  default: return exit_code::failure;
  }
}

} // namespace harbinger
