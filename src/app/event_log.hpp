#pragma once

/// The events of a daemon: numbered, the newest in memory, all that there is room for in files that
/// survive it (app/event_files.hpp).

#include <cstddef>
#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "messages/events.hpp"

namespace harbinger {

/// Not fsynced: events explain, they do not decide.
class event_log {
public:
  static constexpr size_t kept_max = 10'000; ///< events in memory
  static constexpr uint64_t segment_bytes_max =
      4 << 20; ///< then the file is closed; and at a quarter of the limit
  static constexpr uint64_t default_limit_bytes = 64 << 20; ///< of all files
  static constexpr size_t listed_max = 1000;                ///< of one listing

  /// Reads the newest of what is there; lines that do not parse (cut by a crash) are passed over
  /// and counted.
  static result<event_log> open(const std::string& directory,
                                uint64_t limit_bytes = default_limit_bytes);

  /// Numbers the event and keeps it. Writing may fail (full disk): then it is kept in memory, and
  /// false is in `written`.
  struct added {
    event stored;
    bool written = true;
    bool closed = false; ///< a segment is full and waits for event_files::pack_closed
  };
  added add(event what, unix_ms now);

  /// {"columns", "rows"}: events with an id above `since`, oldest first; the newest `limit` of them
  /// when since is 0, else the oldest.
  std::string list(uint64_t since, size_t limit) const;
  const std::deque<event>& kept() const { return kept_; }
  size_t unreadable() const { return unreadable_; }

private:
  struct contents;
  void take(contents&& newest);
  bool append(const event& what);
  bool close_segment();
  uint64_t segment_bytes() const;

  std::string directory_;
  uint64_t limit_bytes_ = default_limit_bytes;
  std::deque<event> kept_;
  std::ofstream file_;
  uint64_t file_bytes_ = 0;
  uint64_t first_id_ = 0; ///< of the file; 0: it has no event yet
  int64_t opened_ms_ = 0; ///< time of that event
  uint64_t last_id_ = 0;
  size_t unreadable_ = 0;
  bool torn_ = false; ///< the newest line of the file may lack its end
};

/// {"columns", "rows"} of these, as `list` gives them.
std::string events_document(const std::vector<const event*>& events);

} // namespace harbinger
