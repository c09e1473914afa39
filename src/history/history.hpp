#pragma once

/// Recorded history of machines: what was measured, what happened, and how it ended. The one form
/// in which histories are kept, imported, trained on and judged (docs/PREDICTION.md, "Histories").

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "core/result.hpp"

namespace harbinger {

/// How the numbers of a metric are to be read.
enum class history_reading : uint8_t {
  share,   ///< 0..1 of a limit; reads the same on every machine
  gauge,   ///< a level that goes up and down
  counter, ///< a running total; its growth means something, its level only when `comparable`
};
constexpr auto enum_names(history_reading) { return std::array{"share", "gauge", "counter"}; }

struct history_metric {
  std::string name;
  std::string unit; ///< for people
  history_reading reading = history_reading::gauge;
  /// Absolute values mean the same on every machine, so they may become features. Otherwise they
  /// would only tell which machine it is.
  bool comparable = false;
  double floor = 0; ///< smallest deviation that counts, in the metric's unit; 0: from the data
};

/// One machine. Ids are unique in the history ("e1/n00").
struct history_node {
  node_id id;
  std::string fleet; ///< whom it is compared with; empty: everybody
  /// As text; those that are to be features are named in the history.
  std::map<std::string, std::string> attributes;
  int64_t first_ms = 0; ///< watched from here
  int64_t last_ms = 0;  ///< to here: what comes later is not known (censored)
  /// Not watched any more after last_ms, but it is known that nothing else befell it until here.
  /// Never before last_ms; 0: the same as last_ms.
  int64_t known_ms = 0;
};

struct history_sample {
  uint32_t node = 0;          ///< index into nodes
  int64_t time_ms = 0;        ///< when it was measured, by the node's own clock
  std::vector<double> values; ///< parallel to metrics; NaN: not measured
  /// When it was known, by the observer's clock, which events and everything of a node go by;
  /// 0: at time_ms, there is one clock.
  int64_t arrived_ms = 0;
};
constexpr int64_t arrival_ms(const history_sample& s) {
  return s.arrived_ms != 0 ? s.arrived_ms : s.time_ms;
}

enum class happening : uint8_t {
  event,       ///< an error or other message with a code
  maintenance, ///< something was done to it; code: what
  failure,     ///< it failed; code: the cause, if known
  shutdown,    ///< it was taken out on purpose: no failure, and the end of what is known
  note,        ///< known to whoever made the history, not to the node: for judging, never a feature
};
constexpr auto enum_names(happening) {
  return std::array{"event", "maintenance", "failure", "shutdown", "note"};
}
struct history_event {
  uint32_t node = 0;
  int64_t time_ms = 0;
  happening what = happening::event;
  std::string code; ///< may be empty
  double count = 1;
  /// Of a failure: when it worked again (time_ms: at once); 0: never, or not known.
  int64_t back_ms = 0;
};

/// Samples in order of arrival, then node; those of one node grow in time. Events in order of time,
/// then node, then as given. All times are milliseconds since any origin that the whole history
/// shares (unix time where it is known).
struct history {
  std::string name;
  std::string source; ///< where it comes from, for people
  std::vector<history_metric> metrics;
  std::vector<std::string> numbers;    ///< attributes that are features as numbers
  std::vector<std::string> categories; ///< attributes that are features as categories
  /// A sample comes only when a value changed: until the next one, or the node's last_ms, its
  /// values hold; no sample is not silence.
  bool on_change = false;
  std::vector<history_node> nodes;
  std::vector<history_sample> samples;
  std::vector<history_event> events;
};

} // namespace harbinger
