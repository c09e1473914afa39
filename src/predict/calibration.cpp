#include "predict/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace harbinger::predict {
namespace {
struct block {
  double weight = 0, positive = 0, score_sum = 0;
  std::set<uint32_t> runs;
  double mean() const { return positive / weight; }
  void take(const block& b) {
    weight += b.weight;
    positive += b.positive;
    score_sum += b.score_sum;
    runs.insert(b.runs.begin(), b.runs.end());
  }
};
} // namespace

calibration calibration::fit(std::vector<scored_label> rows) {
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.score < b.score; });
  double all = 0, positive = 0;
  for (const auto& r : rows) {
    all += r.weight;
    positive += r.weight * r.label;
  }
  if (positive <= 0 || positive >= all) return {};
  double base = positive / all;
  std::vector<block> blocks;
  for (size_t i = 0; i < rows.size();) {
    block fresh;
    for (double score = rows[i].score; i < rows.size() && rows[i].score == score; ++i)
      fresh.take(
          {rows[i].weight, rows[i].weight * rows[i].label, rows[i].weight * score, {rows[i].run}});
    blocks.push_back(std::move(fresh));
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() >= blocks.back().mean()) {
      blocks[blocks.size() - 2].take(blocks.back());
      blocks.pop_back();
    }
  }
  std::vector<calibration_point> points;
  for (const auto& b : blocks) {
    // Each block is drawn a little towards the base rate: one run's worth against the runs behind
    // it.
    auto runs = static_cast<double>(b.runs.size());
    double p = (b.mean() * runs + base * 0.5) / (runs + 0.5);
    points.push_back({b.score_sum / b.weight, p, static_cast<uint32_t>(b.runs.size())});
  }
  for (size_t i = 1; i < points.size(); ++i) // the drawing may have broken the order
    points[i].probability = std::max(points[i].probability, points[i - 1].probability);
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
  return std::clamp(p, 0.001, 0.999);
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

} // namespace harbinger::predict
