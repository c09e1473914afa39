#pragma once

/// Questions to the whole journal of events, of which memory holds only the newest part: what was
/// known and decided at a time (`explain ... --at TIME`), and what was told between two times.
/// Blocking, from any thread: they read files, also while they are written.

#include <string>
#include <vector>

#include "core/result.hpp"
#include "explain/sentences.hpp"

namespace harbinger::event_past {

/// Of {"partition", "1.17", "--at", "03:04"}; the time may be several words. invalid_argument with
/// the usage, or what is wrong with the time.
result<explain::question> parse_question(const std::vector<std::string>& words, int64_t now_ms);

/// What the catalog says of the topic.
struct catalog_part {
  std::vector<event> changes; ///< of the topic's row, oldest first (catalog/catalog_store.hpp)
  int64_t since_ms = 0;       ///< of the oldest change that is kept of any row; 0: there is none
  bool whole = false;         ///< no change was ever let go
  std::map<std::string, std::string> row_now; ///< catalog/row_fields.hpp; empty: there is none
};

/// A JSON object: "lines" for people, and the same by name. Errors: explain::in_words.
result<std::string> explain_at(const std::string& state_dir, const explain::question& asked,
                               const catalog_part& catalog, int64_t now_ms);

/// {"columns", "rows"} of the first `limit` events with an id above `since` and from `from_ms` to
/// `to_ms`, both inclusive.
std::string list_between(const std::string& state_dir, uint64_t since, size_t limit,
                         int64_t from_ms, int64_t to_ms);

} // namespace harbinger::event_past
