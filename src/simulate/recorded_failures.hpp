#pragma once

/// Failures that happened somewhere, as the failures of the simulated nodes. Pure; the text comes
/// from the caller.
///
/// A CSV table with a header line; these columns, in any order, others are passed over:
///   system    which cluster it happened in
///   node      which of its nodes: a whole number
///   start     when it failed, 2004-06-30 23:26 (or with seconds)
///   end       when it was back
///   category  optional: Facilities counts as power, Network as rack, Software as firmware,
///             everything else as the node's own
///   n_nodes   optional: how many nodes the system has; else its largest node number and one
/// It is the form in which the failure records of Los Alamos (1995 to 2005) are usually given.

#include "core/result.hpp"
#include "history/csv.hpp"
#include "simulate/failure_process.hpp"

namespace harbinger::simulate {

struct recorded_failure {
  int64_t start_ms = 0, end_ms = 0;
  uint32_t node = 0;
  failure_cause cause = failure_cause::node;
};
struct recorded_system {
  std::string name;
  uint32_t nodes = 0;
  std::vector<recorded_failure> failures; ///< by start
};
struct failure_record {
  std::vector<recorded_system> systems; ///< by name
  uint64_t rows = 0;
  uint64_t refused = 0; ///< rows without a start or end, or that end before they start
};
inline constexpr uint64_t record_rows_most = 10'000'000;

/// Errors name the file and the line. invalid_argument: no system is left with a failure.
result<failure_record> read_failure_record(const std::string& name, byte_source source);

/// Windows of `days` of the record, one beside the other, until every node has one: nodes of one
/// system and window are neighbours here, in the order of their numbers, and fail at the times they
/// did, so that what failed together there fails together here. Which windows: chance, larger
/// systems not more often than small ones, none twice before all were used. Failures of one system
/// that start within two minutes of the one before are one event (Ford et al. 2010).
/// invalid_argument: no system was recorded for `days`.
result<std::vector<failure>> failures_of(const failure_record& record, uint32_t nodes, double days,
                                         uint64_t seed);

} // namespace harbinger::simulate
