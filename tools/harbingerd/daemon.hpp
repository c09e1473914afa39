#pragma once

#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/exit_code.hpp"

namespace harbinger {

struct daemon_options {
  daemon_role role = daemon_role::central;
  std::string config_file;
  std::vector<config_change> changes; ///< of the command line
};

/// Runs until SIGTERM, SIGINT or until the root supervisor gives up. SIGHUP reads the configuration
/// again. All signals it waits for must be blocked before any thread exists.
exit_code run_daemon(const daemon_options& options);

/// Blocks them in the calling thread.
void block_daemon_signals();

} // namespace harbinger
