#include "predict/contest.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "predict/bootstrap.hpp"
#include "predict/ranking.hpp"

namespace harbinger::predict {
namespace {

std::string complaint(const contest_row& r, bool has_champion) {
  auto probability = [](double p) { return p >= 0 && p <= 1; }; // false for NaN
  if (has_champion && !probability(r.champion)) return "the champion's probability";
  if (!probability(r.challenger)) return "the challenger's probability";
  if (r.label > 1) return "the label";
  if (!std::isfinite(r.weight) || r.weight < 0) return "the weight";
  return {};
}

result<void> check(const std::vector<contest_row>& rows, const contest_options& o) {
  if (o.failures_min < 1) return fail(errc::invalid_argument, "failures_min must be at least 1");
  if (o.replicates != 0 && (o.replicates < 100 || o.replicates > bootstrap_replicates_max))
    return fail(errc::invalid_argument,
                "replicates must be 100 to " + std::to_string(bootstrap_replicates_max));
  if (rows.size() > contest_rows_max)
    return fail(errc::oversize, std::to_string(rows.size()) + " rows");
  for (size_t i = 0; i < rows.size(); ++i)
    if (auto wrong = complaint(rows[i], o.has_champion); !wrong.empty())
      return fail(errc::invalid_argument, "row " + std::to_string(i) + ": " + wrong);
  return {};
}

double log_loss(uint8_t label, double probability) {
  double p = std::clamp(probability, contest_clip, 1 - contest_clip);
  return label ? -std::log(p) : -std::log1p(-p);
}

/// Weighted sums over rows of one machine.
struct machine_sums {
  double weight = 0, champion = 0, challenger = 0;
  double gain = 0; ///< of differences, so that equal ones leave exactly nothing
};

class arena {
public:
  arena(std::vector<contest_row> rows, bool has_champion);
  /// Of these multiplicities, in the order of `measured`.
  std::vector<double> measure(std::span<const double> multiplicity) const;
  /// Standard error, and the degrees of freedom of its estimate; see contest.hpp.
  struct spread {
    double error = 0, freedom = 0;
  };
  spread spread_of(double gain) const;
  contest_verdict counted() const;
  size_t machines() const { return sums_.size(); }

private:
  ranking ranked(double contest_row::*by) const;

  std::vector<contest_row> rows_; ///< machines renumbered from 0
  std::vector<machine_sums> sums_;
  contest_verdict counts_;
  std::vector<ranking> rankings_; ///< champion's, challenger's
};

enum measured : size_t { loss, loss_new, gain, brier, brier_new, pr, pr_new, pr_gain };

void put_in_order(std::vector<contest_row>& rows) {
  std::sort(rows.begin(), rows.end(), [](const contest_row& a, const contest_row& b) {
    return std::tie(a.machine, a.time_ms, a.label, a.champion, a.challenger, a.weight)
           < std::tie(b.machine, b.time_ms, b.label, b.champion, b.challenger, b.weight);
  });
}

/// From any numbers to 0, 1, 2 ... in the same order; how many there are.
uint32_t renumber_machines(std::vector<contest_row>& rows) {
  uint32_t next = 0, last = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows[i].machine != last) ++next;
    last = rows[i].machine;
    rows[i].machine = next;
  }
  return rows.empty() ? 0 : next + 1;
}

contest_verdict count(const std::vector<contest_row>& rows, uint32_t machines) {
  contest_verdict out;
  std::vector<uint8_t> failed(machines, 0);
  double weight = 0, positive = 0;
  for (const auto& r : rows) {
    out.positives += r.label;
    failed[r.machine] |= r.label;
    weight += r.weight;
    positive += r.label * r.weight;
    out.first_ms = &r == &rows[0] ? r.time_ms : std::min(out.first_ms, r.time_ms);
    out.last_ms = &r == &rows[0] ? r.time_ms : std::max(out.last_ms, r.time_ms);
  }
  out.rows = rows.size();
  out.machines = machines;
  out.failures = static_cast<uint64_t>(std::count(failed.begin(), failed.end(), 1));
  if (weight > 0) out.base_rate = positive / weight;
  return out;
}

arena::arena(std::vector<contest_row> rows, bool has_champion) : rows_(std::move(rows)) {
  if (!has_champion)
    for (auto& r : rows_) r.champion = 0;
  put_in_order(rows_);
  sums_.resize(renumber_machines(rows_));
  counts_ = count(rows_, static_cast<uint32_t>(sums_.size()));
  if (!has_champion)
    for (auto& r : rows_) r.champion = counts_.base_rate;
  for (const auto& r : rows_) {
    auto& s = sums_[r.machine];
    double old_loss = log_loss(r.label, r.champion), new_loss = log_loss(r.label, r.challenger);
    s.weight += r.weight;
    s.champion += r.weight * old_loss;
    s.challenger += r.weight * new_loss;
    s.gain += r.weight * (old_loss - new_loss);
  }
  rankings_.push_back(ranked(&contest_row::champion));
  rankings_.push_back(ranked(&contest_row::challenger));
}

ranking arena::ranked(double contest_row::*by) const {
  judged_rows given;
  given.rows.reserve(rows_.size());
  for (const auto& r : rows_)
    given.rows.push_back({.machine = r.machine,
                          .label = r.label,
                          .time_ms = r.time_ms,
                          .probability = r.*by,
                          .weight = r.weight});
  std::vector<uint32_t> unit(sums_.size());
  for (uint32_t i = 0; i < unit.size(); ++i) unit[i] = i;
  return {given, unit, ranking::by::probability, 1};
}

