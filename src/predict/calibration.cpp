#include "predict/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

namespace harbinger::predict {
namespace {
constexpr double probability_min = 1e-6;
constexpr double probability_max = 0.999;

struct block {
  double weight = 0, positive = 0, score_sum = 0;
  double low = std::numeric_limits<double>::infinity(), high = -low; ///< scores
  std::set<uint32_t> runs = {};
  double mean() const { return positive / weight; }
  double score() const { return score_sum / weight; }
  void take(const scored_label& r) {
    weight += r.weight;
    positive += r.weight * r.label;
    score_sum += r.weight * r.score;
    low = std::min(low, r.score);
    high = std::max(high, r.score);
    runs.insert(r.run);
  }
  void take(block b) {
    weight += b.weight;
    positive += b.positive;
    score_sum += b.score_sum;
    low = std::min(low, b.low);
    high = std::max(high, b.high);
    if (runs.size() < b.runs.size()) runs.swap(b.runs);
    runs.insert(b.runs.begin(), b.runs.end());
  }
};

struct sorted_rows {
  std::vector<scored_label> rows;
  double weight = 0, positive = 0;
  bool one_label() const { return positive <= 0 || positive >= weight; }
};

sorted_rows sort(std::vector<scored_label> rows) {
  std::erase_if(rows, [](const auto& r) {
    return !std::isfinite(r.score) || !(r.weight > 0) || !std::isfinite(r.weight);
  });
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.score < b.score; });
  sorted_rows out{std::move(rows)};
  for (const auto& r : out.rows) {
    out.weight += r.weight;
    out.positive += r.weight * (r.label != 0);
  }
  return out;
}

double log_odds(double score) {
  double p = std::clamp(score, 1e-9, 1 - 1e-9);
  return std::log(p / (1 - p));
}

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

struct line {
  double slope = 0, offset = 0;
};

/// How many groups have a death.
size_t deaths_of(const std::vector<scored_label>& rows) {
  std::set<uint32_t> dead;
  for (const auto& r : rows)
    if (r.label) dead.insert(r.run);
  return dead.size();
}

