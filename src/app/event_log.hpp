#pragma once

/// The events of a daemon: numbered, the newest in memory, all recent ones in a file that survives
/// it.

#include <cstddef>
#include <deque>
#include <fstream>
#include <string>

#include "core/result.hpp"
#include "messages/events.hpp"

namespace harbinger {

/// Two files of JSON lines: `events.jsonl` and, once that is full, `events.1.jsonl`. Not fsynced:
/// events explain, they do not decide.
class event_log {
public:
  static constexpr size_t kept_max = 10'000;        ///< events in memory
  static constexpr size_t file_bytes_max = 8 << 20; ///< then the file is rotated
  static constexpr size_t listed_max = 1000;        ///< of one listing

  /// Reads what is there; lines that do not parse (cut by a crash) are passed over and counted.
  static result<event_log> open(const std::string& directory);

  /// Numbers the event and keeps it. Writing may fail (full disk): then it is kept in memory, and
  /// false is in `written`.
  struct added {
    event stored;
    bool written = true;
  };
  added add(event what, unix_ms now);

  /// {"columns", "rows"}: events with an id above `since`, oldest first; the newest `limit` of them
  /// when since is 0, else the oldest.
  std::string list(uint64_t since, size_t limit) const;
  const std::deque<event>& kept() const { return kept_; }
  size_t unreadable() const { return unreadable_; }

private:
  void read(const std::string& path);
  bool append(const event& what);

  std::string directory_;
  std::deque<event> kept_;
  std::ofstream file_;
  size_t file_bytes_ = 0;
  uint64_t last_id_ = 0;
  size_t unreadable_ = 0;
  bool torn_ = false; ///< the newest line of the file may lack its end
};

} // namespace harbinger