std::vector<double> arena::measure(std::span<const double> multiplicity) const {
  machine_sums all;
  for (size_t i = 0; i < sums_.size(); ++i) {
    all.weight += multiplicity[i] * sums_[i].weight;
    all.champion += multiplicity[i] * sums_[i].champion;
    all.challenger += multiplicity[i] * sums_[i].challenger;
    all.gain += multiplicity[i] * sums_[i].gain;
  }
  auto mean = [&](double sum) { return all.weight > 0 ? sum / all.weight : undefined; };
  auto old_ranking = rankings_[0].measure(0.5, undefined, multiplicity);
  auto new_ranking = rankings_[1].measure(0.5, undefined, multiplicity);
  return {mean(all.champion), mean(all.challenger),
          mean(all.gain),     old_ranking.brier,
          new_ranking.brier,  old_ranking.pr_auc,
          new_ranking.pr_auc, new_ranking.pr_auc - old_ranking.pr_auc};
}

arena::spread arena::spread_of(double mean_gain) const {
  double weight = 0, squares = 0, fourths = 0;
  for (const auto& s : sums_) {
    double d = s.gain - mean_gain * s.weight;
    weight += s.weight;
    squares += d * d;
    fourths += d * d * d * d;
  }
  auto n = static_cast<double>(sums_.size());
  if (n < 2 || !(weight > 0) || !(squares > 0) || !(fourths > 0)) return {0, 1};
  return {std::sqrt(n / (n - 1) * squares) / weight, squares * squares / fourths - 1};
}

contest_verdict arena::counted() const { return counts_; }

void widen(figure& f, arena::spread by) {
  if (std::isnan(f.low) || std::isnan(f.high)) return;
  double reach = student_t_975(by.freedom) * by.error;
  f.low = std::min(f.low, f.value - reach);
  f.high = std::max(f.high, f.value + reach);
}

std::string small(double value) { return to_text(value, figure_format::small); }
std::string number(uint64_t value) {
  return to_text(static_cast<double>(value), figure_format::count);
}

std::string evidence_text(const contest_verdict& v) {
  return number(v.rows) + " rows of " + number(v.machines) + " machines, " + number(v.failures)
         + " of them failing";
}

std::string comparison_text(const contest_verdict& v, const char* champion) {
  return "log-loss " + small(v.challenger.log_loss.value) + " against "
         + small(v.champion.log_loss.value) + " of " + champion + ", a gain of "
         + to_text(v.gain, figure_format::small) + "; PR-AUC "
         + to_text(v.challenger.pr_auc.value, figure_format::share) + " against "
         + to_text(v.champion.pr_auc.value, figure_format::share) + ", Brier "
         + small(v.challenger.brier.value) + " against " + small(v.champion.brier.value) + "; "
         + evidence_text(v);
}

/// What is missing before anything can be said; empty: nothing.
std::string missing_evidence(const contest_verdict& v, const contest_options& o) {
  if (v.rows < o.rows_min) return number(o.rows_min) + " rows are needed";
  if (v.failures < o.failures_min) return number(o.failures_min) + " failures are needed";
  if (v.positives == v.rows) return "a row that is not before a failure is needed";
  if (std::isnan(v.gain.low) || std::isnan(v.pr_auc_gain.high))
    return "more machines are needed for an interval";
  return {};
}

void decide(contest_verdict& v, const contest_options& o) {
  const char* rival = o.has_champion ? "the champion" : "the base rate";
  if (auto missing = missing_evidence(v, o); !missing.empty()) {
    v.outcome = contest_outcome::not_enough_evidence;
    v.words = "not enough evidence: " + evidence_text(v) + "; at least " + missing;
    return;
  }
  bool better = v.gain.low > 0, ranks_worse = v.pr_auc_gain.high < 0;
  v.outcome = better && !ranks_worse ? contest_outcome::promote : contest_outcome::keep;
  const char* why = better && !ranks_worse ? "promote the challenger, it is better: "
                    : better               ? "not promoted, the challenger ranks worse: "
                    : v.gain.high < 0      ? "not promoted, the challenger is worse: "
                                           : "not promoted, the difference may be chance: ";
  v.words = why + comparison_text(v, rival);
  if (better && ranks_worse)
    v.words += "; PR-AUC differs by " + to_text(v.pr_auc_gain, figure_format::share);
}

} // namespace

double student_t_975(double degrees_of_freedom) {
  constexpr double z = 1.959964;
  double n = std::max(1.0, std::floor(degrees_of_freedom));
  if (n < 4) return std::array{12.7062, 4.3027, 3.1824}[static_cast<size_t>(n) - 1];
  // Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5).
  double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n)
         + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

result<contest_verdict> hold_contest(std::vector<contest_row> rows,
                                     const contest_options& options) {
  if (auto good = check(rows, options); !good) return tl::unexpected<error>(good.error());
  auto too_early =
      std::erase_if(rows, [&](const contest_row& r) { return r.time_ms <= options.later_than_ms; });
  std::erase_if(rows, [](const contest_row& r) { return r.weight == 0; });
  const arena both(std::move(rows), options.has_champion);
  auto v = both.counted();
  v.rows_too_early = too_early;
  v.replicates = options.replicates ? options.replicates : replicates_for(v.rows);
  auto figures = bootstrap(both.machines(), v.replicates, options.seed,
                           [&](auto multiplicity) { return both.measure(multiplicity); });
  v.champion = {figures[loss], figures[brier], figures[pr]};
  v.challenger = {figures[loss_new], figures[brier_new], figures[pr_new]};
  v.gain = figures[gain];
  v.pr_auc_gain = figures[pr_gain];
  widen(v.gain, both.spread_of(v.gain.value));
  decide(v, options);
  return v;
}

} // namespace harbinger::predict
