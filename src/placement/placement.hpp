#pragma once

/// Which node shall hold a copy of a partition. Pure: the world is an argument.

#include <map>
#include <string>
#include <vector>

#include "core/settings.hpp"
#include "messages/catalog.hpp"
#include "messages/local.hpp"
#include "messages/zones.hpp"

namespace harbinger {

/// What placement knows of one node.
struct placement_node {
  node_row row;
  uint64_t used_bytes = 0; ///< reported, plus what is promised to it and not yet reported
  uint32_t copies = 0;     ///< of all partitions, under way or ready, promised ones included
  uint32_t copies_under_way = 0;
  double writes_per_s = 0.0;            ///< into the partitions it is primary of
  std::map<std::string, double> rtt_ms; ///< to each peer, as it measured it
};

struct placement_world {
  std::map<node_id, placement_node> nodes;
  zone_map zones;
  uint32_t copies_under_way_max = 4; ///< per node (prefetch.concurrent_per_node_max)
};

/// Every node is either in `ranked` (best first) or in `rejected` with its reason; `target` is the
/// first of `ranked`.
///
/// Hard filters, in this order, the first that applies is the reason: not up; in a zone; exposed by
/// a zone; already holds a replica or copy of the partition; named in `keep_away`; too many copies
/// under way; no room under the quota (used + size
/// <= quota * capacity; a node that states no capacity has no room); shares the value of a `spread`
/// attribute with a replica that stays (replicas and copies in zones, or on nodes that are not up,
/// are expected to be lost and do not count). When `spread` alone leaves nobody, it alone is
/// waived, and the terms of the chosen say so. The others never are (P6).
///
/// Score: weighted sum of terms in 0..1, larger is better: free (room left after this copy), load
/// (1 - its share of the heaviest write load), risk (0 for a node the brake left out of the zones,
/// else 1), rtt (10 / (10 + ms) to the partition's primary; 0.5 when not measured), balance (1 -
/// its share of the most copies on one node). Ties go to the smaller id.
placement place(const placement_query& query, const partition_row& partition,
                const placement_world& world, const placement_settings& rules);

} // namespace harbinger
