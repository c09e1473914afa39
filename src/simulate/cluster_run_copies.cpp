#include "simulate/cluster_run.hpp"

#include <algorithm>

/// Carries out what the plan says: copies begin, end, stand and go; and watches the budgets.

namespace harbinger::simulate {

namespace {
constexpr double preempt_every_s = 10;
} // namespace

void cluster_run::flush_usage() {
  for (auto n : usage_changed_) {
    nodes_[n].usage_changed = false;
    cluster_.set_usage(n, nodes_[n].used_bytes, nodes_[n].writes_per_s);
  }
  usage_changed_.clear();
}

void cluster_run::on_plan() {
  plan_at_ = -1;
  flush_usage();
  plan_.set_in_flight(in_flight());
  plan_.step(clock());
  ++accounts_.plan_steps;
  for (const auto& s : plan_.surplus(clock())) remove(s);
  std::set<partition_number> begun;
  for (const auto& c : plan_.begin({})) {
    begin(c);
    begun.insert(c.copy.partition);
  }
  if (plan_.missing() > begun.size()) preempt(begun);
}

std::vector<copy_in_flight> cluster_run::in_flight() const {
  std::vector<copy_in_flight> list;
  list.reserve(copies_.size());
  for (const auto& [number, c] : copies_) {
    list.push_back(c.what);
    double left = (c.ends_s - now_) / std::max(1e-9, c.ends_s - c.begun_s);
    list.back().remaining_bytes = static_cast<uint64_t>(std::max(0.0, c.bytes * left));
  }
  return list;
}

/// For restores at once; for others not at every step, for it costs a look at all copies.
void cluster_run::preempt(const std::set<partition_number>& begun) {
  bool restores = plan_.restores_wait(begun);
  bool others = begun.empty() && now_ - last_preempt_ >= preempt_every_s;
  if (copies_.empty() || !(restores || others)) return;
  last_preempt_ = now_;
  plan_.set_in_flight(in_flight());
  auto gone = plan_.preempted(begun);
  for (const auto& s : gone) remove(s);
  if (!gone.empty()) plan_soon();
}

void cluster_run::load(const running_copy& c, double sign) {
  auto rate = sign * static_cast<double>(c.what.rate_bytes_per_s);
  total_rate_ += rate;
  auto from = c.what.source, to = c.what.target;
  if (from != no_number) nodes_[from].rate_out += rate;
  nodes_[to].rate_in += rate;
  if (!link_ || from == no_number) return;
  auto out = cluster_.nodes().value_of(from, *link_), in = cluster_.nodes().value_of(to, *link_);
  if (out == in) return;
  if (out != no_number) link_out_[out] += rate;
  if (in != no_number) link_in_[in] += rate;
}

void cluster_run::begin(const copy_to_begin& c) {
  auto p = c.copy.partition;
  running_copy copy;
  copy.what = {p, c.copy.source, c.copy.target, c.rate_bytes_per_s, 0};
  copy.restore = c.copy.restore;
  copy.begun_s = now_;
  copy.bytes = static_cast<double>(cluster_.partition(p).size_bytes);
  double rate = c.rate_bytes_per_s > 0 ? static_cast<double>(c.rate_bytes_per_s)
                                       : options_.takes.copy_bytes_per_s;
  copy.ends_s = now_ + options_.takes.copy_fixed_s + copy.bytes / rate;
  auto holders = holders_of(p);
  holders.push_back({c.copy.target, holding_kind::copying});
  const auto& standing = plan_.zones().of(c.copy.target);
  if (!standing.safe() || cluster_.nodes()[c.copy.target].state != node_state::up)
    ++accounts_.budgets.unsafe_targets;
  put(p, holders);
  auto number = next_copy_++;
  copy_numbers_[{p, c.copy.target}] = number;
  if (c.copy.source != no_number) copies_at_[c.copy.source].insert(number);
  copies_at_[c.copy.target].insert(number);
  load(copy, +1);
  ++(copy.restore ? accounts_.restoring : accounts_.protective).begun;
  copies_.emplace(number, copy);
  check_budgets(copy);
  at(copy.ends_s, kind::copy, number);
}

void cluster_run::allow() {
  const auto& r = options_.rules.prefetch;
  auto& b = accounts_.budgets;
  b.concurrent.allowed = r.concurrent_max;
  b.concurrent_per_node.allowed = r.concurrent_per_node_max;
  b.copy_rate.allowed = static_cast<double>(r.rate_bytes_per_s);
  b.total_rate.allowed = static_cast<double>(r.total_bytes_per_s);
  b.node_rate.allowed = static_cast<double>(r.node_bytes_per_s);
  b.link_rate.allowed = static_cast<double>(r.link_bytes_per_s);
  b.copy_space.allowed = r.space_max;
  b.zone_share.allowed = options_.rules.zones.share_max;
  if (r.link_bytes_per_s > 0) link_ = cluster_.nodes().attribute(r.link_attribute);
  if (!link_) return;
  link_out_.resize(cluster_.nodes().values(*link_));
  link_in_ = link_out_;
}

void cluster_run::check_budgets(const running_copy& c) {
  auto& b = accounts_.budgets;
  b.concurrent.see(static_cast<double>(copies_.size()));
  b.total_rate.see(total_rate_);
  b.copy_rate.see(static_cast<double>(c.what.rate_bytes_per_s));
  for (auto n : {c.what.source, c.what.target}) {
    if (n == no_number) continue;
    b.concurrent_per_node.see(static_cast<double>(copies_at_[n].size()));
    b.node_rate.see(std::max(nodes_[n].rate_out, nodes_[n].rate_in));
  }
  for (auto x : link_out_) b.link_rate.see(x);
  for (auto x : link_in_) b.link_rate.see(x);
  auto capacity = static_cast<double>(cluster_.nodes()[c.what.target].capacity_bytes);
  b.copy_space.see(static_cast<double>(cluster_.load(c.what.target).copies_bytes) / capacity);
}

void cluster_run::on_copy_done(uint64_t number) {
  auto found = copies_.find(number);
  if (found == copies_.end()) return;
  auto c = found->second;
  auto from = c.what.source, to = c.what.target;
  if (!nodes_[to].up || (from != no_number && !nodes_[from].up)) return abort(number);
  load(c, -1);
  copies_.erase(found);
  auto p = c.what.partition;
  copy_numbers_.erase({p, to});
  if (from != no_number) copies_at_[from].erase(number);
  copies_at_[to].erase(number);
  auto& sum = c.restore ? accounts_.restoring : accounts_.protective;
  ++sum.done;
  sum.bytes += c.bytes;
  ready_bytes_[{p, to}] = c.bytes;
  follow(static_cast<double>(cluster_.partition(p).change_bytes_per_s));
  auto holders = holders_of(p);
  for (auto& h : holders)
    if (h.node == to) h.kind = holding_kind::ready;
  put(p, holders);
  uint32_t line = 0;
  repair(p, line);
  evacuate(p);
  if (condemned(p)) escalate(p);
  plan_soon();
}

void cluster_run::abort(uint64_t number) {
  auto found = copies_.find(number);
  if (found == copies_.end()) return;
  auto c = found->second;
  load(c, -1);
  copies_.erase(found);
  auto p = c.what.partition;
  copy_numbers_.erase({p, c.what.target});
  if (c.what.source != no_number) copies_at_[c.what.source].erase(number);
  copies_at_[c.what.target].erase(number);
  auto& sum = c.restore ? accounts_.restoring : accounts_.protective;
  ++sum.aborted;
  double share = (now_ - c.begun_s) / std::max(1e-9, c.ends_s - c.begun_s);
  sum.bytes += c.bytes * std::clamp(share, 0.0, 1.0);
  auto holders = holders_of(p);
  std::erase_if(holders, [&](const holder& h) {
    return h.node == c.what.target && h.kind == holding_kind::copying;
  });
  put(p, holders);
  plan_soon();
}

void cluster_run::abort_copies_of(node_number n) {
  auto all = copies_at_[n];
  for (auto number : all) abort(number);
}

void cluster_run::remove(const surplus_copy& s) {
  const auto* h = cluster_.partition(s.partition).holders.find(s.node);
  if (!h || !is_copy(h->kind)) return;
  if (h->kind == holding_kind::copying) return abort(copy_numbers_.at({s.partition, s.node}));
  copy_gone(s.partition, s.node);
  auto holders = holders_of(s.partition);
  std::erase_if(holders, [&](const holder& other) { return other.node == s.node; });
  put(s.partition, holders);
}

void cluster_run::follow(double rate_change) {
  accounts_.following_bytes += following_ * (now_ - followed_until_);
  followed_until_ = now_;
  following_ = std::max(0.0, following_ + rate_change);
}

void cluster_run::copy_used(partition_number p, node_number n) {
  ++accounts_.copies_used;
  ready_bytes_.erase({p, n});
  follow(-static_cast<double>(cluster_.partition(p).change_bytes_per_s));
}

void cluster_run::copy_gone(partition_number p, node_number n) {
  auto moved = ready_bytes_.find({p, n});
  if (moved == ready_bytes_.end()) return;
  ++accounts_.copies_unused;
  accounts_.unused_bytes += moved->second;
  ready_bytes_.erase(moved);
  follow(-static_cast<double>(cluster_.partition(p).change_bytes_per_s));
}

} // namespace harbinger::simulate
