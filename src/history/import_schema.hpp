#pragma once

/// How CSV tables become a history: the content of a schema file. docs/PREDICTION.md, "Histories",
/// describes the file key by key.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "history/history.hpp"

namespace harbinger {

enum class table_kind : uint8_t {
  nodes,        ///< which machines there are
  samples,      ///< wide: a row a node and time, a column a metric
  samples_long, ///< a row a node, time and metric
  events,
  failures,
  maintenance,
  shutdowns,
  notes,
};
constexpr auto enum_names(table_kind) {
  return std::array{"nodes",    "samples",     "samples_long", "events",
                    "failures", "maintenance", "shutdowns",    "notes"};
}

/// Where a time stands and how it is written.
struct time_rule {
  std::string column;
  std::vector<std::string> formats; ///< the first that fits (time_text.hpp); none: a number
  int64_t unit_ms = 0;              ///< of numbers
  bool from_node_origin = false;    ///< numbers count from the node's own origin
};

/// A drive that reads `at` units on its own clock at the time `when`.
struct origin_rule {
  time_rule when;
  std::string at_column; ///< empty: 0
  int64_t unit_ms = 0;
};

/// A row counts only when it holds. Compared as numbers where both sides are numbers, otherwise as
/// text; < <= > >= never hold between texts, nor for a missing field.
struct filter_rule {
  enum class relation : uint8_t { equal, unequal, less, at_most, more, at_least };
  std::string column;
  relation how = relation::equal;
  std::string text;
};

struct metric_rule {
  std::string column; ///< of long tables: the text that stands in the metric column
  size_t metric = 0;  ///< index into import_schema::metrics
};

struct table_rule {
  std::string file;
  table_kind kind = table_kind::samples;
  std::vector<std::string> node; ///< columns whose texts, joined by "/", are the node's id
  std::optional<time_rule> time;
  std::vector<filter_rule> where;
  std::vector<std::string> missing; ///< texts that mean the same as an empty field
  bool skip_unreadable = false;     ///< rows with unreadable times, single numbers otherwise
  bool skip_unknown = false;        ///< rows of nodes that are not known
  // samples
  std::vector<metric_rule> metrics;
  std::string metric_column, value_column; ///< of long tables
  bool all_zero_is_missing = false;        ///< a row of nothing but zeros was not measured
  // events and their like
  std::vector<std::string> code; ///< columns, joined by "/"
  std::string code_text;         ///< instead
  std::string count;
  bool once = false;                    ///< only the first row of each node that passes `where`
  std::optional<time_rule> back;        ///< of failures
  std::optional<int64_t> back_after_ms; ///< instead: so long after the failure
  // nodes
  std::vector<std::string> fleet;
  std::map<std::string, std::string> attributes; ///< name to column
  std::optional<time_rule> first, last;
  std::optional<origin_rule> origin;
  std::string roster_count; ///< column: so many nodes there are beside each other
  int64_t roster_first = 0; ///< the number of the first of them
};

/// Between which times a node is watched when no nodes table says so. Spans are those of samples,
/// failures and shutdowns (of all rows, where there are none of these).
struct watch_rule {
  enum class span : uint8_t { node, fleet, all, fixed };
  span of = span::node;
  int64_t fixed_ms = 0;
};

struct import_schema {
  std::string name, source;
  std::vector<std::string> numbers, categories;
  bool on_change = false;
  std::vector<history_metric> metrics; ///< in order of their first mention
  watch_rule first, last;
  /// A fleet whose last row is no further than this before the last of all goes on to the latter.
  int64_t active_within_ms = 0;
  int64_t known_after_ms = 0; ///< the outcome is known so long past the last moment
  std::vector<table_rule> tables;
};

constexpr uint64_t schema_bytes_max = 1 << 20;

/// invalid_argument with file and line for a key that is unknown, missing or of the wrong type;
/// not_found, oversize. `file` is only named in errors by the second form.
result<import_schema> read_import_schema(const std::string& path);
result<import_schema> parse_import_schema(std::string_view text, const std::string& file);

} // namespace harbinger
