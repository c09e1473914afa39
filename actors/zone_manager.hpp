#pragma once

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "zones/zone_tracker.hpp"

namespace harbinger {

struct zone_manager_state {
  static constexpr const char* name = "zone_manager";
  std::shared_ptr<const settings> config;
  catalog_view catalog;
  std::unique_ptr<zone_tracker> tracker;
  uint64_t round = 1;
  bool settled = false;
};

/// Carries zone_tracker. A restarted zone manager says nothing until it has seen enter_rounds
/// scorings, so that the others keep the zones they know; ids and generations go on from the
/// process's counters. The current map is sent again every second, and at once on tick{0}. Never
/// blocks; spawn it on the pool.
zone_manager_actor::behavior_type
zone_manager(zone_manager_actor::stateful_pointer<zone_manager_state> self, context_ptr ctx);

} // namespace harbinger
