#include "placement/placer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/digest.hpp"

/// What is known of each node, promises, places and the fair share; the order in which nodes are
/// looked at is in placer_order.cpp, filters and scores in placer_judgement.cpp.

namespace harbinger {

namespace {

std::vector<attribute_number> numbers_of(const topology& nodes,
                                         const std::vector<std::string>& names) {
  std::vector<attribute_number> numbers;
  for (const auto& name : names)
    if (auto a = nodes.attribute(name)) numbers.push_back(*a);
  return numbers;
}

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

size_t placer::memory_bytes() const {
  return nodes_.capacity() * (sizeof(node_facts) + 64) + risks_.capacity() * sizeof(float);
}

} // namespace harbinger
