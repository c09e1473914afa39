#pragma once

/// What a store can tell clients who follow a partition's changes.

#include "messages/client.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

/// The reply to client.watch, from the log: what entries after `ask.after` and up to `committed`
/// changed. Without changes, and `next` perhaps further on, when none of them changed anything or
/// there are none. log_trimmed: the log begins later; diverged: `ask.after` is not in this
/// partition's history; unavailable: the asker knows more than this replica. `current`: nobody else
/// is primary; only then a version beyond this log can be said to be in no history.
result<changes_reply> read_changes(const partition_store& store, const watch_request& ask,
                                   seq_no committed, bool current);

} // namespace harbinger
