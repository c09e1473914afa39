#pragma once

/// Child processes of the demo, the campaign and the end-to-end tests. A child never outlives its
/// owner: it is in a process group of its own (so that Ctrl-C reaches the owner alone, which then
/// stops its children in order), is killed when the object goes, and by the kernel when the thread
/// that started it ends for whatever reason (PR_SET_PDEATHSIG): start children from a thread that
/// lives as long as they are to.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/result.hpp"
#include "core/time.hpp"

namespace harbinger {

struct process_options {
  std::vector<std::string> argv;          ///< argv[0]: path of the program
  std::map<std::string, std::string> env; ///< added to, or replacing in, the owner's environment
  std::string output; ///< file that stdout and stderr are appended to; empty: /dev/null
  uint64_t address_space_bytes = 0; ///< RLIMIT_AS; 0: as the owner's
};

/// How a child ended.
struct process_end {
  int code = 0;      ///< exit code, when signal is 0
  int signal = 0;    ///< the signal that ended it
  time_point at;     ///< when waitpid reported it
  unix_ms wall_time; ///< the same by the wall clock
};
/// "exit code 3" or "signal 6 (Aborted)".
std::string to_string(const process_end& end);

class process {
public:
  /// io when the program can not be started.
  static result<process> start(const process_options& options);
  process() = default;
  process(process&& other) noexcept;
  process& operator=(process&& other) noexcept;
  ~process(); ///< kills the whole group and waits

  pid_t pid() const { return pid_; }
  /// Looks without waiting. Remembers the end, so that it may be asked again and again.
  std::optional<process_end> ended();
  /// Waits for the end at most so long.
  std::optional<process_end> wait(duration timeout);
  /// To the process alone; nothing when it has ended.
  void signal(int number);
  /// SIGTERM (after SIGCONT), then SIGKILL after `patience`; returns how it ended.
  process_end stop(duration patience);

private:
  pid_t pid_ = -1;
  std::optional<process_end> end_;
};

/// Set by SIGINT and SIGTERM once catch_interrupts was called; long-running commands look at it in
/// every wait.
void catch_interrupts();
bool interrupted();
/// Sleeps, but no longer than until an interrupt. False when interrupted.
bool pause_for(duration time);

/// A handle of a process that never means another one which got the number later. -1 when it is
/// gone.
int open_handle(pid_t pid);
void signal_handle(int handle, int number);

/// Virtual memory of a process as /proc tells it; 0 when it is gone.
uint64_t address_space_of(pid_t pid);
/// Directory of the running program, so that it finds its siblings.
std::string own_directory();

} // namespace harbinger
