#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "app/exit_code.hpp"

namespace harbinger {

/// Set by Ctrl-C once catch_interrupt was called; long commands look at it and end cleanly.
extern std::atomic<bool> interrupted;
void catch_interrupt();

/// One command, printed as a table or as the JSON document.
exit_code ask_and_print(const std::string& state_dir, const std::vector<std::string>& words,
                        bool json);
/// Events as they come, until Ctrl-C; `since` 0: the newest 20 first.
exit_code follow_events(const std::string& state_dir, uint64_t since, bool json);
/// Interactive with history and completion on a terminal, line by line from a pipe.
exit_code run_console(const std::string& state_dir, bool json);

} // namespace harbinger
