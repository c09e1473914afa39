#pragma once

/// The only writer of the catalog. Spawn detached: every change waits for the disk. Needs
/// context::central.

#include <memory>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"

namespace harbinger {

struct catalog_keeper_state {
  static constexpr const char* name = "catalog_keeper";
  catalog_view view; ///< what is durable
};

/// Loads the catalog from context::central->catalog; quits when that is damaged. Every change goes
/// to all of names::catalog_followers before its asker gets the answer. A registered node, a
/// changed state and a new volume are raised as events; refused commands are counted.
catalog_keeper_actor::behavior_type
catalog_keeper(catalog_keeper_actor::stateful_pointer<catalog_keeper_state> self, context_ptr ctx);

} // namespace harbinger
