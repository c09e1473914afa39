#pragma once

/// What a simulation has to say, as one value: a table for the terminal, a document for programs, a
/// page with plots. Equal reports give equal bytes. Pure.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simulate/simulation.hpp"

namespace harbinger::simulate {

struct report {
  simulation_options options;
  std::string failures_from; ///< "made up" or a file, in words
  std::string predicted_by;  ///< in words
  std::vector<std::string> notes;
  std::array<uint64_t, causes> failures{}; ///< node failures by cause
  uint64_t events = 0;                     ///< what brought them
  std::optional<double> precision, recall; ///< as they came out; nothing without alarms
  std::optional<accounts> without, with;   ///< Harbinger; one of them at least
  std::string command_line, version;

  /// 1 - with/without of partition-seconds unserved; nothing when one of them is missing or nothing
  /// was unserved without. Of everything, or of one kind.
  std::optional<double> cut() const;
  std::optional<double> cut(outage_kind kind) const;
  std::optional<double> cut(failure_cause cause) const;
};

void count_failures(report& r, const std::vector<failure>& failures);

/// One line of the table; the JSON document has the same under its key.
struct figure_row {
  std::string section; ///< of the lines after it as well
  std::string key;     ///< "unserved_s"
  std::string label;   ///< "partition-seconds unserved"
  std::string unit;    ///< "s", "bytes", "" ...
  std::optional<double> without, with;
};
std::vector<figure_row> figures(const report& r);

/// One cause that stopped partitions.
struct outage_row {
  uint32_t event = 0;
  failure_cause cause = failure_cause::node;
  double first_s = 0;
  uint32_t nodes = 0, in_zones = 0;    ///< in_zones: with Harbinger, when they failed
  double lead_s = 0;                   ///< from the first entry to a zone
  std::optional<double> without, with; ///< partition-seconds
};
inline constexpr size_t largest_outages_count = 10;
/// Those with the most partition-seconds in either run, largest first.
std::vector<outage_row> largest_outages(const report& r);

std::string report_text(const report& r);
std::string report_json(const report& r);
std::string report_html(const report& r);

/// "1.2 GiB", "3.4 h", "12,345", "0.021".
std::string to_text(double value, const std::string& unit);

} // namespace harbinger::simulate
