#pragma once

/// Whether as many nodes fail as the predictions say.
///
/// Predictions of one node within one horizon are about the same failure. So each weighs
/// interval / horizon: together those of one node and horizon are one observation, and a failure
/// is observed about once. The variance of the weighted mean of outcomes is at most the mean of
/// their variances, p (1 - p), whatever their dependence; that is what the z-score divides by.
/// Failures of different nodes count as independent: when a rack goes at once, z says too much.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/ids.hpp"

namespace harbinger::predict {

enum class calibration_verdict : uint8_t {
  not_known, ///< fewer than failures_min failures, expected as well as observed
  fits,
  warns_too_little, ///< more nodes fail than the probabilities say
  warns_too_much,
};
constexpr auto enum_names(calibration_verdict) {
  return std::array{"not known yet", "fits", "warns too little", "warns too much"};
}

struct calibration_drift_options {
  /// Of a node at most one prediction is taken in each interval of this length; never more than
  /// `in_horizon_max` in a horizon.
  int64_t every_ms = 10'000;
  double half_life_s = 7 * 86'400; ///< after which what was observed counts half
  double failures_min = 5;
  /// It does not fit when both are passed: this z-score (a chance of three in a thousand), and a
  /// ratio of observed to expected beyond this or below its inverse, since with much data any
  /// difference is significant.
  double z_limit = 3, ratio_limit = 1.25;
};

/// Predictions with a probability in [from, to), weighted and decayed.
struct calibration_bin {
  double from = 0, to = 1;
  double node_horizons = 0;
  double expected = 0, observed = 0; ///< failures
};

struct calibration_report {
  double node_horizons = 0;
  double expected = 0, observed = 0; ///< failures
  double ratio = 0;                  ///< observed / expected; 0: nothing was expected yet
  double z = 0;
  /// Expected calibration error over the bins: mean |observed - expected| a node-horizon, by
  /// weight. Chance alone makes it more than 0 when there is little data.
  double error = 0;
  calibration_verdict verdict = calibration_verdict::not_known;
  std::vector<calibration_bin> bins; ///< from the lowest, also empty ones
  size_t open = 0;                   ///< predictions whose horizon has not passed
  uint64_t counted = 0;              ///< predictions whose outcome became known, ever
  uint64_t censored = 0;             ///< whose outcome will never be known
  uint64_t refused = 0;              ///< not taken for want of room
};

/// Every prediction is counted when its horizon has passed, not when the node fails: else failures
/// would come before the survivors that belong to them, and the model would always seem to warn too
/// little. All times are milliseconds of one clock, which does not go back.
///
/// An outcome is known when the node failed within (time, time + horizon], or was seen alive at or
/// after its end. A node that leaves on purpose, or is neither seen nor said to have failed for
/// one more horizon, is censored. Where operators take out just the nodes that were warned of, the
/// failures that would have come are not observed: the model then seems to warn too much.
class calibration_drift {
public:
  /// Some 13 MB. When it is reached new predictions are refused; were the oldest dropped instead,
  /// none would ever grow old enough to be counted.
  static constexpr size_t open_max = 400'000;
  static constexpr size_t nodes_max = 100'000;
  static constexpr int64_t in_horizon_max = 20;

  explicit calibration_drift(calibration_drift_options options);
  calibration_drift(const calibration_drift&) = delete; ///< open predictions point into it
  calibration_drift& operator=(const calibration_drift&) = delete;

  /// A prediction from fresh input: the node was alive at `time_ms`. To be called at every scoring;
  /// what comes too soon only shows that the node lives. Probabilities are taken as 1e-6..1-1e-6;
  /// one that is no number, or a horizon below 1, breaks an invariant. True when it was taken.
  bool add(const node_id& node, int64_t time_ms, double probability, int64_t horizon_ms);
  /// The node failed then. Known to be alive until then.
  void failed(const node_id& node, int64_t time_ms);
  /// It was shut down, drained or removed on purpose, or is followed no more.
  void left(const node_id& node, int64_t time_ms);
  /// Counts what has ripened. Call it at every scoring.
  void advance(int64_t now_ms);

  calibration_report report() const;

private:
  static constexpr size_t bin_count = 10;
  struct followed_node {
    int64_t seen_ms = INT64_MIN; ///< alive then
    int64_t next_ms = INT64_MIN; ///< when a prediction is taken again
    size_t open = 0;
  };
  using node_map = std::map<node_id, followed_node>;
  enum class outcome : uint8_t { open, failed, censored };
  struct open_prediction {
    node_map::iterator node;
    int64_t time_ms, horizon_ms;
    float probability, weight;
    outcome known = outcome::open;
    int64_t end_ms() const { return time_ms + horizon_ms; }
  };
  /// Sums since the last decay.
  struct sums {
    double weight = 0, expected = 0, observed = 0;
  };

  bool has_room(int64_t time_ms);
  /// Counts one whose horizon has passed; false when its outcome is still awaited.
  bool settle(open_prediction& p, int64_t now_ms);
  void count(const open_prediction& p, bool failed);
  void decay(int64_t now_ms);
  template <class Change>
  void change_open(const node_id& node, const Change& change);

  calibration_drift_options options_;
  node_map nodes_;
  std::deque<open_prediction> open_;      ///< as they were taken; each waits for those before it
  std::vector<open_prediction> awaiting_; ///< horizon passed, node not seen since
  std::array<sums, bin_count> bins_{};
  double variance_ = 0;
  int64_t decayed_ms_ = INT64_MIN, pruned_ms_ = INT64_MIN;
  uint64_t counted_ = 0, censored_ = 0, refused_ = 0;
};

/// "12.3 failures expected, 25.0 came (ratio 2.03, z 3.6): warns too little"
std::string describe(const calibration_report& report);

} // namespace harbinger::predict
