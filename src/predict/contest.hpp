#pragma once

/// Champion against challenger: which of two models goes on, by rows that neither learned from.
/// Pure; whoever calls scores the same rows with both. Some seconds for a million rows.
///
/// The loss of a row is its log-loss with the probability clipped to 1e-6..1 - 1e-6, so that one
/// certain error counts as fourteen, not as infinite; the mean goes by weight. The gain is the
/// champion's mean loss less the challenger's, over the same rows. Its 95 % interval is the wider,
/// on each side, of two over machines, as rows of one machine are not independent:
/// * the percentile bootstrap (bootstrap.hpp), each replicate giving both the same machines;
/// * gain ± t se, where with d = sum of w (row's gain - gain) of a machine, se^2 = n / (n - 1) *
///   sum(d^2) / W^2 (the ratio estimate's linearization) and t is Student's 97.5 % quantile for
///   sum(d^2)^2 / sum(d^4) - 1 degrees of freedom: the machines that carry the difference less one.
///   The bootstrap alone is too narrow when a handful of failures decide (Hesterberg 2015, The
///   American Statistician 69(4)); so three failures are looked at, but about seven that agree are
///   needed to promote.
///
/// The interval holds for one look. Whoever asks every hour about the same growing rows will
/// promote by chance more often than 2.5 % of the time, and machines that fail together (one rack)
/// count as if they were independent.

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "predict/judgement.hpp"

namespace harbinger::predict {

inline constexpr double contest_clip = 1e-6;
inline constexpr size_t contest_rows_max = 10'000'000;

/// One decision about one machine, and what became of it. Rows whose outcome is not known yet must
/// be left out by whoever made them.
struct contest_row {
  uint32_t machine = 0; ///< any number; the same for rows of one machine
  int64_t time_ms = 0;
  uint8_t label = 0;   ///< 1: failed within the horizon
  double weight = 1;   ///< how many rows it stands for
  double champion = 0; ///< probabilities
  double challenger = 0;
};

struct contest_options {
  /// False: there is none, and contest_row::champion is not looked at. The challenger then has to
  /// beat the constant that fits these very rows best, their base rate.
  bool has_champion = true;
  size_t failures_min = 3; ///< at least 1; fewer: not enough evidence
  size_t rows_min = 200;
  /// Rows up to and including this time are left out: give the later of the two models'
  /// trained_until_ms, plus a horizon if labels of the training rows reached that far.
  int64_t later_than_ms = std::numeric_limits<int64_t>::min();
  uint32_t replicates = 0; ///< 0: replicates_for(rows); else 100..bootstrap_replicates_max
  uint64_t seed = 1;
};

enum class contest_outcome : uint8_t {
  promote,             ///< the challenger
  keep,                ///< the champion, or to be without one
  not_enough_evidence, ///< keep, for now
};
constexpr auto enum_names(contest_outcome) {
  return std::array{"promote", "keep", "not_enough_evidence"};
}

struct contender {
  figure log_loss, brier, pr_auc; ///< percentile bootstrap intervals
};

struct contest_verdict {
  contest_outcome outcome = contest_outcome::not_enough_evidence;
  std::string words; ///< the verdict and why, one sentence with numbers
  contender champion, challenger;
  figure gain;                      ///< above 0: the challenger is better
  figure pr_auc_gain;               ///< challenger's less champion's
  uint64_t rows = 0, positives = 0; ///< that counted: later, and of a weight above 0
  uint64_t rows_too_early = 0;
  uint64_t machines = 0;
  uint64_t failures = 0; ///< machines with a row before a failure
  double base_rate = undefined;
  int64_t first_ms = 0, last_ms = 0; ///< of the rows that counted
  uint32_t replicates = 0;

  bool promotes() const { return outcome == contest_outcome::promote; }
};

/// Promotes when the lower end of the gain's interval is above 0 and the challenger's PR-AUC is not
/// worse than the champion's by more than noise (the upper end of pr_auc_gain's interval is not
/// below 0). With fewer failures or rows than asked for, or no healthy row, never. The same rows in
/// any order, options and seed give the same verdict.
/// invalid_argument, with the row's number: a probability that is no number or outside 0..1, a
/// label other than 0 and 1, a weight that is no number, infinite or negative; and options without
/// sense. oversize: more than contest_rows_max rows.
result<contest_verdict> hold_contest(std::vector<contest_row> rows, const contest_options& options);

/// Student's t: the quantile at 97.5 %, to 0.3 %; degrees of freedom are rounded down, at least 1.
double student_t_975(double degrees_of_freedom);

} // namespace harbinger::predict
