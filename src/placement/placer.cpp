#include "placement/placer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/digest.hpp"

/// What is known of each node, promises, the fair share, and the order in which nodes are looked
/// at; filters and scores are in placer_judgement.cpp.

namespace harbinger {

namespace {

std::vector<attribute_number> numbers_of(const topology& nodes,
                                         const std::vector<std::string>& names) {
  std::vector<attribute_number> numbers;
  for (const auto& name : names)
    if (auto a = nodes.attribute(name)) numbers.push_back(*a);
  return numbers;
}

/// Past so many different places all nodes are taken to be near: a looser bound, the same answer.
constexpr size_t near_classes_max = 64;
/// Two ways to add up one score may differ by so much.
constexpr double rounding = 1e-9;

} // namespace

bool placer::safe(node_number n) const {
  const auto& node = cluster_->nodes()[n];
  return node.state == node_state::up && zones_.of(n).safe() && node.capacity_bytes > 0;
}

void placer::refresh(const zone_picture& zones, const placer_rules& rules) {
  const auto& all = cluster_->nodes();
  zones_ = zones;
  rules_ = rules;
  if (next_risks_) risks_ = *std::exchange(next_risks_, std::nullopt);
  spread_ = numbers_of(all, rules.placement.spread);
  near_ = numbers_of(all, rules.placement.near);
  domains_ = numbers_of(all, rules.domains);
  attributes_ = all.attributes();
  nodes_.resize(all.size());
  writes_max_ = holdings_max_ = capacity_max_ = weights_ = 0.0;
  weight_counts_.clear();
  level_.reset();
  copies_ = safe_nodes_ = 0;
  hash_names();
  near_classes_.clear();
  lanes_.clear();
  double capacity = 0.0;
  for (node_number n = 0; n < all.size(); ++n) {
    writes_max_ = std::max(writes_max_, cluster_->load(n).writes_per_s);
    nodes_[n].weight = 0.0;
    nodes_[n].open = nodes_[n].closed = false;
    if (!safe(n)) continue;
    ++safe_nodes_;
    capacity += static_cast<double>(all[n].capacity_bytes);
    capacity_max_ = std::max(capacity_max_, static_cast<double>(all[n].capacity_bytes));
  }
  capacity_mean_ = safe_nodes_ > 0 ? capacity / static_cast<double>(safe_nodes_) : 1.0;
  for (node_number n = 0; n < all.size(); ++n) {
    auto& s = nodes_[n];
    if (!safe(n)) continue;
    s.weight = static_cast<double>(all[n].capacity_bytes) / capacity_mean_;
    s.counted_copies = copies_on(n);
    auto holdings = static_cast<double>(cluster_->load(n).replicas + s.counted_copies);
    holdings_max_ = std::max(holdings_max_, holdings / s.weight);
    count_weight(s.weight, +1);
    copies_ += s.counted_copies;
  }
  for (node_number n = 0; n < all.size(); ++n)
    if (nodes_[n].weight > 0.0) insert(n);
}

void placer::count_weight(double weight, int sign) {
  level_.reset();
  auto& count = weight_counts_[weight];
  count += static_cast<uint64_t>(static_cast<int64_t>(sign));
  if (count == 0) weight_counts_.erase(weight);
  weights_ = 0.0; // a sum that is only added to and taken from drifts
  for (const auto& [w, nodes] : weight_counts_) weights_ += w * static_cast<double>(nodes);
}

void placer::hash_names() {
  const auto& all = cluster_->nodes();
  for (auto n = static_cast<node_number>(hashes_.size()); n < all.size(); ++n)
    hashes_.push_back(checksum64(all[n].id.value));
}

void placer::update(std::span<const node_number> changed, const zone_picture& zones) {
  hash_names();
  if (cluster_->nodes().attributes() != attributes_) {
    auto rules = rules_;
    return refresh(zones, rules);
  }
  for (auto n : changed) {
    if (n >= nodes_.size() || nodes_[n].weight == 0.0) continue;
    erase(n);
    count_weight(nodes_[n].weight, -1);
    copies_ -= nodes_[n].counted_copies;
    --safe_nodes_;
    nodes_[n].weight = 0.0;
  }
  zones_ = zones;
  for (auto n : changed) {
    if (n >= nodes_.size()) nodes_.resize(n + 1);
    auto& s = nodes_[n];
    if (!safe(n) || s.weight > 0.0) continue;
    auto capacity = static_cast<double>(cluster_->nodes()[n].capacity_bytes);
    s.weight = capacity / capacity_mean_;
    s.counted_copies = copies_on(n);
    capacity_max_ = std::max(capacity_max_, capacity);
    ++safe_nodes_;
    count_weight(s.weight, +1);
    copies_ += s.counted_copies;
  }
  for (auto n : changed)
    if (nodes_[n].weight > 0.0 && !nodes_[n].open && !nodes_[n].closed) insert(n);
}

void placer::promise(node_number n, uint64_t bytes) {
  if (expected_ > 0) --expected_;
  if (n >= nodes_.size()) return;
  auto& s = nodes_[n];
  bool counts = s.weight > 0.0;
  if (counts) erase(n);
  ++s.promised_copies;
  s.promised_bytes += bytes;
  if (!counts) return;
  ++s.counted_copies;
  ++copies_;
  insert(n);
}

void placer::release(node_number n, uint64_t bytes) {
  if (n >= nodes_.size() || nodes_[n].promised_copies == 0) return;
  auto& s = nodes_[n];
  bool counts = s.weight > 0.0;
  if (counts) erase(n);
  --s.promised_copies;
  s.promised_bytes -= std::min(bytes, s.promised_bytes);
  if (!counts) return;
  --s.counted_copies;
  --copies_;
  insert(n);
}

void placer::move(node_number from, node_number to, uint64_t bytes) {
  auto expected = expected_;
  release(from, bytes);
  promise(to, bytes);
  expected_ = expected;
}

uint64_t placer::copies_on(node_number n) const {
  return cluster_->load(n).copies + (n < nodes_.size() ? nodes_[n].promised_copies : 0);
}

// --- places

void placer::set_under_way(std::vector<node_number> ends) {
  std::erase_if(ends, [&](node_number n) { return n >= nodes_.size(); });
  auto before = std::exchange(under_way_, std::move(ends));
  for (auto n : before) --nodes_[n].under_way;
  for (auto n : under_way_) ++nodes_[n].under_way;
  for (auto n : before) settle(n);
  for (auto n : under_way_) settle(n);
}

void placer::queue(node_number n) {
  if (n >= nodes_.size()) return;
  ++nodes_[n].queued;
  settle(n);
}

void placer::unqueue(node_number n) {
  if (n >= nodes_.size() || nodes_[n].queued == 0) return;
  --nodes_[n].queued;
  settle(n);
}

uint32_t placer::round_of(node_number n) const {
  const auto& s = nodes_[n];
  return std::min((s.under_way + s.queued) / std::max(1u, rules_.places), rounds_max);
}

/// To the lane where it belongs now.
void placer::settle(node_number n) {
  const auto& s = nodes_[n];
  if ((!s.open && !s.closed) || s.round == round_of(n)) return;
  erase(n);
  insert(n);
}

// --- fair share

double placer::least_level(uint64_t copies) const {
  auto fits = [&](double level) {
    double room = 0.0;
    for (const auto& [weight, count] : weight_counts_)
      room += std::floor(level * weight + rounding) * static_cast<double>(count);
    return room >= static_cast<double>(copies);
  };
  double low = static_cast<double>(copies) / weights_;
  double high = low + 1.0 / weight_counts_.begin()->first; // everybody has its part, rounded up
  while (high - low > rounding * high) (fits((low + high) / 2) ? high : low) = (low + high) / 2;
  return high;
}

double placer::level() const {
  auto copies = copies_ + std::max<uint64_t>(1, expected_);
  if (weight_counts_.empty() || weights_ <= 0.0) return 0.0;
  if (!level_ || level_->copies != copies)
    level_ = {copies, std::max(least_level(copies), rules_.placement.imbalance
                                                        * static_cast<double>(copies) / weights_)};
  return level_->level;
}

bool placer::over_fair_share(node_number n) const {
  const auto& s = nodes_[n];
  return static_cast<double>(s.counted_copies + 1) > level() * s.weight + rounding * s.weight;
}

double placer::fullness_with_one_more(node_number n) const {
  const auto& s = nodes_[n];
  return static_cast<double>(s.counted_copies + 1) / s.weight;
}

double placer::past_share(node_number n) const {
  return over_fair_share(n) ? fullness_with_one_more(n) : 0.0;
}

bool placer::has_fair_share(node_number n) const {
  return weight_of(n) > 0.0 && over_fair_share(n);
}

std::vector<node_number> placer::candidates(const placer_query& query) const {
  auto q = ask(query);
  std::vector<node_number> list;
  for (bool waived : {false, true}) {
    q.spread_waived = waived;
    for (node_number n = 0; n < nodes_.size(); ++n)
      if (nodes_[n].weight > 0.0 && allowed(q, n)) list.push_back(n);
    if (!list.empty()) break;
  }
  std::sort(list.begin(), list.end(), [&](node_number a, node_number b) {
    return cluster_->nodes().rank(a) < cluster_->nodes().rank(b);
  });
  return list;
}

placer::balance_report placer::balance() const {
  balance_report report;
  report.copies = copies_;
  if (copies_ == 0 || weights_ <= 0.0) return report;
  double mean = static_cast<double>(copies_) / weights_;
  double most = 0.0;
  for (const auto& s : nodes_)
    if (s.weight > 0.0) most = std::max(most, static_cast<double>(s.counted_copies) / s.weight);
  report.max_over_mean = most / mean;
  report.bound = least_level(copies_) / mean;
  return report;
}

// --- order

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

size_t placer::memory_bytes() const {
  return nodes_.capacity() * (sizeof(node_facts) + 64) + risks_.capacity() * sizeof(float);
}

} // namespace harbinger
