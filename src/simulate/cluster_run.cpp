#include "simulate/cluster_run.hpp"

#include <algorithm>
#include <cmath>

#include "core/ensure.hpp"

/// Events and their order, the beginning, the hourly samples, and the end.

namespace harbinger::simulate {

namespace {

constexpr double plan_at_least_every_s = 300; // while copies stand or wait
constexpr uint64_t events_between_tells = 2048;

plan_rules rules_of(const simulation_options& o) {
  plan_rules rules;
  rules.prefetch = o.rules.prefetch;
  rules.placement = o.rules.placement;
  rules.domains = o.rules.zones.domains;
  rules.horizon_s = o.rules.prediction.horizon_s;
  rules.speeds.copy_bytes_per_s = o.takes.copy_bytes_per_s;
  rules.speeds.rebuild_bytes_per_s = o.takes.rebuild_bytes_per_s;
  rules.speeds.rebuild_fixed_s = o.takes.rebuild_fixed_s;
  rules.speeds.promote_s = o.takes.promote_s;
  return rules;
}

} // namespace

cluster_run::cluster_run(const simulation_options& options, const std::vector<failure>& failures,
                         const prediction& predicted)
    : options_(options),
      failures_(failures),
      predicted_(predicted),
      end_s_(options.days * 86'400) {}

void cluster_run::at(double t, kind what, uint64_t subject) {
  if (t <= end_s_) queue_.push({t, what, subject, next_order_++});
}

void cluster_run::plan_soon() {
  double t = std::ceil(now_ / options_.plan_every_s) * options_.plan_every_s;
  if (plan_at_ >= 0 && plan_at_ <= t) return;
  plan_at_ = t;
  at(t, kind::plan);
}

result<> cluster_run::prepare() {
  auto laid = lay_out(cluster_, options_.site, options_.rules.placement.spread, options_.seed);
  if (!laid) return laid;
  for (auto& row : nodes_of(options_.site, options_.seed)) row_by_id_.emplace(row.id, row);
  auto count = cluster_.nodes().size();
  nodes_.resize(count);
  copies_at_.resize(count);
  zone_probability_.resize(count);
  partitions_.resize(cluster_.partitions());
  for (node_number n = 0; n < count; ++n) {
    nodes_[n].used_bytes = cluster_.load(n).used_bytes;
    nodes_[n].writes_per_s = cluster_.load(n).writes_per_s;
  }
  for (partition_number p = 0; p < cluster_.partitions(); ++p)
    ++nodes_[cluster_.primary_of(p)].primaries;
  allow();
  plan_.set_rules(rules_of(options_));
  for (size_t i = 0; i < failures_.size(); ++i) at(failures_[i].at_s, kind::failure, i);
  if (!predicted_.changes.empty()) at(predicted_.changes.front().at_s, kind::scores);
  at(0, kind::sample);
  plan_soon();
  return {};
}

void cluster_run::take(const event& e) {
  now_ = e.at_s;
  switch (e.what) {
  case kind::failure: return on_failure(failures_[e.subject]);
  case kind::back: return on_back(failures_[e.subject]);
  case kind::verdict: return on_verdict(failures_[e.subject]);
  case kind::scores: return on_scores();
  case kind::zones: return on_zones();
  case kind::copy: return on_copy_done(e.subject);
  case kind::rebuild: return on_rebuild(static_cast<partition_number>(e.subject));
  case kind::evacuate: return evacuate(static_cast<partition_number>(e.subject));
  case kind::plan:
    if (e.at_s == plan_at_) on_plan();
    if (plan_at_ < 0 && (plan_.missing() > 0 || !ready_bytes_.empty()))
      at(plan_at_ = now_ + plan_at_least_every_s, kind::plan);
    return;
  case kind::sample: return on_sample();
  }
}

result<accounts> cluster_run::run(const progress& tell) {
  if (auto ready = prepare(); !ready) return tl::unexpected<error>(ready.error());
  for (uint64_t taken = 0; !queue_.empty(); ++taken) {
    auto e = queue_.top();
    queue_.pop();
    bool listen = taken % events_between_tells == 0 || e.what == kind::sample;
    if (listen && tell && !tell(now_ / end_s_))
      return fail(errc::cancelled,
                  "stopped after " + std::to_string(std::lround(now_ / 3600)) + " simulated hours");
    take(e);
  }
  now_ = end_s_;
  check();
  finish();
  return std::move(accounts_);
}

void cluster_run::on_sample() {
  sample s;
  s.at_s = now_;
  s.zones = static_cast<uint32_t>(tracker_.map().zones.size());
  s.nodes_in_zones = static_cast<uint32_t>(nodes_in_zones_);
  double most = 0, all = 0, up = 0;
  for (node_number n = 0; n < nodes_.size(); ++n) {
    if (!nodes_[n].up) {
      ++s.nodes_down;
      continue;
    }
    double replicas = cluster_.load(n).replicas;
    most = std::max(most, replicas);
    all += replicas;
    ++up;
  }
  if (all > 0) s.replicas_max_over_mean = most * up / all;
  auto balance = plan_.places().balance();
  if (balance.copies > 0) s.copies_over_best = balance.max_over_mean / std::max(1.0, balance.bound);
  s.ready_copies = ready_bytes_.size();
  s.copying = copies_.size();
  s.waiting = plan_.missing();
  s.short_of_replicas = short_;
  s.unserved = unserved_;
  accounts_.samples.push_back(s);
  at(now_ + options_.sample_every_s, kind::sample);
}

/// What is counted along the way is what a count at the end gives.
void cluster_run::check() const {
  std::vector<uint32_t> primaries(nodes_.size());
  std::vector<uint64_t> used(nodes_.size());
  size_t ready = 0;
  double following = 0;
  for (partition_number p = 0; p < partitions_.size(); ++p) {
    const auto& part = cluster_.partition(p);
    uint32_t leaders = 0, members = 0;
    bool extra = partitions_[p].extra != no_number;
    for (const auto& h : part.holders.get()) {
      bool primary = h.kind == holding_kind::primary;
      leaders += primary;
      members += is_replica(h.kind);
      primaries[h.node] += primary;
      if (h.kind != holding_kind::copying) used[h.node] += part.size_bytes;
      if (h.kind != holding_kind::ready && !(extra && h.node == partitions_[p].extra)) continue;
      ENSURE(ready_bytes_.contains({p, h.node}));
      ++ready;
      following += static_cast<double>(part.change_bytes_per_s);
    }
    ENSURE(leaders == 1 && members <= part.replicas_wanted + uint32_t{extra});
    ENSURE(extra == escalated_.contains(p));
  }
  ENSURE(ready == ready_bytes_.size());
  ENSURE(std::abs(following - following_) <= 1e-6 * (1 + following));
  for (node_number n = 0; n < nodes_.size(); ++n)
    ENSURE(primaries[n] == nodes_[n].primaries && used[n] == nodes_[n].used_bytes);
}

void cluster_run::finish() {
  for (partition_number p = 0; p < partitions_.size(); ++p) {
    if (partitions_[p].unserved_since >= 0) serve(p, end_s_);
    if (partitions_[p].short_since >= 0) accounts_.exposed(end_s_ - partitions_[p].short_since);
    if (partitions_[p].waits_since >= 0)
      accounts_.writes_waited(end_s_ - partitions_[p].waits_since);
  }
  follow(0);
  accounts_.zone_node_s += static_cast<double>(nodes_in_zones_) * (now_ - zones_counted_until_);
  accounts_.copies_unused += ready_bytes_.size();
  for (const auto& [key, bytes] : ready_bytes_) accounts_.unused_bytes += bytes;
}

result<accounts> simulate(const simulation_options& options, const std::vector<failure>& failures,
                          const prediction& predicted, const progress& tell) {
  return cluster_run(options, failures, predicted).run(tell);
}

} // namespace harbinger::simulate
