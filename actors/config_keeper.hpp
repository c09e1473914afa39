#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "actors/context.hpp"
#include "app/config_history.hpp"

namespace harbinger {

/// Holds the settings. A change is validated as a whole, journalled durably, then applied and told
/// (config_changed) to zone_manager, prefetch_coordinator and
/// recovery_coordinator; to each again after its restart. Restarted, it re-derives everything from
/// the file and the journal.
struct config_keeper_state {
  static constexpr const char* name = "config_keeper";
  config_history history;
  std::shared_ptr<const settings> now;  ///< never null
  std::optional<std::string> file_text; ///< as it was when it was taken last; none: it could not be
  std::map<std::string, caf::actor> told; ///< which incarnation of each follower knows `now`
};

config_keeper_actor::behavior_type
config_keeper(config_keeper_actor::stateful_pointer<config_keeper_state> self, context_ptr ctx);

/// Sets the level of the process's log: "debug", "info", "warning", "error".
void set_log_level(const std::string& level);

} // namespace harbinger