/// Newton's method on the weighted log-loss with Platt's targets, which keep the slope finite for
/// labels that scores part wholly. The rows count as many deaths as there are groups with one, for
/// those of a group tell the same; and the slope is drawn to 1. With few groups it stays there and
/// only the mean is set right (calibration in the large): they would bend each fold's scores
/// another way. The offset is free.
line fit_line(const sorted_rows& all) {
  constexpr int steps_max = 100, halvings_max = 20;
  constexpr double pull_of_many = 1, pull_of_few = 1e6; // 1 / variance of the slope
  const auto deaths = deaths_of(all.rows);
  const double pull = deaths < slope_groups_min ? pull_of_few : pull_of_many;
  const double share = std::min(1.0, static_cast<double>(deaths) / all.positive);
  double healthy = all.weight - all.positive;
  const double high = (all.positive + 1) / (all.positive + 2), low = 1 / (healthy + 2);
  auto loss = [&](line l) {
    double sum = 0;
    for (const auto& r : all.rows) {
      double m = l.slope * log_odds(r.score) + l.offset, t = r.label ? high : low;
      sum += r.weight * ((m > 0 ? m : 0) + std::log1p(std::exp(-std::fabs(m))) - t * m);
    }
    return share * sum + pull * (l.slope - 1) * (l.slope - 1) / 2;
  };
  line at{1, 0};
  double before = loss(at);
  for (int step = 0; step < steps_max; ++step) {
    double ga = pull * (at.slope - 1), gb = 0, haa = pull, hab = 0, hbb = 1e-9 * all.weight;
    for (const auto& r : all.rows) {
      double x = log_odds(r.score), p = sigmoid(at.slope * x + at.offset);
      double weight = share * r.weight;
      double d = weight * (p - (r.label ? high : low)), h = weight * p * (1 - p);
      ga += d * x;
      gb += d;
      haa += h * x * x;
      hab += h * x;
      hbb += h;
    }
    double det = haa * hbb - hab * hab;
    if (!(det > 0)) break;
    line move{(hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det};
    double now = before;
    for (int halvings = 0; halvings < halvings_max && !(now < before); ++halvings) {
      double part = std::ldexp(1.0, -halvings);
      line next{at.slope - part * move.slope, at.offset - part * move.offset};
      if (now = loss(next); now < before) at = next;
    }
    if (!(before - now >= 1e-10 * all.weight)) break;
    before = now;
  }
  return at;
}

/// What each block says: drawn a little towards the base rate, half a run's worth against the runs
/// behind it; and still rising.
std::vector<double> levels(const std::vector<block>& blocks, double base) {
  std::vector<double> out;
  for (const auto& b : blocks) {
    auto runs = static_cast<double>(b.runs.size());
    double p = (b.mean() * runs + base * 0.5) / (runs + 0.5);
    out.push_back(out.empty() ? p : std::max(p, out.back()));
  }
  return out;
}

/// Two points a block, at its lowest and its highest score, a little below and above what it says:
/// rows of one block keep their order, and a wide block of rare deaths is not lifted by the next.
std::vector<calibration_point> draw(const std::vector<block>& blocks, double base) {
  constexpr double tilt = 0.05; // of the probability
  auto level = levels(blocks, base);
  std::vector<calibration_point> out;
  for (size_t i = 0; i < blocks.size(); ++i) {
    double p = level[i], below = p * (1 - tilt), above = p * (1 + tilt);
    if (i > 0) below = std::max(below, (p + level[i - 1]) / 2);
    if (i + 1 < level.size()) above = std::min(above, (p + level[i + 1]) / 2);
    auto runs = static_cast<uint32_t>(blocks[i].runs.size());
    if (blocks[i].low == blocks[i].high) {
      out.push_back({blocks[i].low, p, runs});
      continue;
    }
    out.push_back({blocks[i].low, below, runs});
    out.push_back({blocks[i].high, above, runs});
  }
  return out;
}

/// Neighbours in score, by weight and by deaths, so that rare deaths get points of their own.
std::vector<block> blocks_for_line(const sorted_rows& all) {
  constexpr double blocks = 32;
  std::vector<block> out;
  block fresh;
  for (size_t i = 0; i < all.rows.size(); ++i) {
    fresh.take(all.rows[i]);
    bool last = i + 1 == all.rows.size();
    bool full = fresh.weight >= all.weight / blocks || fresh.positive >= all.positive / blocks;
    if (!last && (!full || all.rows[i + 1].score == all.rows[i].score)) continue;
    out.push_back(std::move(fresh));
    fresh = {};
  }
  return out;
}
} // namespace

calibration calibration::fit(std::vector<scored_label> given) {
  auto all = sort(std::move(given));
  if (all.one_label()) return {};
  double base = all.positive / all.weight;
  std::vector<block> blocks;
  for (size_t i = 0; i < all.rows.size();) {
    block fresh;
    for (double score = all.rows[i].score; i < all.rows.size() && all.rows[i].score == score; ++i)
      fresh.take(all.rows[i]);
    blocks.push_back(std::move(fresh));
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() >= blocks.back().mean()) {
      blocks[blocks.size() - 2].take(std::move(blocks.back()));
      blocks.pop_back();
    }
  }
  return calibration(draw(blocks, base));
}

calibration calibration::fit_platt(std::vector<scored_label> given) {
  auto all = sort(std::move(given));
  if (all.one_label()) return {};
  auto l = fit_line(all);
  auto at = [&](double score) {
    return l.slope > 0 ? sigmoid(l.slope * log_odds(score) + l.offset) : all.positive / all.weight;
  };
  auto blocks = blocks_for_line(all);
  std::vector<calibration_point> points;
  auto add = [&](double score, uint32_t runs) {
    if (points.empty() || score > points.back().score) points.push_back({score, at(score), runs});
  };
  auto runs_of = [](const block& b) { return static_cast<uint32_t>(b.runs.size()); };
  // On to both ends: scores that validation did not reach keep their order, though no run speaks
  // for what they get.
  double low = all.rows.front().score, high = all.rows.back().score;
  for (double part : {0.0, 0.5})
    if (low > 0) add(part * low, 0);
  add(low, runs_of(blocks.front()));
  for (const auto& b : blocks) add(b.score(), runs_of(b));
  add(high, runs_of(blocks.back()));
  for (double part : {0.25, 0.5, 0.75, 1.0})
    if (high < 1) add(high + part * (1 - high), 0);
  return calibration(std::move(points));
}

