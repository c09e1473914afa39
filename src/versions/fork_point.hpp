#pragma once

/// Where a replica's log leaves the true history of its partition (P4). Pure.
///
/// Rests on one fact (P1): an (epoch, seq) names at most one batch, and two logs that both hold it
/// agree on everything before it. The same comparison as Kafka's leader epochs (KIP-101) and Raft's
/// log matching.

#include <optional>

#include "core/version.hpp"

namespace harbinger {

/// Whether `v` lies on the history: its epoch is listed, began no later than `v` and was not over
/// before it. The zero version (nothing written) lies on every history.
bool on_history(const version& v, const epoch_history& truth);

/// The newest version that a log with epochs `own`, ending at `head`, shares with the history
/// `truth`; zero when they share nothing but the beginning. Entries after it are the divergent
/// tail. An empty `own` stands for a log all of `head.epoch`. Nothing when `truth` (which keeps
/// only the newest epochs) does not reach back far enough to tell: the caller must then take the
/// whole log as divergent.
std::optional<version> fork_point(const version& head, const epoch_history& own,
                                  const epoch_history& truth);

/// The epoch of sequence number `seq` on the history; the zero epoch before its first entry.
epoch epoch_of(seq_no seq, const epoch_history& truth);

} // namespace harbinger
