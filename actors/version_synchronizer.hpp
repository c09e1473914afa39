#pragma once

#include "actors/context.hpp"
#include "versions/replica_tracker.hpp"

namespace harbinger {

struct version_synchronizer_state {
  static constexpr const char* name = "version_synchronizer";
  catalog_view catalog;
  replica_tracker tracker;
  uint64_t round = 1;
};

/// Carries replica_tracker: what changed goes to prefetch_coordinator and recovery_coordinator at
/// once, everything every five seconds and on tick{0}. After a restart it knows everything again
/// once each node has reported (report_ms). Never blocks.
version_synchronizer_actor::behavior_type
version_synchronizer(version_synchronizer_actor::stateful_pointer<version_synchronizer_state> self,
                     context_ptr ctx);

} // namespace harbinger
