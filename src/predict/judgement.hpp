#pragma once

/// How good the predictions of held-out rows are: figures with intervals, curves, reliability,
/// warnings and lead times. Nothing is chosen here but, by best_threshold, the threshold, which
/// belongs to validation rows. O(n log n) in the rows, and O(n) for each bootstrap replicate.

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

struct judged_machine {
  std::string node;
  std::string group; ///< whatever is not independent of each other: run, fleet ...
  std::string note;  ///< for people ("memory leak"), not judged
};

/// One prediction, and what became of it. Rows whose outcome is not known over the whole horizon
/// (censored) must be left out by whoever made them.
struct judged {
  uint32_t machine = 0; ///< index into machines
  uint8_t label = 0;    ///< 1: failed within the horizon
  int64_t time_ms = 0;
  double probability = 0;
  double score = undefined;   ///< before calibration; NaN: none
  int64_t failure_in_ms = -1; ///< until the machine's next failure, however far; -1: none known
  double weight = 1;          ///< how many rows it stands for, where rows were thinned
};

struct judged_rows {
  std::vector<judged_machine> machines;
  std::vector<judged> rows; ///< in any order; the result does not depend on it
};

/// Named limits: more is refused as oversize.
constexpr size_t judged_rows_max = 50'000'000;
constexpr size_t reliability_bins_max = 100;
constexpr uint32_t bootstrap_replicates_max = 10'000;

enum class resampling : uint8_t { machines, groups };
constexpr auto enum_names(resampling) { return std::array{"machines", "groups"}; }

struct bootstrap_settings {
  resampling unit = resampling::machines;
  /// 0: as many as 400 million row visits allow, from 200 to 1000 (some 8 s at 3 million rows).
  uint32_t replicates = 0;
  uint64_t seed = 1;
};

struct question {
  int64_t horizon_ms = 0;
  double threshold = 0.5; ///< a probability at or above it is a warning
  /// Of the training rows; what the Brier score is compared with. NaN: that of the judged rows,
  /// which no constant can beat.
  double base_rate = undefined;
  /// Between two decisions about one machine; watched time is rows x this. 0: the median distance
  /// of the rows; give it where rows were thinned.
  int64_t step_ms = 0;
  size_t bins = 10;
  bootstrap_settings bootstrap;
};

/// A value and its 95 % interval; NaN where not defined (one class only, no warning ...).
struct figure {
  double value = undefined;
  double low = undefined, high = undefined;
};

struct curve_point {
  double x = 0, y = 0;
  double threshold = 0;
};
/// A curve keeps at most so many points, none closer than 1/400 to the last in both directions.
constexpr size_t curve_points_max = 2000;

/// Rows of like probability: what was said and what came.
struct judged_bin {
  double from = 0, to = 0; ///< probabilities in it; equal width: its edges, else the extremes in it
  double said = undefined; ///< mean probability
  figure came;             ///< share of labels
  double weight = 0;
};

/// A failure with at least one row within the horizon before it.
struct judged_failure {
  uint32_t machine = 0;
  int64_t failure_ms = 0;
  int64_t peak_ms = 0; ///< when the probability was highest within the horizon before it
  double peak_probability = 0;
  bool warned = false; ///< the peak reached the threshold
  /// Since the warning that was still up at the last row before the failure; may be longer than
  /// the horizon. None: not warned, or withdrawn.
  std::optional<int64_t> lead_ms;
};
/// A warning without a failure within the horizon after any of its rows. A warning is a run of
/// consecutive rows of a machine at or above the threshold, ended by a row below it, by a failure,
/// or by a pause longer than the horizon and one and a half steps.
struct false_alarm {
  uint32_t machine = 0;
  int64_t from_ms = 0, until_ms = 0;
  int64_t peak_ms = 0;
  double peak_probability = 0;
  double weight = 1; ///< mean weight of its rows: an estimate where rows were thinned
};

struct judgement {
  question asked;
  uint64_t rows = 0, positives = 0; ///< as given, without weights
  double weight = 0;
  uint64_t machines = 0, groups = 0; ///< with rows
  double base_rate = undefined;      ///< of these rows, weighted

  /// Ranking by probability; areas and average precision step-wise with ties together, as
  /// scikit-learn's roc_auc_score and average_precision_score. Not defined with one class only.
  figure roc_auc, pr_auc;
  double roc_auc_of_score = undefined, pr_auc_of_score = undefined; ///< before calibration
  figure precision, recall, f1;                                     ///< at the threshold
  figure brier, base_brier, skill; ///< skill: 1 - brier / base_brier (Brier 1950)
  /// Expected calibration error (Naeini et al., AAAI 2015): mean |said - came| over bins, by
  /// weight. Bins of equal mass (ties stay together, so there may be fewer), and of equal width.
  figure calibration_error, calibration_error_by_width;

  uint64_t failures = 0, failures_warned = 0, warnings_held = 0;
  figure event_recall; ///< failures warned of at least once within the horizon before
  uint64_t failing_machines = 0, failing_machines_warned = 0;
  double false_alarms = 0;   ///< weighted
  double machine_months = 0; ///< of 30 days
  figure false_alarms_per_month;
  figure lead_median_ms;             ///< of the warnings that held
  std::vector<double> lead_times_ms; ///< ascending

  std::vector<curve_point> roc;                              ///< false positive rate, recall
  std::vector<curve_point> pr;                               ///< recall, precision
  std::vector<judged_bin> reliability, reliability_by_width; ///< ascending, none empty

  std::vector<judged_failure> missed;     ///< lowest peak first
  std::vector<false_alarm> false_alarmed; ///< highest peak first, the worst of each machine

  uint32_t replicates = 0;
  uint64_t units = 0;          ///< machines or groups that were resampled
  uint64_t units_positive = 0; ///< of these, with a positive row: few make intervals rough
};

/// Worst cases kept in a judgement.
constexpr size_t worst_cases_max = 50;

/// errc::invalid_argument, with the row's number: a probability that is no number or outside 0..1,
/// a label other than 0 and 1, an unknown machine, a weight that is no number or negative, a
/// failure_in_ms below -1; and a question without sense. errc::oversize: a named limit. No rows and
/// one class only are judged; what then has no meaning is NaN.
result<judgement> judge(const judged_rows& given, const question& asked);

/// The threshold with the best F1, half way to the next lower probability; the highest of equals.
/// For validation rows. errc::invalid_argument: as judge, or no positive row.
result<double> best_threshold(const judged_rows& validation);

/// The q-quantile of ascending values, between the two nearest (as numpy's default); NaN of none.
double quantile(std::span<const double> ascending, double q);

/// One line of the table of figures, for page, document and terminal alike.
enum class figure_format : uint8_t { share, small, count, duration };
struct named_figure {
  std::string key;   ///< stable, for programs ("roc_auc")
  std::string label; ///< for people
  std::string meaning;
  figure_format format = figure_format::share;
  figure value;
};
std::vector<named_figure> figures(const judgement& j);

/// "0.123", "not defined"; a duration like "3.5 h".
std::string to_text(double value, figure_format format);
/// With the interval where there is one: "0.123 [0.100, 0.140]".
std::string to_text(const figure& f, figure_format format);

} // namespace harbinger::predict
