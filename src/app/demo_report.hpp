#pragma once

/// What the demo measured, as data and as a table. Times without a value were not reached.

#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "messages/common.hpp"

namespace harbinger {

/// What became of the writes of a demo.
struct demo_writes {
  uint64_t acknowledged_writes = 0;
  uint64_t acknowledged_writes_lost = 0;
  uint64_t stale_reads = 0; ///< reads that missed a write acknowledged before
  uint64_t unreadable_partitions = 0;
  double write_p50_ms = 0, write_p99_ms = 0, write_max_ms = 0;
};

struct demo_report : demo_writes {
  std::string trouble;
  uint64_t seed = 0;
  std::string node;                     ///< the one in trouble
  std::string death;                    ///< how it ended
  std::optional<double> warning_lead_s; ///< from the node's entry into a zone to its death
  uint64_t partitions_at_risk = 0;      ///< with a replica on the node when it died
  uint64_t partitions_prefetched =
      0; ///< of those: with a ready copy on another node at that moment
  uint64_t bytes_prefetched = 0;
  std::optional<double> detect_ms;  ///< death to verdict
  std::optional<double> promote_ms; ///< verdict until every partition has a new primary
  std::optional<double>
      first_read_ms; ///< death to the first read (write) served by a partition whose primary died
  std::optional<double> first_write_ms;
  std::optional<double> all_reads_ms; ///< and by the last one
  std::optional<double> all_writes_ms;
  std::optional<double> recovery_prefetched_ms;
  std::optional<double> recovery_checkpoint_tail_ms;
  std::optional<double> recovery_full_rebuild_ms;
  std::optional<double> drill_checkpoint_tail_ms; ///< the part of it that was measured by drill
  std::optional<double> drill_full_rebuild_ms;
  double metadata_mib_per_partition = 0;
  uint64_t nodes_falsely_in_zone = 0;
  double total_s = 0;
};

/// The document that `--json FILE` holds.
std::string to_json(const demo_report& report);
/// For people.
std::string to_table(const demo_report& report);
/// Promises that did not hold, one sentence each; empty: all is well.
std::vector<std::string> broken_promises(const demo_report& report);

} // namespace harbinger
