#pragma once

/// The catalogue of metrics: every name that the sampler may publish, what it means and in which
/// unit.
///
/// Names are stable: recordings and models refer to them. A metric that can not be measured on a
/// host is published as NaN, never left out, so that the schema of a node does not change while it
/// runs.

#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "messages/telemetry.hpp"

namespace harbinger::telemetry {

inline constexpr double missing = std::numeric_limits<double>::quiet_NaN();

struct metric_info {
  std::string_view name;
  metric_kind kind;
  std::string_view unit;   ///< "ratio" means a share, 0..1, that reads the same on every machine
  std::string_view phrase; ///< how a sentence about it begins: "memory in use"
};

/// All metrics, in the order in which host_sampler fills a row.
std::span<const metric_info> metric_catalogue();
/// Position in the catalogue, or its size when there is no such metric.
size_t metric_index(std::string_view name);
/// The catalogue as a batch carries it.
std::vector<metric_spec> catalogue_specs();

/// Gauges that other actors of a node set with gauge_reading; the newest reading goes into the next
/// row.
inline constexpr std::string_view store_write_ms =
    "store.write_ms"; ///< mean of the newest durable writes
inline constexpr std::string_view store_write_max_ms = "store.write_max_ms"; ///< slowest of them
inline constexpr std::string_view store_queue = "store.queue";               ///< writes waiting

} // namespace harbinger::telemetry
