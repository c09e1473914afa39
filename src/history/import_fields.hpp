#pragma once

/// Inside of the import: where the columns of one table are, and what the fields of its rows say.
/// For import*.cpp alone.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "history/csv.hpp"
#include "history/import.hpp"
#include "history/import_schema.hpp"

namespace harbinger {

using import_row = std::vector<std::string_view>;

/// A rule with the place of its column.
template <class Rule>
struct placed {
  const Rule* rule = nullptr; ///< null: the schema has none
  size_t column = 0;
};

struct import_columns {
  std::vector<size_t> node, code, fleet;
  placed<time_rule> time, back, first, last, origin;
  std::vector<placed<filter_rule>> where;
  std::vector<std::pair<size_t, size_t>> metrics;          ///< column, metric
  size_t metric = 0, value = 0;                            ///< of long samples
  std::map<std::string, size_t, std::less<>> metric_named; ///< of long samples
  std::optional<size_t> count, origin_at, roster;
  std::vector<std::pair<std::string, size_t>> attributes;
};
/// `rule` must live on. Error of csv_reader::column for the first that is not there.
result<import_columns> place_columns(const table_rule& rule, const csv_reader& in);

/// Reads fields by the rules of a table, and counts values that can not be read or are infinite.
class import_fields {
public:
  /// Both must live on.
  import_fields(const table_rule& rule, table_count& count) : rule_(rule), count_(count) {}

  bool missing(std::string_view text) const;
  bool holds(const placed<filter_rule>& filter, const import_row& row) const;
  /// Texts joined by "/"; nothing when one is missing.
  std::optional<std::string> joined(const import_row& row,
                                    const std::vector<size_t>& columns) const;
  /// `origin`: of the node's clock. Nothing, with the reason in why(), for a time that is missing
  /// or can not be read.
  std::optional<int64_t> time(const import_row& row, const placed<time_rule>& p,
                              std::optional<int64_t> origin);
  const std::string& why() const { return why_; }
  /// NaN: missing. Nothing: unreadable, and the schema does not pass it over.
  std::optional<double> number(std::string_view text);

private:
  const table_rule& rule_;
  table_count& count_;
  std::string why_;
};

} // namespace harbinger
