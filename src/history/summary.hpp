#pragma once

/// What is in a history, in figures.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "history/history.hpp"

namespace harbinger {

struct metric_summary {
  std::string name;
  double missing_share = 0;       ///< of the samples; NaN without samples
  double least = 0, greatest = 0; ///< NaN when it was never measured
};
struct code_summary {
  happening what = happening::event;
  std::string code;
  uint64_t rows = 0;
  double count = 0;
  uint64_t nodes = 0; ///< that had one
};
/// Share of the time at which the answer to "will it fail in (t, t + horizon]?" is yes. Counted is
/// all time at which a node is watched, works (it is not between a failure and its `back_ms`, nor
/// after a shutdown), and the answer is known: it fails within the horizon, or is known not to.
struct base_rate {
  int64_t horizon_ms = 0;
  double rate = 0;           ///< NaN: no time at all
  double node_days = 0;      ///< counted time
  double censored_share = 0; ///< of the watched and working time, not counted as not known
};
struct history_summary {
  uint64_t nodes = 0, fleets = 0, samples = 0, events = 0;
  int64_t first_ms = 0, last_ms = 0; ///< from the first node's first to the last node's last
  double node_days = 0;              ///< watched
  uint64_t failures = 0, nodes_failed = 0;
  uint64_t nodes_censored = 0; ///< watched to their last_ms, without a failure
  std::vector<metric_summary> metrics;
  std::vector<code_summary> codes; ///< by kind, then code
  std::vector<base_rate> rates;    ///< as the horizons were given
};

/// Horizons above 0. O(samples x metrics + events log events) a call, plus events a horizon.
history_summary summarize(const history& h, std::span<const int64_t> horizons_ms);

} // namespace harbinger
