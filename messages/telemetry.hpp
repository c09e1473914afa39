#pragma once

#include <memory>
#include <span>

#include "messages/common.hpp"

namespace harbinger {

/// How the numbers of a metric are to be read.
enum class metric_kind : uint8_t {
  gauge,   ///< a level: it can go up and down
  counter, ///< a running total since some start: only its growth means something
};
constexpr auto enum_names(metric_kind) { return std::array{"gauge", "counter"}; }

struct metric_spec {
  std::string name; ///< e.g. "host.mem_used_ratio"; the catalogue is src/telemetry/metrics.hpp
  metric_kind kind = metric_kind::gauge;
  friend auto operator<=>(const metric_spec&, const metric_spec&) = default;
};
template <class V>
void describe(V& v, metric_spec& m) {
  v("name", m.name);
  v("kind", m.kind);
}

/// One row of metrics; `values` runs parallel to the batch's `metrics`. NaN stands for "could not
/// be measured".
struct sample_row {
  unix_ms time;
  std::vector<double> values;
};
template <class V>
void describe(V& v, sample_row& m) {
  v("time", m.time);
  v("values", m.values);
}

/// What a node publishes. `seq` counts batches of one incarnation from 1, so that a hole is a
/// counted loss.
struct telemetry_batch {
  static constexpr std::string_view wire_name = "telemetry.batch";
  static constexpr size_t max_bytes = telemetry_body_max;
  node_id node;
  incarnation life;
  uint64_t seq = 0;
  std::vector<metric_spec> metrics;
  std::vector<sample_row> rows;
};
template <class V>
void describe(V& v, telemetry_batch& m) {
  v("node", m.node);
  v("incarnation", m.life);
  v("seq", m.seq);
  v("metrics", m.metrics);
  v("rows", m.rows);
}

/// A batch in the form in which it is worked on: all rows in one array. Local.
struct telemetry_rows {
  node_id node;
  incarnation life;
  uint64_t seq = 0;
  /// Shared by all batches of one schema; never null once decoded.
  std::shared_ptr<const std::vector<metric_spec>> metrics;
  std::vector<unix_ms> times; ///< one a row
  std::vector<double> values; ///< row after row, each as long as `metrics`

  std::span<const double> row(size_t i) const {
    return {values.data() + i * metrics->size(), metrics->size()};
  }
};

/// Batches as they came off the socket, decoded, not yet trusted. Local.
struct telemetry_received {
  std::vector<telemetry_rows> batches;
  uint64_t malformed = 0; ///< frames dropped since the last such message
  uint64_t dropped = 0;   ///< batches dropped for want of credit since the last such message
};

/// Rows that passed the gate, oldest first: known node, current incarnation, strictly later than
/// the row before, finite or NaN-as-missing. Local.
struct samples_accepted {
  time_point received;
  unix_ms arrived; ///< the same moment by the wall clock
  std::vector<telemetry_rows> batches;
};

} // namespace harbinger
