#pragma once

/// The lines of a journal, made and read; journal.hpp says what they mean. Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::journal_text {

constexpr int version = 1;
constexpr size_t lists_max = 64;        ///< metric lists of one segment
constexpr size_t lives_max = 1'000'000; ///< numbers of lives of one segment
constexpr size_t text_bytes_max = 256;  ///< of a cause or a note; the rest is cut off

/// What happened to a life of a node, or (until) that somebody was watching.
enum class mark_kind : uint8_t { failed, back, left, note, until };
constexpr auto enum_names(mark_kind) {
  return std::array{"failed", "back", "left", "note", "until"};
}
struct mark {
  mark_kind what = mark_kind::until;
  node_id node;
  incarnation life;
  int64_t time_ms = 0;
  std::string text;
};

/// A metric that a history can have: named, without control characters, no name of another column.
bool usable_metric(std::string_view name);

// All with their line end.
std::string format_line(int64_t opened_ms, uint64_t session);
/// `metrics`: usable ones, in the order of the values.
std::string metrics_line(size_t list, const std::vector<metric_spec>& metrics);
std::string life_line(size_t number, const node_id& node, incarnation life, size_t list);
void append_row(std::string& out, size_t life, int64_t time_ms, int64_t arrived_ms,
                std::span<const double> row, std::span<const size_t> columns);
std::string mark_line(const mark& m);
/// What a closed segment ends with: the checksum of everything before it.
std::string end_line(std::string_view text);
inline bool is_row(std::string_view line) {
  return !line.empty() && line[0] >= '0' && line[0] <= '9';
}
/// The mark in a line; nothing when it is none.
std::optional<mark> read_mark(std::string_view line);

/// Everything of one segment, in the order of its lines.
struct segment {
  struct life {
    node_id node;
    incarnation id;
    size_t list = 0;
  };
  struct row {
    size_t life = 0; ///< index into lives
    int64_t time_ms = 0, arrived_ms = 0;
    std::vector<double> values; ///< parallel to the life's list
  };
  struct placed_mark {
    size_t rows_before = 0;
    mark what;
  };
  int64_t opened_ms = 0;
  uint64_t session = 0;
  std::vector<std::vector<metric_spec>> lists;
  std::vector<life> lives; ///< one more for each line: a life that changes its list has several
  std::vector<row> rows;
  std::vector<placed_mark> marks;
  uint64_t lines_lost = 0; ///< that do not parse, or lack their end
};
/// malformed: it does not begin with a format line; unsupported: of another version. Any other bad
/// line is passed over and counted.
result<segment> read_segment(std::string_view text);
/// The text without its end line; checksum when that does not fit or is missing.
result<std::string_view> verified(std::string_view text);

} // namespace harbinger::journal_text
