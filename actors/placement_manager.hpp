#pragma once

#include "actors/context.hpp"
#include "placement/placement_book.hpp"

namespace harbinger {

struct placement_manager_state {
  static constexpr const char* name = "placement_manager";
  std::shared_ptr<const settings> config;
  catalog_view catalog;
  placement_book book;
};

/// Carries placement_book. After a restart it refuses queries (errc::unavailable) until the zone
/// manager has sent the zones again: without them nobody is known to be safe. `placement
/// <partition>` explains without promising. Never blocks.
placement_actor::behavior_type
placement_manager(placement_actor::stateful_pointer<placement_manager_state> self, context_ptr ctx);

} // namespace harbinger
