#pragma once

/// What a node says to the centre of all its replicas. Pure.

#include <map>
#include <string>
#include <vector>

#include "messages/control.hpp"
#include "replica/copy_table.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

struct node_replicas {
  std::vector<partition_head> heads;              ///< all that the store holds
  std::map<partition_id, replica_report> known;   ///< by the replicas themselves (replica_host)
  std::map<partition_id, copy_table::row> copies; ///< under way, followed, or failed
  std::map<partition_id, std::string> damage;     ///< records known to be damaged, and how
};

/// A report for each head, by its replica if that speaks for it, and for each copy that failed or
/// was begun before anything of it was stored. A copy that nobody pulls for is detached.
std::vector<replica_report> node_reports(node_replicas replicas, time_point now);

} // namespace harbinger
