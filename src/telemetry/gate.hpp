#pragma once

/// Decides which telemetry is believed (P10). Pure: time is an argument; never throws.

#include <cstdint>
#include <map>
#include <optional>

#include "core/ids.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::telemetry {

struct gate_limits {
  size_t metrics_max = 256;
  size_t rows_max = 1024;
  int64_t future_max_ms =
      60'000; ///< a row dated later than this after the centre's clock is not believed
  double value_max =
      1e18; ///< larger ones, and infinite ones, are taken as missing: sums of squares stay finite
};

/// Grow only. Batches: each counts once under the first thing that is wrong with it.
struct gate_counters {
  uint64_t batches = 0; ///< looked at
  uint64_t rows_accepted = 0;
  uint64_t batches_lost = 0; ///< holes in a node's sequence: published, never arrived
  uint64_t unknown_node = 0;
  uint64_t stale_life = 0;     ///< of an incarnation that is not the current one
  uint64_t duplicates = 0;     ///< repeated or out of order
  uint64_t oversize = 0;       ///< too many metrics or rows
  uint64_t malformed = 0;      ///< no metrics, or values that do not fit them
  uint64_t rows_unordered = 0; ///< not strictly later than the row before
  uint64_t rows_future = 0;
  uint64_t infinite_values = 0; ///< infinite or beyond value_max: taken as missing
};

class gate {
public:
  explicit gate(gate_limits limits = {}) : limits_(limits) {}

  /// Nodes and lives as the catalog has them. A node that is gone, or has a new life, starts over.
  void set_nodes(const std::vector<node_row>& nodes, bool whole);
  /// What of the batch may go on; nothing when all of it is refused. Rows that are refused are
  /// taken out. A new metric list is accepted at any time.
  std::optional<telemetry_rows> admit(telemetry_rows batch, unix_ms wall_now);
  const gate_counters& counters() const { return counters_; }

private:
  struct source {
    incarnation life;
    uint64_t seq = 0;       ///< newest accepted; 0: none yet
    int64_t newest_ms = -1; ///< no row is of before 1970
  };
  bool acceptable(const telemetry_rows& batch, const source& from);

  gate_limits limits_;
  gate_counters counters_;
  std::map<node_id, source> sources_;
};

} // namespace harbinger::telemetry
