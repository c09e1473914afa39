#pragma once

/// The rules of the catalog. Pure: a command is checked against the rows as they are and answered
/// with the delta that it would make; whoever owns the rows makes the delta durable and then
/// applies it (catalog_view::apply). Nothing is changed by a command that is refused.

#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/result.hpp"
#include "messages/local.hpp"

namespace harbinger::catalog {

inline constexpr size_t nodes_max = 4096;
inline constexpr size_t partitions_max =
    16'384; ///< in all volumes: a whole map must fit into one message
inline constexpr size_t volumes_max = 1024;
inline constexpr size_t history_max = 64;
inline constexpr uint32_t replicas_max = 5;

/// Whether `next` may take the place of `now`. invalid_argument names the first rule that is
/// broken:
///  1 the partition exists, and id and replicas_wanted stay as they are
///  2 sync_set is sorted, unique, not empty; the primary is in it, or empty (the partition is
///  unavailable) 3 every node named exists in the catalog 4 copies are sorted by node, unique, not
///  in the sync set; the copy id on a node never falls 5 joiners are sorted, unique, not in the
///  sync set, and each is a copy on its way in, or was a joiner before, or with a
///    new epoch was a sync member that is behind, or within one epoch comes back while sync set
///    and joiners together are no more than wanted (what it holds, the primary finds out)
///  6 the epoch never falls; another primary, or another life of the primary, needs a larger epoch
///  7 the history grows by exactly one entry with the epoch (oldest dropped beyond 64), else it is
///  unchanged;
///    its sequence numbers never fall
///  8 nobody enters the sync set but former joiners within one epoch; with a new epoch nobody
///  enters at all
///    (only a former sync member is known to hold every acknowledged write, P2)
result<void> check_row(const catalog_view& view, const partition_row& now,
                       const partition_row& next);

/// The same for a change of last resort, which breaks rules 7 and 8: a copy of the row becomes the
/// primary in a new epoch, alone in the sync set, without joiners; the history loses the epochs
/// that began after what the copy holds and grows by the new one.
result<void> check_last_resort(const catalog_view& view, const partition_row& now,
                               const partition_row& next);

/// conflict (detail: the revision there) when `expected` is not the row's revision;
/// unknown_partition; invalid_argument.
result<partition_map> change(const catalog_view& view, const change_partition& command);
/// A new life, or a repeated hello. The delta is empty (revision == previous) when nothing changes.
/// stale_epoch for an older incarnation; invalid_argument; overloaded beyond nodes_max.
result<partition_map> register_node(const catalog_view& view, const node_hello& hello);
/// up <-> suspect, and to dead. unknown_node; stale_epoch when the node has another life;
/// invalid_argument for dead -> up, which only a hello does.
result<partition_map> set_state(const catalog_view& view, const set_node_state& command);
/// A volume with rows of epoch 1 and no history: recovery configures the members and gives each its
/// first primary. `primary` of the row is the one that is meant. Deterministic; primaries and
/// replicas are balanced over the nodes that are up, counting what is there already; replicas avoid
/// sharing a value of any `spread` attribute where that is possible. no_candidate: fewer nodes up
/// than replicas; in_use: the name is taken; invalid_argument; overloaded.
result<partition_map> create_volume(const catalog_view& view,
                                    const harbinger::create_volume& command,
                                    const std::vector<std::string>& spread);

/// The position of an epoch in the history, newest `history_max` kept.
epoch_history grown(epoch_history history, epoch_start next);

} // namespace harbinger::catalog
