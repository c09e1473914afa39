#include "placement/placer.hpp"

#include <algorithm>
#include <utility>

/// The order in which nodes are looked at: by lanes of those that are as free as each other, in
/// each by share and score, so that few are.

namespace harbinger {

void placer::insert(node_number n) {
  auto& s = nodes_[n];
  const auto& values = cluster_->nodes()[n].values;
  std::vector<value_number> place;
  for (auto a : near_) place.push_back(a < values.size() ? values[a] : no_number);
  auto known = std::find(near_classes_.begin(), near_classes_.end(), place);
  if (known == near_classes_.end() && near_classes_.size() < near_classes_max) {
    near_classes_.push_back(place);
    known = near_classes_.end() - 1;
  }
  // Whoever finds no class of its own goes to the last, which is then bounded by 1.
  s.near_class = known == near_classes_.end()
                     ? static_cast<uint32_t>(near_classes_max)
                     : static_cast<uint32_t>(known - near_classes_.begin());
  s.own_score = own_terms_of(n, 0).total();
  s.rank = cluster_->nodes().rank(n);
  s.round = round_of(n);
  if (lanes_.size() <= s.round) lanes_.resize(s.round + 1);
  auto& nodes = lanes_[s.round];
  if (nodes.open.size() <= s.near_class) nodes.open.resize(s.near_class + 1);
  s.closed = over_fair_share(n);
  s.open = !s.closed;
  if (s.open) {
    nodes.open[s.near_class].insert(place_of(n));
  } else {
    s.fullness = fullness_with_one_more(n);
    nodes.closed.emplace(s.fullness, place_of(n));
  }
}

placer::place_in_order placer::place_of(node_number n) const {
  const auto& s = nodes_[n];
  return {s.own_score, s.rank, n};
}

void placer::erase(node_number n) {
  auto& s = nodes_[n];
  if (s.open) lanes_[s.round].open[s.near_class].erase(place_of(n));
  if (s.closed) lanes_[s.round].closed.erase({s.fullness, place_of(n)});
  s.open = s.closed = false;
}

void placer::reopen() const {
  double now = level();
  for (auto& nodes : lanes_)
    for (auto next = nodes.closed.begin(); next != nodes.closed.end();) {
      if (next->first - 2 * rounding > now) break;
      auto n = next->second.node;
      if (over_fair_share(n)) {
        ++next;
        continue;
      }
      next = nodes.closed.erase(next);
      auto& s = nodes_[n];
      s.closed = false;
      s.open = true;
      if (nodes.open.size() <= s.near_class) nodes.open.resize(s.near_class + 1);
      nodes.open[s.near_class].insert(place_of(n));
    }
}

bool placer::better(const found& a, const found& b, const topology& nodes) {
  if (b.node == no_number) return a.node != no_number;
  if (a.round != b.round) return a.round < b.round;
  if (a.over_share != b.over_share) return a.over_share < b.over_share;
  if (a.score != b.score) return a.score > b.score;
  return nodes.rank(a.node) < nodes.rank(b.node);
}

placer::found placer::opinion_of(const question& q, node_number n) const {
  return {n, q.query->urgent ? round_of(n) : 0, past_share(n), terms_of(q, n).total()};
}

void placer::look(const question& q, node_number n, found& best) const {
  if (!allowed(q, n)) return;
  auto here = opinion_of(q, n);
  if (better(here, best, cluster_->nodes())) best = here;
}

/// What the terms that depend on the partition add to a node's own score, when nobody measured its
/// way to the primary.
double placer::more_at_most(const question& q, double near) const {
  const auto& w = rules_.placement;
  double size_cost = capacity_max_ > 0.0
                         ? w.weight_free * static_cast<double>(q.query->size_bytes) / capacity_max_
                         : 0.0;
  return w.weight_near * near + w.weight_rtt * 0.5 - size_cost + rounding;
}

void placer::look_at_open(const question& q, const lane& nodes, found& best) const {
  for (size_t c = 0; c < nodes.open.size(); ++c) {
    const auto& places = nodes.open[c];
    double near = c < near_classes_.size() && !places.empty()
                      ? nearness(q.primary, places.begin()->node)
                      : 1.0;
    double more = more_at_most(q, near);
    for (const auto& place : places) {
      if (best.node != no_number && best.over_share == 0.0 && place.own_score + more < best.score)
        break;
      look(q, place.node, best);
    }
  }
}

void placer::look_at_closed(const question& q, const lane& nodes, found& best) const {
  double more = more_at_most(q, near_.empty() ? 0.5 : 1.0);
  for (const auto& [fullness, place] : nodes.closed) {
    if (best.node != no_number
        && (fullness > best.over_share
            || (fullness == best.over_share && place.own_score + more < best.score)))
      break;
    look(q, place.node, best);
  }
}

/// Urgent copies look at one lane after the other, until somebody is found; others at all.
node_number placer::best_by_score(const question& q) const {
  size_t at_once = q.query->urgent ? 1 : lanes_.size();
  for (size_t first = 0; first < lanes_.size(); first += at_once) {
    auto lanes = std::span(lanes_).subspan(first, at_once);
    auto look_at_measured = [&](found& best, bool open) {
      if (q.primary == no_number) return;
      for (const auto& r : cluster_->rtts_to(q.primary)) {
        if (r.from >= nodes_.size()) continue;
        const auto& s = nodes_[r.from];
        bool in_lanes = s.round >= first && s.round < first + at_once;
        if (in_lanes && (open ? s.open : s.closed)) look(q, r.from, best);
      }
    };
    found best;
    look_at_measured(best, true);
    for (const auto& nodes : lanes) look_at_open(q, nodes, best);
    if (best.node == no_number || best.over_share > 0.0) {
      // Nobody below its fair share passes.
      look_at_measured(best, false);
      for (const auto& nodes : lanes) look_at_closed(q, nodes, best);
    }
    if (best.node != no_number) return best.node;
  }
  return no_number;
}

node_number placer::choose(const placer_query& query) const {
  auto q = ask(query);
  for (bool waived : {false, true}) {
    q.spread_waived = waived;
    if (rules_.placement.strategy != "weighted") {
      auto n = best_by_hash(q);
      if (n != no_number) return n;
      continue;
    }
    reopen();
    if (auto n = best_by_score(q); n != no_number) return n;
    if (spread_.empty()) break;
  }
  return no_number;
}

} // namespace harbinger
