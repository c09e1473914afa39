#pragma once

/// Counts what goes wrong in the error logs of the storage software, by class of code.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace harbinger::telemetry {

enum class log_class : uint8_t {
  io,
  no_space,
  timeout,
  checksum,
  memory,
  connection,
  other,
  warning
};
inline constexpr size_t log_classes = 8; ///< in the order of the log.* metrics of the catalogue

/// The class of one line. A line counts when it carries an errno-like code or words for one, or
/// says that it is an error (error, fatal, critical, panic) or a warning; nothing for the rest.
/// Letter case does not matter. A line that says it is of level debug, info or trace counts only
/// when it carries an errno name.
std::optional<log_class> classify_log_line(std::string_view line);

/// Turns pieces of a file into lines and counts them. A line longer than line_bytes_max counts by
/// its beginning.
class line_counter {
public:
  static constexpr size_t line_bytes_max = 4096;
  void feed(std::string_view piece);
  /// The file was replaced: what was half a line is none.
  void forget_partial() { partial_.clear(); }
  const std::array<uint64_t, log_classes>& counts() const { return counts_; }

private:
  void count(std::string_view line);
  std::string partial_;
  std::array<uint64_t, log_classes> counts_{};
};

/// Follows files by name. What stood in a file at the first poll is history and not counted; a file
/// that appears later, or is replaced (another inode) or truncated, is read from its start.
/// Unreadable files are tried again at each poll. Thin reader, not pure: does file I/O.
class log_follower {
public:
  static constexpr size_t poll_bytes_max = 1 << 20; ///< a file, a poll; the rest waits for the next
  static constexpr uint64_t backlog_max = 16 << 20; ///< beyond it the oldest is skipped and counted

  explicit log_follower(std::vector<std::string> files);
  void poll();
  std::array<uint64_t, log_classes> counts() const;
  uint64_t skipped_bytes() const { return skipped_bytes_; }

private:
  struct file {
    std::string path;
    uint64_t inode = 0;
    uint64_t offset = 0;
    bool seen = false;
    line_counter lines;
  };
  void read(file& f);
  std::vector<file> files_;
  bool first_poll_ = true;
  uint64_t skipped_bytes_ = 0;
};

} // namespace harbinger::telemetry
