#pragma once

/// Which features there are. A model carries the schema it was trained with and is used with no
/// other.
///
/// No feature tells which machine it is: levels enter only where they read the same on every
/// machine (shares, and what a history calls comparable); all else is relative to the node's own
/// past or to the other nodes.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace harbinger {
struct history;
}

namespace harbinger::predict {

enum class statistic : uint8_t {
  // of a series; counters are read as rates per second
  level,        ///< newest value
  mean,         ///< over the short window
  mean_mid,     ///< over the middle window
  mean_long,    ///< over the long window
  deviation,    ///< over the short window
  change,       ///< by the middle window's line, over that window (shares: -1..1)
  change_short, ///< the same over the short window
  trend,        ///< `change` in units of the long window's deviation
  peak,         ///< largest of the middle window
  limit_in,     ///< time until 1.0 by the middle window's line, in horizons, 0..10; 10: not growing
  baseline,     ///< (short mean - long mean) / long deviation, with a floor, -20..20
  pressure,     ///< of a share: how far the short mean is from half of the limit to the limit, 0..1
  // of a series, against the other nodes of the fleet; NaN with fewer than 3 of them
  peers,         ///< (short mean - median of the others) / their scaled MAD, with a floor, -20..20
  strays,        ///< the same of (short mean - long mean): what happens to all is nobody's trouble
  outgrows,      ///< the same of the change by the middle window's line
  full_in_short, ///< of a share: time until 1.0 at the rate by which its short window's line
                 ///< outgrows
                 ///< the others' median by more than two scaled MADs, in horizons, 0..10; 10: it
                 ///< does not. Without others: at its own rate
  full_in,       ///< the same by the middle window's line
  full_in_long,
  total,       ///< of a counter: the newest total, log(1 + n)
  grown_short, ///< of a counter: growth in the short window (stepped_past), log(1 + n)
  grown_mid,
  grown_long,
  grown_since, ///< of a counter: time since it last grew, in horizons, 0..10; 10: never seen
  moved_short, ///< newest value less the one of a short window ago (stepped_past)
  moved_mid,
  moved_long,
  // of events
  count_short, ///< in the short window, log(1 + n)
  count_mid,
  count_long,
  count_ever,
  since,       ///< time since the last one, in horizons, 0..`far_away`, log(1 + n) beyond 10
  kinds,       ///< classes of events seen in the middle window
  fleet_short, ///< of the other nodes of the fleet, a node, in the short window, log(1 + 100 n)
  fleet_mid,
  fleet_long,
  // of the node
  value,    ///< of its input: missing share, gaps, age
  age,      ///< time since it was first seen, in long windows, log(1 + n)
  number,   ///< an attribute
  category, ///< 1 when the attribute has this value
};

/// Where a series comes from and how it is read.
struct series_spec {
  std::string metric; ///< name in the rows; counters become rates per second
  double floor =
      0; ///< smallest deviation that counts, in the metric's unit (per second for counters)
  bool share = false; ///< 0..1 of a limit
  std::string phrase; ///< how a sentence about it begins: "memory in use"
  std::string unit;
};
struct event_spec {
  std::string code;  ///< a counter's name in the rows, or the name of an event
  bool error = true; ///< counts among all errors
  std::string phrase;
};
struct feature_spec {
  std::string metric; ///< what a reason is about: metric, code, attribute, "log.errors", "input"
  statistic what;
  size_t source; ///< index into series, events (their number: all errors) or attributes, by `what`
};

struct schema {
  std::vector<series_spec> series;
  std::vector<event_spec> events;
  std::vector<std::string> numbers;                            ///< attributes read as numbers
  std::vector<std::pair<std::string, std::string>> categories; ///< attribute and value
  std::vector<feature_spec> features;
  /// Samples carry the clock of whoever asks for features (histories); else the node's own (live),
  /// and times since are counted to its newest sample.
  bool one_clock = false;

  size_t width() const { return features.size(); }
};
using schema_ptr = std::shared_ptr<const schema>;

/// Harbinger's own telemetry.
schema_ptr service_schema();
/// Of an imported history: every metric, event code, maintenance and failure, and the attributes it
/// names. Codes and categories that are rare (fewer than 5) or too many (past 24 of each) are left
/// out.
schema_ptr history_schema(const history& from);

/// "process.rss_ratio baseline"
std::string feature_name(const schema& of, size_t feature);
/// As JSON, and back: malformed.
std::string to_json(const schema& s);
result<schema_ptr> parse_schema(const std::string& json);

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
uint64_t schema_hash(const schema& s, const time_scales& scales);

} // namespace harbinger::predict
