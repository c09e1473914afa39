#include "predict/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace harbinger::predict {
namespace {

void add(bin_sum& b, double value, double positive, double negative) {
  b.weight += positive + negative;
  b.said += value * (positive + negative);
  b.came += positive;
}

/// Weighted mean distance between what was said and what came.
double distance(std::span<const bin_sum> bins) {
  double sum = 0, weight = 0;
  for (const auto& b : bins) {
    sum += std::abs(b.said - b.came);
    weight += b.weight;
  }
  return weight > 0 ? sum / weight : undefined;
}

size_t width_bin(double value, size_t bins) {
  return std::min(bins - 1, static_cast<size_t>(std::max(0.0, value) * static_cast<double>(bins)));
}

judged_bin finished(const bin_sum& b, double from, double to) {
  return {from, to, b.said / b.weight, {b.came / b.weight, undefined, undefined}, b.weight};
}

} // namespace

ranking::ranking(const judged_rows& given, std::span<const uint32_t> unit, by what, size_t bins)
    : bins_(bins) {
  rows_.reserve(given.rows.size());
  for (const auto& r : given.rows)
    if (r.weight > 0)
      rows_.push_back({what == by::score ? r.score : r.probability, r.weight, unit[r.machine],
                       uint32_t{r.label}});
  // The whole order, so that sums do not depend on the order given, to the last bit.
  std::sort(rows_.begin(), rows_.end(), [](const row& a, const row& b) {
    return std::tie(b.value, a.unit, a.label, a.weight)
           < std::tie(a.value, b.unit, b.label, b.weight);
  });
  size_t kept = 0;
  for (const auto& r : rows_) {
    (r.label ? positive_ : negative_) += r.weight;
    if (kept && rows_[kept - 1].value == r.value && rows_[kept - 1].unit == r.unit
        && rows_[kept - 1].label == r.label)
      rows_[kept - 1].weight += r.weight;
    else
      rows_[kept++] = r;
  }
  rows_.resize(kept);
  cut_mass();
}

template <class Visit>
void ranking::each_tie(std::span<const double> multiplicity, Visit visit) const {
  for (size_t i = 0; i < rows_.size();) {
    const double value = rows_[i].value;
    double sums[2] = {0, 0};
    for (; i < rows_.size() && rows_[i].value == value; ++i)
      sums[rows_[i].label] +=
          rows_[i].weight * (multiplicity.empty() ? 1.0 : multiplicity[rows_[i].unit]);
    if (sums[0] > 0 || sums[1] > 0) visit(value, sums[1], sums[0]);
  }
}

void ranking::cut_mass() {
  double seen = 0, total = positive_ + negative_;
  each_tie({}, [&](double value, double positive, double negative) {
    seen += positive + negative;
    double due = total * static_cast<double>(mass_floors_.size() + 1) / static_cast<double>(bins_);
    if (seen < due * (1 - 1e-9)) return; // sums of other orders differ in the last bits
    mass_floors_.push_back(value);
    // A tie that fills several bins makes one of them: the others' places are given up.
    while (mass_floors_.size() < bins_
           && total * static_cast<double>(mass_floors_.size() + 1) / static_cast<double>(bins_)
                  <= seen)
      mass_floors_.push_back(value);
  });
  if (!rows_.empty() && (mass_floors_.empty() || mass_floors_.back() != rows_.back().value))
    mass_floors_.push_back(rows_.back().value);
  mass_floors_.erase(std::unique(mass_floors_.begin(), mass_floors_.end()), mass_floors_.end());
}

