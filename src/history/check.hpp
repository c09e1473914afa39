#pragma once

/// What every history keeps to.

#include "history/history.hpp"

namespace harbinger {

/// Named limits of a history; beyond them: oversize.
struct history_limits {
  static constexpr size_t nodes_max = 1'000'000;
  static constexpr size_t metrics_max = 1024;
  static constexpr size_t attributes_max = 256; ///< different names
  static constexpr size_t samples_max = 50'000'000;
  static constexpr size_t values_max = 500'000'000; ///< samples times metrics: 4 GB of numbers
  static constexpr size_t events_max = 20'000'000;
  static constexpr size_t name_bytes_max = 256; ///< of an id, a name, a code, an attribute
  /// About the years 1653 to 2286; sums and differences of such times do not overflow.
  static constexpr int64_t time_ms_max = 10'000'000'000'000;
};

/// Whether everything the header comments promise holds: unique ids and names without control
/// characters, indices, as many values as metrics, none of them infinite, samples in order and one
/// a node and time, those of a node growing in time, events in order, nodes watched from first to
/// last. invalid_argument or oversize, saying what and where.
result<> check_history(const history& h);

/// Orders samples by arrival, node and time, events by time and node, equal ones as they stand.
void sort_history(history& h);

} // namespace harbinger
