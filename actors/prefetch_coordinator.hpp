#pragma once

#include <map>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "prefetch/protection_board.hpp"

namespace harbinger {

struct prefetch_coordinator_state {
  static constexpr const char* name = "prefetch_coordinator";
  std::shared_ptr<const settings> config;
  catalog_view catalog;
  std::unique_ptr<protection_board> board;
  std::map<copy_key, partition_prefetcher_actor> prefetchers;
  uint64_t round = 1;
  bool dirty = true;
};

/// Carries protection_board: news marks it dirty, a short tick takes the next step, the step's
/// actions go to the catalog, the nodes and the prefetchers. Owns the prefetchers and
/// monitors them; one that dies is begun again from its copy's row. After a restart everything is
/// found again in the catalog (copy rows), the zone manager's next map and the version
/// synchronizer's statuses. Never blocks; spawn it on the pool.
prefetch_coordinator_actor::behavior_type
prefetch_coordinator(prefetch_coordinator_actor::stateful_pointer<prefetch_coordinator_state> self,
                     context_ptr ctx);

} // namespace harbinger
