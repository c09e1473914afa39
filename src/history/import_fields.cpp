#include "history/import_fields.hpp"

#include <cmath>
#include <limits>

#include "history/check.hpp"
#include "history/time_text.hpp"

namespace harbinger {
namespace {
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Looks columns up; the first that is not there stays in `problem`.
struct column_finder {
  const csv_reader& in;
  std::optional<error> problem;

  size_t place(const std::string& name) {
    auto at = in.column(name);
    if (!at && !problem) problem = at.error();
    return at.value_or(0);
  }
  std::vector<size_t> places(const std::vector<std::string>& names) {
    std::vector<size_t> out;
    for (const auto& name : names) out.push_back(place(name));
    return out;
  }
  placed<time_rule> place(const std::optional<time_rule>& rule) {
    return rule ? placed<time_rule>{&*rule, place(rule->column)} : placed<time_rule>{};
  }
};
} // namespace

result<import_columns> place_columns(const table_rule& rule, const csv_reader& in) {
  column_finder find{in, {}};
  import_columns out;
  out.node = find.places(rule.node);
  out.time = find.place(rule.time);
  for (const auto& f : rule.where) out.where.push_back({&f, find.place(f.column)});
  if (rule.kind == table_kind::samples)
    for (const auto& m : rule.metrics) out.metrics.emplace_back(find.place(m.column), m.metric);
  if (rule.kind == table_kind::samples_long) {
    out.metric = find.place(rule.metric_column);
    out.value = find.place(rule.value_column);
    for (const auto& m : rule.metrics) out.metric_named.emplace(m.column, m.metric);
  }
  out.code = find.places(rule.code);
  if (!rule.count.empty()) out.count = find.place(rule.count);
  out.back = find.place(rule.back);
  out.fleet = find.places(rule.fleet);
  for (const auto& [name, column] : rule.attributes)
    out.attributes.emplace_back(name, find.place(column));
  out.first = find.place(rule.first);
  out.last = find.place(rule.last);
  if (rule.origin) {
    out.origin = {&rule.origin->when, find.place(rule.origin->when.column)};
    if (!rule.origin->at_column.empty()) out.origin_at = find.place(rule.origin->at_column);
  }
  if (!rule.roster_count.empty()) out.roster = find.place(rule.roster_count);
  if (find.problem) return tl::unexpected(*find.problem);
  return out;
}

bool import_fields::missing(std::string_view text) const {
  if (text.empty()) return true;
  for (const auto& m : rule_.missing)
    if (text == m) return true;
  return false;
}

bool import_fields::holds(const placed<filter_rule>& filter, const import_row& row) const {
  using enum filter_rule::relation;
  auto text = row[filter.column];
  const auto& rule = *filter.rule;
  double left = 0, right = 0;
  bool numbers = read_number(text, left) && read_number(rule.text, right);
  bool same = numbers ? left == right : text == rule.text;
  bool comparable = numbers && !missing(text);
  switch (rule.how) {
  case equal: return same;
  case unequal: return !same;
  case less: return comparable && left < right;
  case at_most: return comparable && left <= right;
  case more: return comparable && left > right;
  case at_least: return comparable && left >= right;
  }
  return false;
}

std::optional<std::string> import_fields::joined(const import_row& row,
                                                 const std::vector<size_t>& columns) const {
  std::string out;
  for (size_t i = 0; i < columns.size(); ++i) {
    auto text = row[columns[i]];
    if (missing(text)) return std::nullopt;
    if (i > 0) out += '/';
    out += text;
  }
  return out;
}

std::optional<int64_t> import_fields::time(const import_row& row, const placed<time_rule>& p,
                                           std::optional<int64_t> origin) {
  auto text = row[p.column];
  const auto& rule = *p.rule;
  why_ = "column '" + rule.column + "': ";
  if (missing(text)) {
    why_ += "the time is missing";
    return std::nullopt;
  }
  for (const auto& format : rule.formats)
    if (auto ms = parse_time_ms(text, format)) return *ms;
  if (!rule.formats.empty()) {
    why_ += parse_time_ms(text, rule.formats[0]).error().detail;
    return std::nullopt;
  }
  if (rule.from_node_origin && !origin) {
    why_ += "the node has no origin";
    return std::nullopt;
  }
  double value = 0;
  bool read = read_number(text, value);
  double ms = value * static_cast<double>(rule.unit_ms)
              + static_cast<double>(rule.from_node_origin ? *origin : 0);
  if (!read || !(std::fabs(ms) <= static_cast<double>(history_limits::time_ms_max))) {
    why_ += "'" + std::string(text) + "' is no time";
    return std::nullopt;
  }
  return std::llround(ms);
}

std::optional<double> import_fields::number(std::string_view text) {
  if (missing(text)) return nan;
  double out = 0;
  if (!read_number(text, out)) {
    if (!rule_.skip_unreadable) return std::nullopt;
    ++count_.unreadable_values;
    return nan;
  }
  if (std::isfinite(out)) return out;
  ++count_.infinite_values;
  return nan;
}

} // namespace harbinger
