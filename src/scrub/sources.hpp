#pragma once

#include <vector>

#include "scrub/scrub.hpp"
#include "store/partition_head.hpp"

namespace harbinger::scrubbing {

/// Who holds the same as this replica, in order of preference: for a member of the sync set, by its
/// newest configuration, the primary, then the other members; for a copy whom it copies from.
/// Never this node itself.
std::vector<node_address> sources_of(const partition_head& head, const node_id& self,
                                     const std::vector<node_address>& copied_from);

replica replica_of(const partition_head& head, const node_id& self,
                   const std::vector<node_address>& copied_from);

} // namespace harbinger::scrubbing
