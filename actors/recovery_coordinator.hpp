#pragma once

/// Carries the failure detector, the recovery of partitions and their redundancy (src/recovery).
/// Never blocks.

#include <map>
#include <optional>
#include <vector>

#include "actors/context.hpp"
#include "recovery/failure_detector.hpp"
#include "recovery/recovery_desk.hpp"

namespace harbinger {

struct recovery_coordinator_state {
  static constexpr const char* name = "recovery_coordinator";
  static constexpr uint32_t tick_ms = 50;

  std::shared_ptr<const settings> config; ///< the newest
  std::optional<detection::failure_detector> detector;
  std::optional<recovery::recovery_desk> desk;
  std::vector<recovery::command_ended>
      failed_commands; ///< could not even be sent; told to the desk with the next tick
  std::vector<recovery::swap_ended> failed_swaps;
  std::map<uint64_t, caf::typed_response_promise<show_reply>> drills;
  uint64_t last_drill = 0;
  std::map<uint64_t, caf::typed_response_promise<show_reply>> rebuilds;
  uint64_t last_rebuild = 0;
  uint64_t round = 1;
  time_point asked_for_map{};
  time_point next_second{};
  time_point told_of_stall{};
};

/// Starts from nothing: asks for the catalog, the zones and the replicas' versions.
recovery_coordinator_actor::behavior_type
recovery_coordinator(recovery_coordinator_actor::stateful_pointer<recovery_coordinator_state> self,
                     context_ptr ctx);

} // namespace harbinger
