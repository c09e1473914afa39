#pragma once

/// Keeping a partition, whose primary is well, at its wanted number of replicas. Pure.

#include <map>
#include <string>
#include <vector>

#include "recovery/partition_recovery.hpp"

namespace harbinger::recovery {

/// A joiner must catch up within this, else its copy is given up and made anew.
inline constexpr uint32_t join_patience_ms = 15'000;

/// Nodes whose copies can join: outside of zones first, then newest version, then id. A copy fits
/// when its node lives, it is complete, is a prefix of the row's history and not known to differ.
std::vector<node_id> ready_copies(const partition_row& row, const surroundings& around);
/// Puts ready copies among the joiners, as many as are missing.
void add_joiners(partition_row& row, const surroundings& around);

struct repair {
  partition_row row;                ///< equal to the present one: nothing to swap
  std::vector<std::string> reasons; ///< why it differs
  bool copy_wanted = false;         ///< replicas are missing and no copy is there or on its way
};
/// The row as it should be: dead members and lost replicas out of the sync set, joiners that caught
/// up into it, joiners that failed out with their copies, ready copies among the joiners.
/// `joining_since`: when each joiner was first seen as one. `may_add` false: no new joiners, no
/// copies wanted. Precondition: needs_failover said no.
repair wanted_row(const partition_row& row, const surroundings& around,
                  const std::map<node_id, time_point>& joining_since, bool may_add = true);

/// Who must be configured for the row: what each of these nodes reports is older than the row, or
/// another role. Role and addresses are filled in, the term is the caller's.
struct due_configuration {
  node_id node;
  configure_replica command;
};
std::vector<due_configuration> due_configurations(const partition_row& row,
                                                  const surroundings& around);
/// The command for one member, whether due or not.
configure_replica configuration_for(const partition_row& row, const catalog_view& view,
                                    const node_id& node);

/// The primary serves the row's epoch, as far as it told.
bool available(const partition_row& row, const surroundings& around);
/// Available, with the wanted number of members on living nodes, all configured.
bool complete(const partition_row& row, const surroundings& around);

} // namespace harbinger::recovery
