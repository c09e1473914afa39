#include "simulate/accounts.hpp"

#include <algorithm>
#include <numeric>

namespace harbinger::simulate {

namespace {

void add(outage_sum& to, const outage_sum& more) {
  to.count += more.count;
  to.seconds += more.seconds;
  to.requests += more.requests;
  to.longest_s = std::max(to.longest_s, more.longest_s);
}

} // namespace

void accounts::outage(const failure& by, outage_kind kind, double from_s, double to_s,
                      double requests) {
  double seconds = std::max(0.0, to_s - from_s);
  add(outages_[static_cast<size_t>(by.cause)][static_cast<size_t>(kind)],
      {1, seconds, requests, seconds});
  events_[by.event].seconds += seconds;
}

void accounts::hand_over(double seconds, double requests) {
  add(handed_over_, {1, seconds, requests, seconds});
}

void accounts::writes_waited(double partition_seconds) {
  auto seconds = std::max(0.0, partition_seconds);
  add(waited_, {1, seconds, 0, seconds});
}

void accounts::failed(const failure& f, double in_zone_s) {
  auto& e = events_[f.event];
  if (e.nodes++ == 0) e.cause = f.cause, e.first_s = f.at_s;
  e.in_zones += in_zone_s >= 0;
  e.lead_s = std::max(e.lead_s, in_zone_s);
}

outage_sum accounts::of(failure_cause cause) const {
  outage_sum sum;
  for (const auto& one : outages_[static_cast<size_t>(cause)]) add(sum, one);
  return sum;
}

outage_sum accounts::of(outage_kind kind) const {
  outage_sum sum;
  for (const auto& by_kind : outages_) add(sum, by_kind[static_cast<size_t>(kind)]);
  return sum;
}

outage_sum accounts::all() const {
  auto sum = handed_over_;
  for (const auto& by_kind : outages_)
    for (const auto& one : by_kind) add(sum, one);
  return sum;
}

void accounts::restored(double after_s) {
  restored_s_.push_back(static_cast<float>(after_s));
  exposed_s_ += after_s;
}

accounts::restore_sum accounts::restores() const {
  restore_sum sum;
  sum.exposed_partition_s = exposed_s_;
  sum.count = restored_s_.size();
  if (restored_s_.empty()) return sum;
  auto sorted = restored_s_;
  std::sort(sorted.begin(), sorted.end());
  sum.mean_s =
      std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(sorted.size());
  sum.p99_s = sorted[(sorted.size() - 1) * 99 / 100];
  sum.longest_s = sorted.back();
  return sum;
}

bool accounts::budgets_held() const {
  const auto& b = budgets;
  for (const auto* p : {&b.concurrent, &b.concurrent_per_node, &b.copy_rate, &b.total_rate,
                        &b.node_rate, &b.link_rate, &b.copy_space, &b.zone_share})
    if (!p->held()) return false;
  return b.unsafe_targets == 0;
}

} // namespace harbinger::simulate
