#pragma once

#include <cmath>

#include "messages/common.hpp"

namespace harbinger {

/// One reason for a risk, ready to be shown: which metric, how it stands out, how much it weighs.
struct risk_reason {
  std::string metric; ///< e.g. "process.rss_ratio"
  /// "memory in use is 4.2 deviations above this node's own past, rising 1.3 %/s"
  std::string text;
  /// Share of the probability that hangs on this metric, 0..1 (src/predict/model.hpp, explain)
  double weight = 0.0;
};
template <class V>
void describe(V& v, risk_reason& m) {
  v("metric", m.metric);
  v("text", m.text);
  v("weight", m.weight);
}

/// What the metrics of a node are about, roughly.
enum class metric_group : uint8_t { cpu, memory, io, network, errors };
inline constexpr size_t metric_groups = 5;
constexpr auto enum_names(metric_group) {
  return std::array{"processor", "memory", "storage", "network", "errors"};
}
/// How far each group is from the node's own past, in deviations of it; NaN: not known.
using group_deviations = std::array<float, metric_groups>;
inline constexpr group_deviations no_deviations{NAN, NAN, NAN, NAN, NAN};

/// P(node fails within the horizon). Local and, as part of events, on the wire.
struct node_risk {
  node_id node;
  double probability = 0.0; ///< 0..1
  double uncertainty = 0.0; ///< half-width, grows as input gets stale; stale never reads as healthy
  bool calibrated = false;  ///< false: heuristic, or a model without calibration
  double horizon_s = 0.0;
  double input_age_s = 0.0; ///< age of the newest sample that went in; infinite when none ever came
  std::string model;        ///< version of the model, or "heuristic"
  std::vector<risk_reason> reasons;            ///< heaviest first, at most 5
  group_deviations deviations = no_deviations; ///< local only: whose telemetry moves together?
};
template <class V>
void describe(V& v, node_risk& m) {
  v("node", m.node);
  v("probability", m.probability);
  v("uncertainty", m.uncertainty);
  v("calibrated", m.calibrated);
  v("horizon_s", m.horizon_s);
  v("input_age_s", m.input_age_s);
  v("model", m.model);
  v("reasons", m.reasons);
}

/// The newest risk of every known node, sorted by node id; sent each scoring period. Local.
struct risk_updated {
  uint64_t round = 0; ///< grows; a later round replaces an earlier one whole
  std::vector<node_risk> risks;
};

/// Use this model: it is on disk and passed its checks. Local.
struct model_ready {
  std::string path;
  std::string version;
};
/// Which model is to be used? From failure_predictor at its start. Local.
struct model_wanted {};

/// Train. Local.
struct train_model {
  std::string champion_file; ///< to be challenged; empty: there is none
  unix_ms champion_until;    ///< newest of the service's own rows it learned from; 0: none
  std::string why;
};
/// A trainer that knows of no order is there. Local.
struct trainer_started {};
/// What came of an order. Local.
struct model_trained {
  std::string file; ///< the model, now the receiver's; empty: there is none
  std::string trained_on;
  unix_ms trained_until;
  bool promote = false;
  std::string words; ///< how it ended
  double seconds = 0;
};

} // namespace harbinger
