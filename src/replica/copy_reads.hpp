#pragma once

/// Reads from copies, which are outside of the sync set: what is read was the partition's state
/// once, and how old it may be is said by who asks. Pure.

#include <optional>

#include "core/result.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

/// How the copy follows, by whoever pulls for it; absent: nobody does in this life of the node.
struct copy_currency {
  bool following = false;
  double lag_ms = 0.0; ///< since it last knew that it had everything its source had
};

/// Whether the copy may answer. unavailable: this node holds no complete copy, or one with entries
/// that are not known to be committed (it is on its way into the sync set); gap: it is not at
/// `at_least` yet, or may be older than `max_lag_ms` (0: however old).
result<void> readable_copy(const partition_head& head, const std::optional<copy_currency>& currency,
                           version at_least, uint32_t max_lag_ms);

} // namespace harbinger
