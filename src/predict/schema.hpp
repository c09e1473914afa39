#pragma once

/// Which features there are. A model carries the schema it was trained with and is used with no
/// other.
///
/// No feature tells which machine it is: levels enter only where they are shares that read the same
/// everywhere; all else is relative to the node's own past or to the other nodes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace harbinger::predict {

enum class statistic : uint8_t {
  level,        ///< newest value (shares only)
  mean,         ///< over the short window (shares only)
  mean_mid,     ///< over the middle window (shares only)
  deviation,    ///< over the short window (shares only)
  change,       ///< by the middle window's line, over that window (shares only)
  change_short, ///< the same over the short window
  trend,        ///< `change` in units of the long window's deviation
  peak,         ///< largest of the middle window (shares only)
  limit_in,     ///< time until 1.0 by the middle window's line, in horizons, 0..10; 10: not growing
  baseline,     ///< (short mean - long mean) / long deviation, with a floor, -20..20
  peers, ///< (short mean - median of the other nodes) / their scaled MAD, with a floor, -20..20
  count_short, ///< events in the short window, log(1 + n)
  count_mid,
  count_long,
  since, ///< time since the last event, in horizons, 0..10; 10: none
  kinds, ///< classes of events seen in the middle window
  value, ///< of a derived input (missing share, gaps)
};

/// Where a series comes from and how it is read.
struct series_spec {
  std::string_view metric; ///< of telemetry/metrics.hpp; counters become rates per second
  double floor; ///< smallest deviation that counts, in the metric's unit (per second for counters)
};
struct feature_spec {
  std::string_view metric; ///< metric, or "log.errors", "input"
  statistic what;
  size_t series; ///< index into series(), or events(), by `what`
};

const std::vector<series_spec>& series();
/// Counters of log lines, each a class.
const std::vector<std::string_view>& events();
const std::vector<feature_spec>& features();
/// "process.rss_ratio baseline"
std::string feature_name(const feature_spec& feature);

/// The windows and the horizon that features are built with.
struct time_scales {
  std::vector<double> windows_s; ///< exactly three, ascending
  double horizon_s = 0;
  double stale_after_s = 0; ///< older input does not take part in the comparison of peers
  friend bool operator==(const time_scales&, const time_scales&) = default;
};
/// Sorted, and made three: a missing one is ten times the one before.
time_scales make_scales(std::vector<double> windows_s, double horizon_s, double stale_after_s);
/// Over everything that gives a feature its meaning.
uint64_t schema_hash(const time_scales& scales);

} // namespace harbinger::predict