double calibration::probability(double score) const {
  double p = score;
  if (!points_.empty()) {
    auto after = std::upper_bound(points_.begin(), points_.end(), score,
                                  [](double s, const calibration_point& c) { return s < c.score; });
    if (after == points_.begin()) {
      p = after->probability;
    } else if (after == points_.end()) {
      p = points_.back().probability;
    } else {
      auto before = after - 1;
      double share = (score - before->score) / (after->score - before->score);
      p = before->probability + share * (after->probability - before->probability);
    }
  }
  return std::clamp(p, probability_min, probability_max);
}

double calibration::uncertainty(double score) const {
  if (points_.empty()) return 0.5;
  auto near =
      std::min_element(points_.begin(), points_.end(), [score](const auto& a, const auto& b) {
        return std::fabs(a.score - score) < std::fabs(b.score - score);
      });
  constexpr double z = 1.2816; // 80 %, two-sided
  double n = near->runs + z * z;
  double p = (probability(score) * near->runs + z * z / 2) / n;
  return std::min(0.5, z * std::sqrt(p * (1 - p) / n));
}

namespace {
/// Fold of each group; groups with deaths are dealt apart from the others. Empty: too few.
std::map<uint32_t, size_t> deal_groups(const std::vector<scored_label>& rows, size_t folds) {
  std::map<uint32_t, bool> dead;
  for (const auto& r : rows) dead[r.run] |= r.label != 0;
  auto deaths = static_cast<size_t>(
      std::count_if(dead.begin(), dead.end(), [](const auto& g) { return g.second; }));
  folds = std::min(folds, deaths);
  std::map<uint32_t, size_t> out;
  if (folds < 2) return out;
  std::array<size_t, 2> next{0, 0};
  for (const auto& [run, is_dead] : dead) out[run] = next[is_dead]++ % folds;
  return out;
}

template <class Fit>
double held_out_log_loss(const std::vector<scored_label>& rows,
                         const std::map<uint32_t, size_t>& fold_of, Fit fit) {
  size_t folds = 0;
  for (const auto& [run, fold] : fold_of) folds = std::max(folds, fold + 1);
  double sum = 0, weight = 0;
  for (size_t fold = 0; fold < folds; ++fold) {
    std::vector<scored_label> others, own;
    for (const auto& r : rows) (fold_of.at(r.run) == fold ? own : others).push_back(r);
    auto fitted = fit(std::move(others));
    for (const auto& r : own) {
      double p = fitted.probability(r.score);
      sum -= r.weight * std::log(r.label ? p : 1 - p);
      weight += r.weight;
    }
  }
  return sum / weight;
}
} // namespace

calibration_choice choose_calibration(const std::vector<scored_label>& given, size_t folds) {
  auto rows = sort(given).rows;
  calibration_choice out;
  if (auto fold_of = deal_groups(rows, folds); !fold_of.empty()) {
    out.isotonic_log_loss = held_out_log_loss(rows, fold_of, calibration::fit);
    out.platt_log_loss = held_out_log_loss(rows, fold_of, calibration::fit_platt);
  }
  bool few = deaths_of(rows) < slope_groups_min;
  bool platt = few || out.platt_log_loss < out.isotonic_log_loss;
  out.chosen = platt ? calibration::fit_platt(std::move(rows)) : calibration::fit(std::move(rows));
  out.method = out.chosen.empty() ? "none" : few ? "offset" : platt ? "platt" : "isotonic";
  return out;
}

} // namespace harbinger::predict
