#include <array>
#include <cmath>
#include <cstdio>

#include "predict/judgement.hpp"

namespace harbinger::predict {
namespace {

std::string formatted(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value); // NOLINT: the formats are below
  return text.data();
}

std::string duration_text(double ms) {
  double s = ms / 1000, size = std::abs(s);
  if (size >= 2 * 86400) return formatted("%.1f d", s / 86400);
  if (size >= 2 * 3600) return formatted("%.1f h", s / 3600);
  if (size >= 2 * 60) return formatted("%.1f min", s / 60);
  return formatted("%.1f s", s);
}

std::string count_text(double value) {
  if (value != std::round(value) || std::abs(value) >= 1e15)
    return formatted(std::abs(value) < 0.1 ? "%.2g" : "%.2f", value);
  std::string digits = formatted("%.0f", value);
  const size_t stop = value < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > stop + 3;) digits.insert(at -= 3, ",");
  return digits;
}

figure plain(double value) { return {value, undefined, undefined}; }
figure plain(uint64_t value) { return plain(static_cast<double>(value)); }

} // namespace

std::string to_text(double value, figure_format format) {
  if (std::isnan(value)) return "not defined";
  if (std::isinf(value)) return value > 0 ? "infinite" : "-infinite";
  switch (format) {
  case figure_format::share: return formatted("%.3f", value);
  case figure_format::small: return formatted("%.3g", value);
  case figure_format::count: return count_text(value);
  case figure_format::duration: return duration_text(value);
  }
  return {};
}

std::string to_text(const figure& f, figure_format format) {
  auto text = to_text(f.value, format);
  if (std::isnan(f.value) || std::isnan(f.low) || std::isnan(f.high)) return text;
  return text + " [" + to_text(f.low, format) + ", " + to_text(f.high, format) + "]";
}

std::vector<named_figure> figures(const judgement& j) {
  using enum figure_format;
  auto lead = [&](double q) { return plain(quantile(j.lead_times_ms, q)); };
  return {
      {"horizon_ms", "horizon", "failures within this time after a decision are to be foreseen",
       duration, plain(static_cast<double>(j.asked.horizon_ms))},
      {"rows", "rows", "decisions judged", count, plain(j.rows)},
      {"positives", "rows before a failure", "failed within the horizon", count,
       plain(j.positives)},
      {"base_rate", "base rate", "share of such rows, by weight", small, plain(j.base_rate)},
      {"machines", "machines", "with rows", count, plain(j.machines)},
      {"groups", "groups", "with rows", count, plain(j.groups)},
      {"roc_auc", "ROC-AUC", "chance that a row before a failure is ranked above another one",
       share, j.roc_auc},
      {"pr_auc", "PR-AUC", "average precision; guessing gives the base rate", share, j.pr_auc},
      {"roc_auc_of_score", "ROC-AUC, raw score", "before calibration", share,
       plain(j.roc_auc_of_score)},
      {"pr_auc_of_score", "PR-AUC, raw score", "before calibration", share,
       plain(j.pr_auc_of_score)},
      {"threshold", "threshold", "a probability from here on is a warning", small,
       plain(j.asked.threshold)},
      {"precision", "precision", "of the rows with a warning, those before a failure", share,
       j.precision},
      {"recall", "recall", "of the rows before a failure, those with a warning", share, j.recall},
      {"f1", "F1", "harmonic mean of both", share, j.f1},
      {"brier", "Brier score", "mean squared error of the probability; less is better", small,
       j.brier},
      {"base_brier", "Brier score, base rate",
       std::isnan(j.asked.base_rate) ? "always saying the base rate of these rows"
                                     : "always saying the base rate of the training rows",
       small, j.base_brier},
      {"skill", "Brier skill", "1 - Brier / Brier of the base rate; above 0 is better than it",
       share, j.skill},
      {"calibration_error", "calibration error",
       "expected |said - came| over bins of equal mass; less is better", small,
       j.calibration_error},
      {"calibration_error_by_width", "calibration error, equal width",
       "the same over bins of equal width", small, j.calibration_error_by_width},
      {"failures", "failures", "with a row within the horizon before", count, plain(j.failures)},
      {"failures_warned", "failures warned of", "at least once within the horizon before", count,
       plain(j.failures_warned)},
      {"event_recall", "event recall", "share of the failures that were warned of", share,
       j.event_recall},
      {"failing_machines", "failing machines", "with such a failure", count,
       plain(j.failing_machines)},
      {"failing_machines_warned", "failing machines warned of", "before a failure, at least once",
       count, plain(j.failing_machines_warned)},
      {"false_alarms", "false alarms",
       "warnings (runs of rows) without a failure within the horizon after", count,
       plain(j.false_alarms)},
      {"machine_months", "machine-months", "watched, of 30 days", count, plain(j.machine_months)},
      {"false_alarms_per_month", "false alarms per machine-month", "less is better", small,
       j.false_alarms_per_month},
      {"warnings_held", "warnings that held", "still up at the last row before the failure", count,
       plain(j.warnings_held)},
      {"lead_median_ms", "lead time, median", "from the beginning of a warning that held", duration,
       j.lead_median_ms},
      {"lead_p10_ms", "lead time, 10 %", "nine of ten had more", duration, lead(0.1)},
      {"lead_p25_ms", "lead time, 25 %", "", duration, lead(0.25)},
      {"lead_p75_ms", "lead time, 75 %", "", duration, lead(0.75)},
      {"lead_p90_ms", "lead time, 90 %", "", duration, lead(0.9)},
  };
}

} // namespace harbinger::predict
