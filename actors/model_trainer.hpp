#pragma once

/// Trains when model_keeper says so (predict/challenge.hpp): from settings.prediction.histories and
/// from what history_keeper has kept. What it made is handed over as a file. Spawn detached:
/// training takes seconds to minutes and blocks. Killed while training, it tells the keeper at its
/// next start, which asks again.

#include "actors/context.hpp"

namespace harbinger {

struct model_trainer_state {
  static constexpr const char* name = "model_trainer";
  uint64_t trainings = 0;
};

model_trainer_actor::behavior_type
model_trainer(model_trainer_actor::stateful_pointer<model_trainer_state> self, context_ptr ctx);

} // namespace harbinger
