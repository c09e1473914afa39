#include "predict/calibration_drift.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/ensure.hpp"
#include "messages/common.hpp"

namespace harbinger::predict {
namespace {
constexpr double probability_min = 1e-6;
/// Finer where most predictions are: failures are rare.
constexpr std::array<double, 11> bin_edges{0,   0.001, 0.003, 0.01, 0.03, 0.1,
                                           0.2, 0.35,  0.5,   0.75, 1};

size_t bin_of(double probability) {
  auto above = std::upper_bound(bin_edges.begin() + 1, bin_edges.end() - 1, probability);
  return static_cast<size_t>(above - bin_edges.begin()) - 1;
}
} // namespace

calibration_drift::calibration_drift(calibration_drift_options options) : options_(options) {
  static_assert(bin_edges.size() == bin_count + 1);
  ENSURE(options_.every_ms > 0 && options_.half_life_s > 0 && options_.ratio_limit > 1);
}

bool calibration_drift::has_room(int64_t time_ms) {
  if (open_.size() + awaiting_.size() >= open_max) return false;
  if (nodes_.size() < nodes_max) return true;
  // Nodes without predictions, and whose turn has come again, need not be remembered.
  if (pruned_ms_ != time_ms)
    std::erase_if(nodes_,
                  [&](const auto& n) { return n.second.open == 0 && n.second.next_ms <= time_ms; });
  pruned_ms_ = time_ms;
  return nodes_.size() < nodes_max;
}

bool calibration_drift::add(const node_id& node, int64_t time_ms, double probability,
                            int64_t horizon_ms) {
  ENSURE(std::isfinite(probability) && horizon_ms > 0);
  auto found = nodes_.find(node);
  if (found != nodes_.end()) {
    auto& n = found->second;
    n.seen_ms = std::max(n.seen_ms, time_ms);
    if (time_ms < n.next_ms) return false;
  }
  if (!has_room(time_ms)) {
    ++refused_;
    return false;
  }
  // has_room may have forgotten the node.
  found = nodes_.try_emplace(node).first;
  auto& n = found->second;
  auto interval = std::max(options_.every_ms, (horizon_ms - 1) / in_horizon_max + 1);
  n.seen_ms = std::max(n.seen_ms, time_ms);
  n.next_ms = time_ms - time_ms % interval + interval;
  ++n.open;
  auto p = std::clamp(probability, probability_min, 1 - probability_min);
  auto weight = std::min(1.0, static_cast<double>(interval) / static_cast<double>(horizon_ms));
  open_.push_back({found, time_ms, horizon_ms, static_cast<float>(p), static_cast<float>(weight)});
  return true;
}

template <class Change>
void calibration_drift::change_open(const node_id& node, const Change& change) {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  for (auto& p : open_)
    if (p.node == found && p.known == outcome::open) change(p);
  for (auto& p : awaiting_)
    if (p.node == found && p.known == outcome::open) change(p);
}

void calibration_drift::failed(const node_id& node, int64_t time_ms) {
  change_open(node, [&](open_prediction& p) {
    if (p.time_ms < time_ms && time_ms <= p.end_ms()) p.known = outcome::failed;
  });
  if (auto n = nodes_.find(node); n != nodes_.end())
    n->second.seen_ms = std::max(n->second.seen_ms, time_ms);
}

void calibration_drift::left(const node_id& node, int64_t time_ms) {
  change_open(node, [&](open_prediction& p) {
    if (p.end_ms() > time_ms) p.known = outcome::censored;
  });
  if (auto n = nodes_.find(node); n != nodes_.end())
    n->second.seen_ms = std::max(n->second.seen_ms, time_ms);
}

void calibration_drift::count(const open_prediction& p, bool failed) {
  auto probability = static_cast<double>(p.probability), weight = static_cast<double>(p.weight);
  auto& bin = bins_[bin_of(probability)];
  bin.weight += weight;
  bin.expected += weight * probability;
  bin.observed += failed ? weight : 0;
  variance_ += weight * probability * (1 - probability);
  ++counted_;
}

bool calibration_drift::settle(open_prediction& p, int64_t now_ms) {
  if (p.known == outcome::failed) {
    count(p, true);
  } else if (p.known == outcome::open && p.node->second.seen_ms >= p.end_ms()) {
    count(p, false);
  } else if (p.known == outcome::censored || now_ms >= p.end_ms() + p.horizon_ms) {
    ++censored_;
  } else {
    return false;
  }
  --p.node->second.open;
  return true;
}

void calibration_drift::decay(int64_t now_ms) {
  if (decayed_ms_ != INT64_MIN && now_ms > decayed_ms_) {
    double passed_s = static_cast<double>(now_ms - decayed_ms_) / 1000;
    double factor = std::exp2(-passed_s / options_.half_life_s);
    for (auto& b : bins_) {
      b.weight *= factor;
      b.expected *= factor;
      b.observed *= factor;
    }
    variance_ *= factor * factor; // of a sum whose terms were all multiplied by the factor
  }
  decayed_ms_ = std::max(decayed_ms_, now_ms);
}

void calibration_drift::advance(int64_t now_ms) {
  decay(now_ms);
  std::erase_if(awaiting_, [&](open_prediction& p) { return settle(p, now_ms); });
  for (; !open_.empty() && open_.front().end_ms() <= now_ms; open_.pop_front())
    if (!settle(open_.front(), now_ms)) awaiting_.push_back(open_.front());
}

calibration_report calibration_drift::report() const {
  calibration_report out;
  double apart = 0;
  for (size_t b = 0; b < bin_count; ++b) {
    const auto& s = bins_[b];
    out.bins.push_back({bin_edges[b], bin_edges[b + 1], s.weight, s.expected, s.observed});
    out.node_horizons += s.weight;
    out.expected += s.expected;
    out.observed += s.observed;
    apart += std::abs(s.observed - s.expected);
  }
  out.open = open_.size() + awaiting_.size();
  out.counted = counted_;
  out.censored = censored_;
  out.refused = refused_;
  if (out.expected <= 0 || variance_ <= 0) return out;
  out.ratio = out.observed / out.expected;
  out.z = (out.observed - out.expected) / std::sqrt(variance_);
  out.error = apart / out.node_horizons;
  if (std::max(out.expected, out.observed) < options_.failures_min) return out;
  out.verdict = calibration_verdict::fits;
  if (out.z >= options_.z_limit && out.ratio >= options_.ratio_limit)
    out.verdict = calibration_verdict::warns_too_little;
  if (out.z <= -options_.z_limit && out.ratio <= 1 / options_.ratio_limit)
    out.verdict = calibration_verdict::warns_too_much;
  return out;
}

std::string describe(const calibration_report& report) {
  char text[160];
  std::snprintf(text, sizeof text,
                "%.1f failures expected, %.1f came (ratio %.2f, z %.1f): ", report.expected,
                report.observed, report.ratio, report.z);
  return text + std::string(name_of(report.verdict));
}

} // namespace harbinger::predict
