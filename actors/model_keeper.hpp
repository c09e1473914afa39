#pragma once

/// Keeps the registry of models (<state_dir>/models, predict/registry.hpp): tells failure_predictor
/// which one to use, decides when model_trainer trains (predict/retraining.hpp), takes what it
/// made, and answers the console. At start: the champion; without one that fits the settings, a
/// training.
///
/// A restart reads the registry again; a training that was under way is asked for again.

#include <memory>
#include <optional>
#include <set>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "predict/registry.hpp"
#include "predict/retraining.hpp"

namespace harbinger {

struct model_keeper_state {
  static constexpr const char* name = "model_keeper";
  std::optional<predict::model_registry> registry;
  std::optional<predict::retraining_plan> plan;
  std::optional<model_ready> in_use;
  std::string training;               ///< why; empty: nothing is being trained
  std::string condition = "starting"; ///< in words, for the console
  std::string newest_words;           ///< how the newest training ended
  std::set<std::pair<node_id, incarnation>> dead;
  bool dead_known = false; ///< the first catalog is no news
  catalog_view catalog;
  uint64_t round = 0;
};

/// <state_dir>/models
std::string models_directory(const settings& s);

/// Show: "model" [list | show [V] | promote V | rollback | diff A B | retrain].
model_keeper_actor::behavior_type
model_keeper(model_keeper_actor::stateful_pointer<model_keeper_state> self, context_ptr ctx);

} // namespace harbinger
