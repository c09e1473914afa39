#pragma once

/// What `harbinger bench` measures: one row a question, each beside its opponent, measured in turn
/// in the same run.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace harbinger {

struct bench_row {
  std::string name;   ///< of the benchmark
  std::string metric; ///< what was measured
  double value = 0.0; ///< median
  std::string unit;
  std::string opponent; ///< what it is compared with
  double opponent_value = 0.0;
  double ratio = 0.0;  ///< value / opponent_value, or the other way round for times: more is better
  double target = 0.0; ///< wanted ratio
  uint64_t runs = 0;
  double min = 0.0, max = 0.0; ///< of value
  double value_max = 0.0;      ///< `value` itself should not be above it; 0: no such limit
  std::vector<std::pair<std::string, double>> figures; ///< what else was found, by name
  std::string skipped;                                 ///< why nothing was measured; empty: it was
};

enum class better : uint8_t { more, less };
bench_row make_row(std::string name, std::string metric, std::string unit, better which,
                   std::vector<double> values, std::string opponent,
                   std::vector<double> opponent_values, double target);

struct bench_options {
  uint32_t runs = 5;
  std::string data;                                      ///< of bench_histories
  std::vector<std::string> models{"forest", "boosting"}; ///< of bench_histories
  uint32_t partitions = 10'000; ///< of bench_failover: on the node that dies
  std::string part; ///< of bench_failover: "promotion", "hand-over" or "fleet"; empty: all
  uint64_t recovery_mib = 64; ///< of bench_recovery: metadata on the node that dies
  bool large = false;         ///< of bench_failover: a partition of 10 GiB, too
  std::function<void(const std::string&)> say;
};
using bench_rows = std::vector<bench_row>;

/// What a warning that is wrong costs while copies nobody needs are made and followed: writes, and
/// the recovery of partitions that have no copy, against a cluster that predicts nothing.
result<bench_rows> bench_cost(const bench_options& options);
/// Samples a second through receive, decode, gate and features, against receive and msgpack::unpack
/// alone.
result<bench_rows> bench_ingest(const bench_options& options);
/// Zones, plan and placement of 10,000 nodes and 1,000,000 partitions: milliseconds from cold and
/// for one zone changed, memory, and how evenly copies lie, against other placements.
result<bench_rows> bench_plan(const bench_options& options);
/// Bytes a second of a partition's copy from store to store over loopback, against the slower of
/// raw disk and raw socket; and what a throttled copy costs the writes beside it.
result<bench_rows> bench_prefetch(const bench_options& options);
/// Failover on real processes: one partition's promotion at sizes from 1 MiB up, and a node with
/// thousands of partitions.
result<bench_rows> bench_failover(const bench_options& options);
/// Recovery of a dead node's partitions on real processes: from copies, by checkpoint + tail, by
/// full rebuild.
result<bench_rows> bench_recovery(const bench_options& options);
/// Milliseconds in which 10,000 nodes are scored by a forest and by boosting, against one row at a
/// time; and in which their features are written, against taking in a sample of each.
result<bench_rows> bench_scoring(const bench_options& options);
/// Durable writes a second of a real cluster with two replicas, and how long each takes, against a
/// bare RocksDB and a round trip over loopback for each.
result<bench_rows> bench_store(const bench_options& options);
/// How late a following copy has what was committed, in ms, while 20,000 records a second are
/// written, against a bare loop that ships and stores the same.
result<bench_rows> bench_sync(const bench_options& options);
/// Seconds in which a forest and boosting learn from 100,000 rows of 60 features, against one
/// thread.
result<bench_rows> bench_training(const bench_options& options);
/// How well the failures of the public sets under options.data are predicted, against saying the
/// base rate. Each once, whatever the runs. Prints its own table; sets that are not there are
/// skipped, with a row that says so. not_found: none of them is there.
result<bench_rows> bench_histories(const bench_options& options);

} // namespace harbinger
