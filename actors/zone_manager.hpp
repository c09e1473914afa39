#pragma once

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "zones/maintenance_book.hpp"
#include "zones/zone_tracker.hpp"

namespace harbinger {

struct zone_manager_state {
  static constexpr const char* name = "zone_manager";
  std::shared_ptr<const settings> config;
  catalog_view catalog;
  std::unique_ptr<zone_tracker> tracker;
  maintenance_book planned;
  uint64_t round = 1;
  bool settled = false;
};

/// Carries zone_tracker. A restarted zone manager says nothing until it has seen enter_rounds
/// scorings, so that the others keep the zones they know; ids and generations go on from the
/// process's counters. The current map is sent again every second, and at once on tick{0}.
///
/// Planned maintenance is kept in <state_dir>/maintenance.json, replaced as a whole and fsynced
/// before it is in force. A file of its own and no rows of the catalog: nobody else acts on it but
/// through zones. A file that can not be read is put aside with an alert, and nothing is planned.
///
/// Blocks for the fsync of a change of maintenance, which people make, and never else; spawn it on
/// the pool.
zone_manager_actor::behavior_type
zone_manager(zone_manager_actor::stateful_pointer<zone_manager_state> self, context_ptr ctx);

} // namespace harbinger
