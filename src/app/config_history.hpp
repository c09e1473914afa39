#pragma once

/// Changes of the configuration at run time: what was set, what can be undone. Kept as JSON lines
/// in <state_dir>/config.journal.
///
/// Settings = defaults, then the file, then what was set at run time (it survives restarts), then
/// the command line. Pure: text in, text out; the keeper does the files.

#include <map>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "core/time.hpp"

namespace harbinger {

class config_history {
public:
  static constexpr size_t entries_max =
      1000; ///< older ones are forgotten, and can not be rolled back

  struct entry {
    uint64_t id = 0;
    unix_ms time;
    std::string kind;    ///< "set", "reload", "rollback"
    uint64_t undoes = 0; ///< rollback: which entry
    std::vector<config_difference> changes;
    std::map<std::string, std::string> before; ///< what was set at run time, before and after
    std::map<std::string, std::string> after;
  };

  /// From a journal's text. A last line cut by a crash is passed over; another bad line is
  /// malformed with its number.
  static result<config_history> parse(std::string_view journal);
  static std::string line_of(const entry& e);

  /// What was set at run time and holds now.
  std::vector<config_change> overrides() const;
  /// The newest entry that is neither a rollback nor undone; nothing left: not_found.
  result<entry> next_to_undo() const;
  /// The entry to append to the journal; the caller adds it here once that is durable.
  entry make(std::string kind, std::vector<config_difference> changes,
             std::map<std::string, std::string> after, unix_ms now, uint64_t undoes = 0) const;
  void add(entry e);
  const std::vector<entry>& entries() const { return entries_; }

private:
  std::vector<entry> entries_;
};

/// The file's text, what was set at run time, the command line: the settings that hold. Also at
/// start of a daemon. `file` only serves messages.
result<settings> effective_settings(daemon_role role, std::string_view text,
                                    const std::string& file, const config_history& history,
                                    const std::vector<config_change>& command_line);
/// <state_dir>/config.journal; an empty history when there is none.
result<config_history> read_config_journal(const std::string& state_dir);
std::string config_journal_path(const std::string& state_dir);
/// Appends and fsyncs; rewrites the file when the history was shortened.
result<> append_config_journal(const std::string& state_dir, const config_history& history,
                               const config_history::entry& e);

} // namespace harbinger
