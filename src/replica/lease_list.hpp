#pragma once

/// Read leases of many idle partitions in one message (replica.lease): a list of fixed-width rows,
/// so that thousands of them cost little to write and to read. Pure.

#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "messages/common.hpp"

namespace harbinger::replication {

/// The sender is primary of `partition` in `epoch` and has nothing after `newest`.
struct lease_item {
  partition_id partition;
  harbinger::epoch epoch;
  version newest;
  friend auto operator<=>(const lease_item&, const lease_item&) = default;
};

inline constexpr size_t lease_items_max = 16'384; ///< in one message

/// 32 bytes an item: four little-endian words, partition, epoch, newest.epoch, newest.seq.
bytes pack(const std::vector<lease_item>& items);
/// malformed: no multiple of 32 bytes; oversize: more than lease_items_max.
result<std::vector<lease_item>> unpack_leases(std::string_view packed);

/// 8 bytes each.
bytes pack(const std::vector<partition_id>& partitions);
result<std::vector<partition_id>> unpack_partitions(std::string_view packed);

} // namespace harbinger::replication
