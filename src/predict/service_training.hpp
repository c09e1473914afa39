#pragma once

/// How a service trains, by its settings.

#include "core/settings.hpp"
#include "predict/challenge.hpp"

namespace harbinger::predict {

/// The windows and the horizon that the settings ask for.
time_scales scales_of(const prediction_settings& settings);

/// What the settings ask of a training, for metrics of the service.
training_options training_of(const settings& settings);

/// Reads the histories of settings.prediction.histories, without exclude_fleets, and the service's
/// own (<state_dir>/history), and holds challenge_champion. Deterministic but for what the journal
/// has got by now. Errors of read_history, merge_histories and train.
result<challenge> train_for_service(const settings& settings, const model* champion,
                                    int64_t champion_until_ms, const study_progress& tell = {});

} // namespace harbinger::predict