row_figures ranking::measure(double threshold, double base_rate,
                             std::span<const double> multiplicity,
                             std::vector<bin_sum>* sums) const {
  std::vector<bin_sum> mass(mass_floors_.size()), width(bins_);
  double hits = 0, alarms = 0, roc = 0, pr = 0, squares = 0; // alarms: false ones
  double hits_above = 0, alarms_above = 0;
  size_t bin = 0;
  each_tie(multiplicity, [&](double value, double positive, double negative) {
    roc += negative * (hits + positive / 2);
    hits += positive;
    alarms += negative;
    if (positive > 0) pr += positive * (hits / (hits + alarms));
    squares += positive * (1 - value) * (1 - value) + negative * value * value;
    while (bin + 1 < mass_floors_.size() && value < mass_floors_[bin]) ++bin;
    add(mass[bin], value, positive, negative);
    add(width[width_bin(value, bins_)], value, positive, negative);
    if (value >= threshold) {
      hits_above = hits;
      alarms_above = alarms;
    }
  });
  row_figures out{.positive = hits, .negative = alarms};
  const double total = hits + alarms;
  if (total > 0) {
    const double own = hits / total, base = std::isnan(base_rate) ? own : base_rate;
    out.brier = squares / total;
    out.base_brier = own * (1 - base) * (1 - base) + (1 - own) * base * base;
    if (out.base_brier > 0) out.skill = 1 - out.brier / out.base_brier;
    out.calibration_error = distance(mass);
    out.calibration_error_by_width = distance(width);
  }
  if (hits > 0 && alarms > 0) {
    out.roc_auc = roc / (hits * alarms);
    out.pr_auc = pr / hits;
  }
  if (hits_above + alarms_above > 0) out.precision = hits_above / (hits_above + alarms_above);
  if (hits > 0) {
    out.recall = hits_above / hits;
    out.f1 = 2 * hits_above / (hits_above + alarms_above + hits);
  }
  if (sums) *sums = std::move(mass);
  return out;
}

template <class Point>
std::vector<curve_point> ranking::curve(Point point) const {
  std::vector<curve_point> out;
  double hits = 0, alarms = 0;
  curve_point last;
  bool pending = false;
  each_tie({}, [&](double value, double positive, double negative) {
    hits += positive;
    alarms += negative;
    last = point(hits, alarms);
    last.threshold = value;
    pending = !out.empty() && std::abs(last.x - out.back().x) < 1.0 / 400
              && std::abs(last.y - out.back().y) < 1.0 / 400;
    if (!pending) out.push_back(last);
  });
  if (pending) out.push_back(last);
  if (out.size() <= curve_points_max) return out;
  std::vector<curve_point> thinned;
  for (size_t i = 0; i < curve_points_max; ++i)
    thinned.push_back(out[i * (out.size() - 1) / (curve_points_max - 1)]);
  return thinned;
}

std::vector<curve_point> ranking::roc() const {
  if (!(positive_ > 0) || !(negative_ > 0)) return {};
  auto out = curve([this](double hits, double alarms) {
    return curve_point{alarms / negative_, hits / positive_, 0};
  });
  out.insert(out.begin(), curve_point{0, 0, undefined});
  return out;
}

std::vector<curve_point> ranking::pr() const {
  if (!(positive_ > 0) || !(negative_ > 0)) return {};
  return curve([this](double hits, double alarms) {
    return curve_point{hits / positive_, hits / (hits + alarms), 0};
  });
}

std::vector<judged_bin> ranking::reliability() const {
  std::vector<judged_bin> out;
  bin_sum sum;
  double highest = undefined;
  size_t bin = 0;
  each_tie({}, [&](double value, double positive, double negative) {
    if (sum.weight == 0) highest = value;
    add(sum, value, positive, negative);
    if (bin < mass_floors_.size() && value <= mass_floors_[bin]) {
      out.push_back(finished(sum, value, highest));
      sum = {};
      ++bin;
    }
  });
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<judged_bin> ranking::reliability_by_width() const {
  std::vector<bin_sum> sums(bins_);
  each_tie({}, [&](double value, double positive, double negative) {
    add(sums[width_bin(value, bins_)], value, positive, negative);
  });
  std::vector<judged_bin> out;
  auto edge = [&](size_t i) { return static_cast<double>(i) / static_cast<double>(bins_); };
  for (size_t i = 0; i < bins_; ++i)
    if (sums[i].weight > 0) out.push_back(finished(sums[i], edge(i), edge(i + 1)));
  return out;
}

double ranking::best_threshold() const {
  double hits = 0, alarms = 0, best = -1, threshold = undefined;
  bool open = false; // the best so far waits for the next lower value
  each_tie({}, [&](double value, double positive, double negative) {
    if (open) threshold = (threshold + value) / 2;
    open = false;
    hits += positive;
    alarms += negative;
    double f1 = 2 * hits / (hits + alarms + positive_);
    if (f1 <= best) return;
    best = f1;
    threshold = value;
    open = true;
  });
  return positive_ > 0 ? threshold : undefined;
}

} // namespace harbinger::predict
