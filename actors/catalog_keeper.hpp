#pragma once

/// The only writer of the catalog. Spawn detached: every change waits for the disk. Needs
/// context::central.

#include <memory>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "catalog/change_group.hpp"

namespace harbinger {

struct catalog_keeper_state {
  static constexpr const char* name = "catalog_keeper";
  catalog_view view; ///< what is durable, and the changes of `group`
  catalog::change_group group;
  struct asker {
    caf::typed_response_promise<partition_changed> answer;
    partition_row row;
  };
  std::vector<asker> askers; ///< of the group's changes, in order
  uint64_t round = 0;        ///< of the tick that ends the group
  ~catalog_keeper_state();   ///< tells those who wait that there will be no answer
};

/// Loads the catalog from context::central->catalog; quits when that is damaged. Every change goes
/// to all of names::catalog_followers before its asker gets the answer. A registered node, a
/// changed state and a new volume are raised as events; refused commands are counted. Changes of
/// partitions that came while the disk was busy become one synced write.
catalog_keeper_actor::behavior_type
catalog_keeper(catalog_keeper_actor::stateful_pointer<catalog_keeper_state> self, context_ptr ctx);

} // namespace harbinger
