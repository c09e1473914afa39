#pragma once

/// Checks the records of this node's replicas against their digests and mends what is damaged
/// (src/scrub decides). Spawn detached: it reads the store.
///
/// What it knows of replicas it learns anew after a restart; which of them are damaged is kept in
/// context::node->damage.

#include <memory>
#include <set>
#include <vector>

#include "actors/context.hpp"
#include "scrub/scrub.hpp"

namespace harbinger {

struct scrubber_state {
  static constexpr const char* name = "scrubber";
  static constexpr size_t askers_max = 64; ///< who wait for a check; beyond it overloaded

  struct asker {
    caf::typed_response_promise<show_reply> promise;
    std::set<partition_id> wanted; ///< whole answer
    std::set<partition_id> open;   ///< not checked yet
  };
  context_ptr ctx;
  std::unique_ptr<scrubbing::scrubber> logic;
  std::unique_ptr<bucket_check> check; ///< under way
  std::vector<asker> askers;
  scrubbing::totals counted; ///< told to the metrics
  uint64_t round = 0;
};

/// `ctx->node` must be there. Show: "scrub" [totals], "verify" [partition].
scrubber_actor::behavior_type scrubber(scrubber_actor::stateful_pointer<scrubber_state> self,
                                       context_ptr ctx);

} // namespace harbinger
