#pragma once

/// Lets through the gate what is to be believed, and hands it to the predictor and to the keeper of
/// the history. Its gate is derived anew from the catalog after a restart; the first batches of
/// each node then count no losses.

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "telemetry/gate.hpp"

namespace harbinger {

struct telemetry_ingestor_state {
  static constexpr const char* name = "telemetry_ingestor";
  telemetry::gate gate;
  telemetry::gate_counters exported; ///< what the metrics have been told
  uint64_t malformed = 0, dropped = 0;
  uint64_t unkept = 0; ///< rows that history_keeper was not there for, or had no room for
  catalog_view catalog;
  uint64_t round = 0;
};

/// Show: "telemetry" (an object of counters).
telemetry_ingestor_actor::behavior_type
telemetry_ingestor(telemetry_ingestor_actor::stateful_pointer<telemetry_ingestor_state> self,
                   context_ptr ctx);

} // namespace harbinger
