#include "zones/comovement.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace harbinger {
namespace {

/// In eight sums, which a processor can add side by side.
double product(const std::array<float, comovement::rounds>& a,
               const std::array<float, comovement::rounds>& b) {
  constexpr size_t side_by_side = 8;
  static_assert(comovement::rounds % side_by_side == 0);
  std::array<float, side_by_side> sums{};
  for (size_t i = 0; i < a.size(); i += side_by_side)
    for (size_t k = 0; k < side_by_side; ++k) sums[k] += a[i + k] * b[i + k];
  return static_cast<double>(std::accumulate(sums.begin(), sums.end(), 0.0f));
}

/// Of an even number the lower one of the two: no new values are made.
float lower_median(std::vector<float>& values) {
  if (values.empty()) return 0;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Sets that grow together.
class unions {
public:
  explicit unions(size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
  }
  size_t top(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(size_t a, size_t b) { parent_[std::max(top(a), top(b))] = std::min(top(a), top(b)); }

private:
  std::vector<size_t> parent_;
};

} // namespace

void comovement::begin_round(size_t nodes) {
  ++round_;
  now_.swap(before_);
  seen_.swap(seen_before_);
  now_.resize(nodes, no_deviations);
  before_.resize(nodes, no_deviations);
  seen_.resize(nodes, 0);
  seen_before_.resize(nodes, 0);
}

void comovement::add(node_number n, const group_deviations& deviations) {
  now_[n] = deviations;
  seen_[n] = round_;
}

void comovement::push(trail& t, size_t group, float raw, float own) {
  if (!std::isfinite(raw)) {
    t.filled[group] = 0;
    return;
  }
  std::move(t.raw[group].begin() + 1, t.raw[group].end(), t.raw[group].begin());
  std::move(t.own[group].begin() + 1, t.own[group].end(), t.own[group].begin());
  t.raw[group].back() = raw, t.own[group].back() = own;
  t.filled[group] = std::min<uint32_t>(t.filled[group] + 1, rounds);
}

void comovement::end_round(const std::vector<node_number>& watched) {
  std::array<float, metric_groups> median{};
  auto increment = [&](node_number n, size_t g) {
    bool both = seen_[n] == round_ && seen_before_[n] + 1 == round_;
    return both ? now_[n][g] - before_[n][g] : NAN;
  };
  std::vector<float> values;
  auto step = static_cast<node_number>((now_.size() + median_of_max - 1) / median_of_max);
  for (size_t g = 0; g < metric_groups && !watched.empty(); ++g) {
    values.clear();
    for (node_number n = 0; n < now_.size(); n += step)
      if (float x = increment(n, g); std::isfinite(x)) values.push_back(x);
    median[g] = lower_median(values);
  }
  for (auto n : watched) {
    if (trails_.size() >= trails_max && !trails_.contains(n)) continue;
    auto& t = trails_[n];
    if (t.round + 1 != round_) t.filled = {};
    t.round = round_;
    for (size_t g = 0; g < metric_groups; ++g)
      push(t, g, increment(n, g), increment(n, g) - median[g]);
  }
  std::erase_if(trails_, [&](const auto& entry) { return entry.second.round != round_; });
}

comovement::ranked comovement::rank(const trail& t) {
  ranked out;
  for (size_t g = 0; g < metric_groups; ++g) {
    auto moves = rounds - static_cast<size_t>(std::count(t.raw[g].begin(), t.raw[g].end(), 0.0f));
    out.known[g] = t.filled[g] == rounds && moves >= moves_min;
    if (!out.known[g]) continue;
    rank_row(t.raw[g].data(), rounds, out.raw[g].data());
    rank_row(t.own[g].data(), rounds, out.own[g].data());
    out.raw_lag[g] = lag_one(out.raw[g].data(), rounds);
    out.own_lag[g] = lag_one(out.own[g].data(), rounds);
  }
  return out;
}

comovement::link comovement::compare(const ranked& a, const ranked& b, double least) {
  link best;
  best.correlation = least;
  for (size_t g = 0; g < metric_groups; ++g) {
    if (!a.known[g] || !b.known[g]) continue;
    best.known = true;
    double raw = product(a.raw[g], b.raw[g]);
    if (raw <= best.correlation) continue; // most pairs end here
    double own = product(a.own[g], b.own[g]);
    if (std::min(raw, own) <= best.correlation) continue;
    best.correlation = std::min(raw, own);
    best.what = static_cast<metric_group>(g);
    best.enough = true;
  }
  if (!best.enough) return best;
  auto g = static_cast<size_t>(best.what);
  best.chance = std::max(correlation_tail(best.correlation, rounds, a.raw_lag[g], b.raw_lag[g]),
                         correlation_tail(best.correlation, rounds, a.own_lag[g], b.own_lag[g]));
  return best;
}

std::vector<zone_group> comovement::groups(const std::vector<node_number>& nodes,
                                           const std::vector<uint32_t>& before,
                                           const zone_settings& rules) {
  if (rules.comovement_min >= 1 || nodes.size() < 2) return {};
  auto count = std::min(nodes.size(), judged_max);
  std::vector<ranked> rows(count);
  size_t judged = 0;
  for (size_t i = 0; i < count; ++i) {
    if (auto t = trails_.find(nodes[i]); t != trails_.end()) rows[i] = rank(t->second);
    judged += std::count(rows[i].known.begin(), rows[i].known.end(), true) > 0;
  }
  auto looked_at = std::max<size_t>(1, judged * (judged - 1) / 2 * metric_groups);
  unions sets(count);
  std::vector<std::pair<size_t, movement_evidence>> links;
  for (size_t i = 0; i < count; ++i)
    for (size_t k = i + 1; k < count; ++k) {
      bool standing = before[nodes[i]] != no_number && before[nodes[i]] == before[nodes[k]];
      auto found = compare(rows[i], rows[k], std::max(0.0, rules.comovement_min - stays_below));
      bool linked = found.enough && found.correlation >= rules.comovement_min
                    && found.chance * static_cast<double>(looked_at) < rules.concentration_p;
      if (!linked && !(standing && (found.enough || !found.known))) continue;
      sets.join(i, k);
      links.push_back(
          {i, {nodes[i], nodes[k], found.what, found.correlation, found.chance, looked_at}});
    }
  std::map<size_t, zone_group> made;
  for (const auto& [place, evidence] : links) {
    auto& g = made[sets.top(place)];
    g.cause = zone_cause::comovement;
    if (g.moving.one == no_number || evidence.correlation > g.moving.correlation)
      g.moving = evidence;
  }
  for (size_t i = 0; i < count; ++i)
    if (auto g = made.find(sets.top(i)); g != made.end()) g->second.members.push_back(nodes[i]);
  std::vector<zone_group> out;
  for (auto& [top, g] : made) out.push_back(std::move(g));
  return out;
}

} // namespace harbinger
