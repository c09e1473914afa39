#pragma once

#include <memory>

#include "actors/context.hpp"
#include "prefetch/copy_life.hpp"

namespace harbinger {

struct partition_prefetcher_state {
  static constexpr const char* name = "partition_prefetcher";
  std::unique_ptr<copy_life> life;
  uint64_t round = 1;
};

/// Carries one copy_life: sends copy.start through head_node_bridge, watches the target's reports
/// (the coordinator passes them on), tells the coordinator. Lives as long as the copy; ends when
/// the copy has become a replica, was given up or withdrawn, and when its coordinator `owner` ends.
/// `already`: the target's newest status, if one is known.
partition_prefetcher_actor::behavior_type
partition_prefetcher(partition_prefetcher_actor::stateful_pointer<partition_prefetcher_state> self,
                     context_ptr ctx, caf::actor owner, prefetch_order order,
                     std::shared_ptr<const replica_status> already,
                     std::shared_ptr<const settings> config);

} // namespace harbinger
