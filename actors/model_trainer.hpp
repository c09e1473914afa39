#pragma once

/// Sees to it that there is a model. At start: the stored one when it fits the settings, else one
/// trained on settings.prediction.recordings (minus exclude_runs), stored by rename; then
/// model_ready to failure_predictor. Spawn detached: training takes seconds and blocks. Killed
/// while training, it starts over; a half-written file is never read.

#include <optional>

#include "actors/context.hpp"

namespace harbinger {

struct model_trainer_state {
  static constexpr const char* name = "model_trainer";
  std::optional<model_ready> ready; ///< what failure_predictor is to be told
  std::string report = "{}";        ///< JSON of the newest training
  std::string condition = "starting";
  uint64_t round = 0;
};

/// Show: "model" (condition, file, report of the training).
model_trainer_actor::behavior_type
model_trainer(model_trainer_actor::stateful_pointer<model_trainer_state> self, context_ptr ctx);

} // namespace harbinger
