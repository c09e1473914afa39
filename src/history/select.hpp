#pragma once

/// Parts of a history.

#include <functional>

#include "history/history.hpp"

namespace harbinger {

/// Those nodes, in their order, and what is theirs.
history keep_nodes(history from, const std::function<bool(const history_node&)>& wanted);

/// The history as it was known then: what comes later is not there, and no node's fate is known
/// beyond.
history cut_history(history from, int64_t until_ms);

} // namespace harbinger
