#pragma once

/// Evacuation: a node that is likely to fail soon (zones/endangered.hpp) is emptied before it does,
/// so that its failure stops nothing. Its primaries are handed over to members outside of the
/// zones, in order (docs/ARCHITECTURE.md, "Change of primary"); a ready copy joins the sync set
/// (escalation.hpp), and the endangered member leaves it when there are members enough without it.
/// Pure.

#include <optional>
#include <string>

#include "recovery/escalation.hpp"
#include "zones/endangered.hpp"

namespace harbinger::recovery {

/// After a node refused to, that partition is tried again.
inline constexpr uint32_t hand_over_retry_ms = 5000;
/// Under way at once, beside the changes of primary that must be: a node that hangs holds them up,
/// and nobody else.
inline constexpr size_t hand_overs_max = 32;

/// A living member of the sync set is endangered: "before it fails, n1 in zone 4, risk 0.91", of
/// the primary first.
std::optional<std::string> endangered_member(const partition_row& row, const surroundings& around,
                                             const threats& danger);

/// The primary is endangered and another member that serves is in no zone: why it shall hand over,
/// in words. Nothing while anybody joins, or the partition is not served.
std::optional<std::string> hand_over_due(const partition_row& row, const surroundings& around,
                                         const threats& danger);

/// An endangered member that is not the primary leaves, when replicas_wanted others serve: the
/// highest risk first, then the smaller id. Its replica is dropped as any that no row mentions.
escalation_step evacuate(const partition_row& row, const surroundings& around,
                         const threats& danger);

} // namespace harbinger::recovery
