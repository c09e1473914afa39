#pragma once

/// The loss of a whole rack at one instant, on real processes: partitions whose primary and
/// secondary are both in it, the same real trouble on both of its nodes, zones, copies, escalation,
/// then kill -9 of both at once. Nothing acknowledged may be lost. Prints a time line while it
/// runs.

#include <optional>
#include <string>
#include <vector>

#include "app/demo.hpp"

namespace harbinger {

struct zone_demo_report : demo_writes {
  std::string trouble;
  uint64_t seed = 0;
  std::string rack;
  std::vector<std::string> nodes;       ///< those in it
  std::optional<double> warning_lead_s; ///< from the first zone in the rack, or the trouble's begin
                                        ///< if that was later, to the deaths
  uint64_t partitions = 0;              ///< in all
  uint64_t partitions_at_risk = 0;      ///< with a replica in the rack
  uint64_t partitions_whole = 0;     ///< with primary and secondary in it: gone, without escalation
  uint64_t partitions_escalated = 0; ///< of those: with a member elsewhere at the deaths
  std::optional<double> escalation_s;  ///< from the first zone until all of those were escalated
  double apart_ms = 0;                 ///< between the two kills
  std::optional<double> detect_ms;     ///< deaths to the last verdict
  std::optional<double> served_ms;     ///< deaths until every partition has a living primary
  std::optional<double> all_reads_ms;  ///< and until each that had its primary there served a read
  std::optional<double> all_writes_ms; ///< and took a write
  std::optional<double> restored_ms;   ///< and had all its replicas again
  double total_s = 0;
};

std::string to_json(const zone_demo_report& report);
std::string to_table(const zone_demo_report& report);
/// Promises that did not hold, one sentence each; empty: all is well.
std::vector<std::string> broken_promises(const zone_demo_report& report);

/// The options are those of the demo; partitions: per volume, of which there are two. The error
/// says why it could not go on (cancelled: interrupted).
result<zone_demo_report> run_zone_demo(const demo_options& options);

} // namespace harbinger
