#pragma once

/// The journal of events as files of a state directory: JSON lines, oldest first. `events.jsonl` is
/// written; when it is full it is closed: moved to `events/FIRST_ID-OPENED.jsonl` and then
/// compressed into `.jsonl.zst` (history/journal_files.hpp). The oldest go first.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "history/journal_files.hpp"
#include "messages/events.hpp"

namespace harbinger::event_files {

using segment = journal_files::segment_file;

std::string current_file(const std::string& state_dir);
std::string closed_directory(const std::string& state_dir);

/// Text from elsewhere may be no UTF-8; it is written with replacement characters then.
std::string format_line(const event& what); ///< without its end
std::optional<event> parse_line(std::string_view line);

/// At a start: makes the directory, removes what a crash left half done, and takes over
/// `events.1.jsonl` of older versions as a closed segment.
void prepare(const std::string& state_dir);
/// Oldest first; empty when there are none.
std::vector<segment> closed(const std::string& state_dir);
/// Closes `events.jsonl`, of which this is the first event. io: it is as it was.
result<> close_current(const std::string& state_dir, uint64_t first_id, int64_t opened_ms);
/// Removes the oldest closed segments until the rest fits; how many went.
size_t keep_limit(const std::string& state_dir, uint64_t limit_bytes);
/// Compresses closed segments that are not yet. From any thread; one at a time. no_space, io: the
/// rest stays as it is.
result<> pack_closed(const std::string& state_dir);
/// The text of a closed segment, whichever form it has by now; not_found: it went.
result<std::string> read_closed(const std::string& state_dir, const segment& file);

/// False: that is enough.
using take_line = std::function<bool(std::string_view line)>;
/// Every line from the oldest to the newest, without empty ones, but those of segments that end
/// before `from_ms`. It may be written meanwhile, by another thread: a line may then come twice
/// (its id tells). Returns how many segments could not be read.
size_t each_line(const std::string& state_dir, int64_t from_ms, const take_line& take);

} // namespace harbinger::event_files
