#pragma once

/// What a daemon needs of the operating system: one process a state directory, free ports, word to
/// systemd.

#include <string>
#include <vector>

#include "app/config.hpp"
#include "core/result.hpp"

namespace harbinger {

/// Creates the directory (mode 0750) and locks <directory>/lock until the object goes. in_use names
/// the process that has it.
class state_dir_lock {
public:
  static result<state_dir_lock> take(const std::string& directory);
  state_dir_lock(state_dir_lock&& other) noexcept;
  state_dir_lock& operator=(state_dir_lock&&) = delete;
  ~state_dir_lock();

private:
  explicit state_dir_lock(int file) : file_(file) {}
  int file_ = -1;
};

/// Whether every address that the role listens at is free now: in_use or invalid_argument with the
/// key and the address. Advisory (another process may come between); it turns the common mistake
/// into one clear line.
result<> check_addresses(daemon_role role, const settings& config);

/// Tells systemd ("READY=1", "WATCHDOG=1", "STOPPING=1") over NOTIFY_SOCKET; without that variable
/// nothing.
void notify_systemd(const std::string& state);
/// WATCHDOG_USEC of this process; zero: no watchdog.
duration systemd_watchdog();

} // namespace harbinger
