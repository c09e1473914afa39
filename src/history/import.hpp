#pragma once

/// CSV tables to a history. The rules, one by one, stand in docs/PREDICTION.md, "Histories".

#include <functional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "history/history.hpp"

namespace harbinger {

/// What became of the rows of one table of the schema. All rows that do not appear here as
/// something else are in the history.
struct table_count {
  std::string file, kind;
  uint64_t rows = 0;       ///< read, without the header
  uint64_t left_out = 0;   ///< by `where` or `once`
  uint64_t unreadable = 0; ///< rows passed over for a time or an id that is missing or unreadable
  uint64_t unknown = 0;    ///< rows passed over for a node that is not known
  uint64_t unreadable_values = 0, infinite_values = 0; ///< taken as missing (infinite or NaN)
  uint64_t all_zero = 0;                               ///< samples taken as not measured
  uint64_t duplicates = 0;   ///< samples (long: values) that a later row replaced
  uint64_t out_of_order = 0; ///< rows that came after a later one of their node; put in order
  uint64_t contradictions =
      0; ///< attributes that another row of the node gives otherwise; first kept
};

struct imported {
  history data;
  std::vector<table_count> tables; ///< as in the schema
  uint64_t from_roster = 0;        ///< nodes that no row names
  uint64_t widened =
      0; ///< nodes with samples or failures outside the time they were said to be watched
};

/// The file at work, and bytes read of all there are. Called at every quarter of a MiB or so.
using import_progress = std::function<void(const std::string& file, uint64_t done, uint64_t all)>;

/// Reads the schema and the tables it names, which lie in `directory`. Deterministic. Errors name
/// file and line: not_found, malformed, invalid_argument (a column that is missing, a number, time
/// or node that can not be), oversize (limits of check.hpp).
result<imported> import_csv(const std::string& schema_path, const std::string& directory,
                            const import_progress& progress = {});

} // namespace harbinger
