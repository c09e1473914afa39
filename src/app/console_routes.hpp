#pragma once

/// What a line of the console means: which actor is asked, what, and how long it may take.

#include <string>
#include <variant>
#include <vector>

#include "app/config.hpp"
#include "core/result.hpp"
#include "messages/local.hpp"

namespace harbinger {

/// Asked of several actors and put together by the console itself (app/status.hpp).
struct status_query {};

struct console_route {
  std::string actor; ///< directory name; empty for status_query
  std::variant<show_request, kill_actor, config_get, config_set, recovery_drill, rebuild_partition,
               create_volume, status_query>
      question;
  duration timeout = seconds(5);
};

/// invalid_argument with the usage for a line that makes no sense, not_found for an unknown
/// command.
result<console_route> route_console(daemon_role role, const std::vector<std::string>& words);

/// For `help` and completion: "risk [NODE]", one a command, sorted.
struct console_command {
  std::string usage;
  std::string effect;
};
std::vector<console_command> console_commands(daemon_role role);

} // namespace harbinger
