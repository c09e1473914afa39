#pragma once

/// A log entry as a store keeps it: with what the store alone knows, whether it changed anything.

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "messages/replication.hpp"

namespace harbinger {

struct logged_entry {
  log_entry entry;
  bool idle = false; ///< a condition did not hold, its request was a repetition, or the like
  friend bool operator==(const logged_entry&, const logged_entry&) = default;
};

/// The entry as on the wire; before an idle one stands a byte that begins no msgpack value.
std::string encode_logged(const log_entry& entry, bool idle);
/// malformed: damaged.
result<logged_entry> decode_logged(std::string_view stored);

} // namespace harbinger
