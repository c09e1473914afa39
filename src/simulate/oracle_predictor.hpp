#pragma once

/// A predictor that is as good as it is told to be: it knows the failures to come. Pure.
///
/// An event (one cause) is seen with probability `recall`, all of its nodes or none: what a common
/// cause does to telemetry it does to everybody. It is announced `lead` before its first failure
/// (exponential, cut at the horizon), each node until it is down. For each event that is seen there
/// are (1 - precision) / precision false ones on average, of the same cause and as many nodes, at a
/// random place and time, that last for a whole horizon: wrong alarms come in the same shapes as
/// right ones.
///
/// Scores are calibrated: of alarms with probability s, a share of s comes true. They lie in
/// precision/2 .. 1 with mean `precision`; who acts on a predictor of this precision has to set
/// zones.enter_at to precision/2 (zone_thresholds()).

#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "history/csv.hpp"
#include "simulate/failure_process.hpp"

namespace harbinger::simulate {

struct predictor_options {
  double recall = 0.7;
  double precision = 0.3;
  double mean_lead_s = 1800;
  double horizon_s = 3600;
};

/// From now on this is the node's probability of failure within the horizon.
struct score_change {
  double at_s = 0;
  node_number node = 0;
  double probability = 0;
  friend bool operator==(const score_change&, const score_change&) = default;
};
/// What is said of a node that nothing is known of.
inline constexpr double quiet_probability = 0.001;

struct prediction {
  std::vector<score_change> changes;          ///< by time, then node; before the first one: quiet
  uint64_t alarms_true = 0, alarms_false = 0; ///< node by node
  double precision() const;
  double recall(size_t failures) const;
};

prediction predict(const predictor_options& options, const std::vector<failure>& failures,
                   const topology& nodes, double days, uint64_t seed);
/// Every node has this probability from the beginning on.
prediction stuck_at(double probability, size_t nodes);

/// A trained model's scores: a CSV table with the columns time (seconds from the beginning), node
/// (a number, or its name) and probability. Alarms are judged against `failures` with `alarm_at`:
/// true when the node fails within the horizon of the score that raised it.
/// malformed, invalid_argument: file and line.
result<prediction> read_scores(const std::string& name, byte_source source, const topology& nodes);
void judge(prediction& p, const std::vector<failure>& failures, double alarm_at, double horizon_s);

/// zones.enter_at and leave_at for a predictor of this precision.
void set_zone_thresholds(zone_settings& rules, double precision);

} // namespace harbinger::simulate
