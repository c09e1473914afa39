#pragma once

/// The segments of a journal as files: NNNNNNNNNN-OPENED.journal while it is written, with .zst
/// once it is closed. The journal of events (app/event_files.hpp) has the same form, with another
/// ending.

#include <string>
#include <vector>

#include "history/journal_text.hpp"

namespace harbinger::journal_files {

/// Of text; a packed segment that claims more is refused.
constexpr uint64_t segment_bytes_max = 256ULL << 20;

constexpr std::string_view history_ending = ".journal";

struct segment_file {
  uint64_t number = 0;
  int64_t opened_ms = 0;
  bool packed = false;
  uint64_t bytes = 0;
  std::string_view ending = history_ending; ///< outlives it
  std::string name() const;
};

/// By number; where both forms of one are there (a crash came between) the packed one comes first.
/// not_found: no such directory.
result<std::vector<segment_file>> list(const std::string& directory,
                                       std::string_view ending = history_ending);
/// What is in the file, unpacked. not_found, malformed, oversize, io.
result<std::string> read_text(const std::string& directory, const segment_file& file);
/// Of what is in the file, whole and as its checksum says when it is packed. not_found, checksum,
/// malformed, unsupported, oversize, io.
result<journal_text::segment> read(const std::string& directory, const segment_file& file);
/// Puts the packed form in the place of the other one, in one step, through to the disk; half a
/// line at the end is left out. Returns the packed file's size. no_space, io: nothing changed.
result<uint64_t> pack(const std::string& directory, const segment_file& file);
/// The same with this text in the packed form.
result<uint64_t> put_packed(const std::string& directory, const segment_file& file,
                            std::string_view text);
/// What a crash left behind: unfinished files, and segments of which the packed form is there.
void tidy(const std::string& directory, std::vector<segment_file>& files,
          std::string_view ending = history_ending);

} // namespace harbinger::journal_files
