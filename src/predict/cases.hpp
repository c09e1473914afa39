#pragma once

/// Similar past cases: "this node looks like m7 did twelve minutes before it failed". A small
/// selection of the rows that a model learned from, kept with it.
///
/// Rows are compared by where their values stand among the learned ones (feature_profile::rank), so
/// that no unit counts more than another; a position takes one byte. Work of a question is cases x
/// features.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.hpp"
#include "history/history.hpp"
#include "predict/examples.hpp"
#include "predict/profile.hpp"
#include "predict/study.hpp"

namespace harbinger::predict {

struct past_case {
  node_id node;
  int64_t time_ms = 0;
  bool failed = false;      ///< within the horizon
  bool then_failed = false; ///< its life ended with a failure, be it within the horizon or later
  int64_t after_ms = 0;     ///< until that failure; else how long it is known to have lived
  std::string label;        ///< of a failure: its cause; may be empty
  double probability = 0;   ///< that the model gave then
  friend bool operator==(const past_case&, const past_case&) = default;
};

struct similar_case {
  const past_case* found = nullptr; ///< owned by the case_base
  double distance = 0;              ///< 0..1, weighted mean over features
  /// 1: equal; 0: no nearer than two cases of the base are to each other on average.
  double similarity = 0;
};

struct case_options {
  /// Half for failures (of each cause as many as of the others, as far as there are), a quarter for
  /// false alarms, a quarter for healthy rows drawn at random. What one kind leaves free stays
  /// free.
  size_t cases_max = 300;
  int64_t horizon_ms = 0;
  double alarm_at = 0.5; ///< a healthy row with this probability is a false alarm
  /// Attribute of a node that says what became of it, for failures without a code. Without it the
  /// last note on the node before the failure stands for the cause.
  std::string label_attribute;
};

/// What cases are made from. `rows`: indices of examples; `probability` runs parallel to it.
struct case_material {
  const history& past;
  const examples& from;
  std::span<const size_t> rows;
  std::span<const double> probability;
};

/// Weights of features by those of their metrics, shared evenly among the features of a metric;
/// metrics that are not named, or lost nothing, have none. All metrics weigh the same when none has
/// any.
std::vector<double> feature_weights(const schema& of, const std::vector<importance>& metrics);

class case_base {
public:
  static constexpr size_t cases_limit = 10'000;
  static constexpr size_t text_max = 256;
  static constexpr size_t bytes_max = 8 << 20; ///< of serialize()

  /// Of features: finite, not negative, and not all 0.
  static bool good_weights(const std::vector<double>& weights);

  size_t size() const { return cases_.size(); }
  const past_case& at(size_t i) const { return cases_[i]; }

  /// At most `count`, nearest first; of equally near ones the newest first, then by node. Missing
  /// against missing is no distance, missing against known the largest. `row`: all features of the
  /// profile.
  std::vector<similar_case> nearest(std::span<const double> row, size_t count) const;

  /// Without a checksum: the file that holds it has one.
  std::string serialize() const;
  /// malformed for anything that serialize() does not write, or that was made with another profile;
  /// oversize beyond cases_limit or bytes_max.
  static result<case_base> parse(std::string_view bytes, profile_ptr profile);

private:
  friend result<case_base> make_cases(const case_material&, profile_ptr, std::vector<double>,
                                      const case_options&);
  case_base(profile_ptr profile, std::vector<double> weights);
  void add(past_case one, std::span<const uint8_t> positions);
  std::vector<uint8_t> positions_of(std::span<const double> row) const;
  void measure();
  double distance(std::span<const uint8_t> a, std::span<const uint8_t> b) const;
  std::span<const uint8_t> positions(size_t i) const;

  profile_ptr profile_;
  std::vector<double> weights_; ///< a feature
  double weights_sum_ = 0;
  std::vector<past_case> cases_;
  std::vector<uint8_t> positions_; ///< width() a case
  double apart_ = 0;               ///< mean distance of two cases
};

/// For each failure within the horizon of a row one case, its row nearest to half a horizon before
/// it; and healthy ones, no failure within twice the horizon, those of one node at least a horizon
/// apart. Rows whose outcome is not
/// known are left out. Deterministic. Fewer cases where bytes_max asks for it. invalid_argument: no
/// rows, rows that do not exist, probabilities that are none, a horizon below 1, a profile or
/// weights of another width, weights that are negative or all 0; oversize: more than cases_limit, a
/// node's name beyond text_max.
result<case_base> make_cases(const case_material& material, profile_ptr profile,
                             std::vector<double> weights, const case_options& options);

/// "e1/n00 at 2020-04-08 19:12 (similarity 0.91): failed 12 min later (memory_leak)", "n3 at
/// 2020-04-08 19:12: lived on for 3 h", or "... for 3 h, then failed".
/// To the minute, UTC.
std::string describe_case(const past_case& one, std::optional<double> similarity = {});

} // namespace harbinger::predict
