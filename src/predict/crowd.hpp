#pragma once

/// Telemetry of a service with many nodes, for measuring: recorded lives, each lived by many nodes
/// at once.

#include <vector>

#include "core/result.hpp"
#include "history/history.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::predict {

struct crowd_options {
  size_t nodes = 10'000;
  size_t samples_each = 60; ///< newest of a life; a life with fewer gives all it has
  int64_t now_ms = 0;       ///< when the newest sample of every node was taken
};
inline constexpr size_t crowd_nodes_max = 100'000;

/// One batch a node, of "n0" ...: node i has the life of the (i mod lives)th node of `lives` that
/// has any sample, moved in time. Deterministic. invalid_argument: no node has a sample, or nothing
/// is asked for; oversize: more than crowd_nodes_max.
result<std::vector<telemetry_rows>> crowd_of(const history& lives, const crowd_options& options);

/// A batch with the newest sample alone, `later_ms` after it was taken.
telemetry_rows newest_again(const telemetry_rows& rows, int64_t later_ms);

} // namespace harbinger::predict
