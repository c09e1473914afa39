#pragma once

/// A picture of the past in sentences, with what is not known of it. Pure.

#include <map>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "explain/picture.hpp"

namespace harbinger::explain {

/// How far the journals reach, and what is known from elsewhere.
struct known_bounds {
  int64_t now_ms = 0;
  int64_t events_since_ms = 0;  ///< time of the oldest event that is kept
  bool events_whole = false;    ///< it is the first there ever was
  size_t segments_lost = 0;     ///< of events, that can not be read
  int64_t catalog_since_ms = 0; ///< time of the oldest change of the catalog that is kept
  bool catalog_whole = false;   ///< it is the first there ever was
  /// The partition's row as it is now (catalog/row_fields.hpp); empty: there is none
  std::map<std::string, std::string> row_now;
};

struct account {
  std::vector<std::string> lines;
  std::vector<std::string> not_known;
  std::map<std::string, std::string> row; ///< of the catalog, then; empty: not known
};

/// not_found: the time is before the journal begins (the error says where it does), or neither the
/// topic nor anything about it was known then.
result<account> in_words(const picture& then, const known_bounds& bounds);

} // namespace harbinger::explain
