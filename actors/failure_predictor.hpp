#pragma once

/// Features and risk of every node (src/predict/predictor.hpp decides); each scoring period the
/// newest risk of every node that is not dead goes to zone_manager. A restart asks model_keeper
/// for the model again and learns features afresh from what comes in; until then nodes show "no
/// telemetry", with full uncertainty.

#include <optional>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "predict/predictor.hpp"

namespace harbinger {

struct failure_predictor_state {
  static constexpr const char* name = "failure_predictor";
  std::optional<predict::predictor> logic;
  catalog_view catalog;
  uint64_t round = 0;
  uint64_t updates = 0;
  std::string drift; ///< what was said of it last; empty: the model fits
};

/// Show: "risk" (all nodes), "risk <node>" (one, with reasons, similar cases and history), "drift".
failure_predictor_actor::behavior_type
failure_predictor(failure_predictor_actor::stateful_pointer<failure_predictor_state> self,
                  context_ptr ctx);

} // namespace harbinger
