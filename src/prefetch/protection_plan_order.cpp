#include "prefetch/protection_plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

/// Which copy comes before which, and when each is done.

namespace harbinger {

namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

double or_unlimited(uint64_t bytes_per_s) {
  return bytes_per_s > 0 ? static_cast<double>(bytes_per_s) : unlimited;
}

/// In a float, on the same side of the deadline.
float told_as(double finish_s, double deadline_s, bool in_time) {
  auto told = static_cast<float>(in_time ? std::min(finish_s, deadline_s) : finish_s);
  bool late = !in_time && finish_s > deadline_s;
  constexpr float far = std::numeric_limits<float>::max();
  if (late && static_cast<double>(told) <= deadline_s) return std::nextafter(told, far);
  if (!late && static_cast<double>(told) > deadline_s) return std::nextafter(told, -far);
  return told;
}

} // namespace

/// Things with a rate that copies go through: all copies together, each node both ways, each link
/// both ways; and the bytes that go through each.
class protection_plan::budget {
public:
  budget(const fleet& cluster, const plan_rules& rules)
      : cluster_(cluster), nodes_(static_cast<uint32_t>(cluster.nodes().size())) {
    const auto& p = rules.prefetch;
    copy_ = p.rate_bytes_per_s > 0 ? static_cast<double>(p.rate_bytes_per_s)
                                   : rules.speeds.copy_bytes_per_s;
    rates_.push_back(std::min(or_unlimited(p.total_bytes_per_s), copy_ * p.concurrent_max));
    rates_.resize(1 + 2 * nodes_,
                  std::min(or_unlimited(p.node_bytes_per_s), copy_ * p.concurrent_per_node_max));
    if (p.link_bytes_per_s > 0) attribute_ = cluster.nodes().attribute(p.link_attribute);
    if (attribute_) {
      values_ = static_cast<uint32_t>(cluster.nodes().values(*attribute_));
      rates_.resize(rates_.size() + 2 * values_, or_unlimited(p.link_bytes_per_s));
    }
    loads_.resize(rates_.size());
  }

  const std::vector<double>& rates() const { return rates_; }
  transfer between(node_number source, node_number target, double bytes) const {
    transfer t;
    t.bytes = bytes;
    t.uses[0] = 0;
    if (source != no_number) t.uses[1] = 1 + source;
    if (target != no_number) t.uses[2] = 1 + nodes_ + target;
    auto [from, to] = link(source, target);
    if (from != no_number) t.uses[3] = 1 + 2 * nodes_ + from;
    if (to != no_number) t.uses[4] = 1 + 2 * nodes_ + values_ + to;
    return t;
  }
  /// By itself.
  double least_s(double bytes) const { return bytes / copy_; }
  /// When it would be done, after all that was added.
  double finish_s(const transfer& t) const {
    return std::max(least_s(t.bytes), load_s(t, t.bytes));
  }
  /// When everything that was added is through all that it uses.
  double load_s(const transfer& t, double more = 0.0) const {
    double last = 0.0;
    for (auto thing : t.uses)
      if (thing != transfer::nothing) last = std::max(last, (loads_[thing] + more) / rates_[thing]);
    return last;
  }
  void add(const transfer& t, double sign = 1.0) {
    for (auto thing : t.uses)
      if (thing != transfer::nothing) loads_[thing] += sign * t.bytes;
  }

private:
  /// Values whose links a copy uses: none within one value.
  std::pair<value_number, value_number> link(node_number source, node_number target) const {
    if (!attribute_) return {no_number, no_number};
    auto value = [&](node_number n) {
      return n == no_number ? no_number : cluster_.nodes().value_of(n, *attribute_);
    };
    auto from = value(source), to = value(target);
    return from == to ? std::pair(no_number, no_number) : std::pair(from, to);
  }

  const fleet& cluster_;
  uint32_t nodes_ = 0, values_ = 0;
  double copy_ = 0.0;
  std::optional<attribute_number> attribute_;
  std::vector<double> rates_, loads_;
};

node_number protection_plan::source_of(partition_number p) const {
  node_number best = no_number;
  int best_class = 4;
  for (const auto& h : cluster_->partition(p).holders.get()) {
    if (!is_replica(h.kind) || !cluster_->nodes().alive(h.node)) continue;
    bool up = cluster_->nodes()[h.node].state == node_state::up;
    int its_class = (up ? 0 : 2) + (h.kind == holding_kind::primary ? 0 : 1);
    if (its_class < best_class
        || (its_class == best_class
            && cluster_->nodes().rank(h.node) < cluster_->nodes().rank(best))) {
      best = h.node;
      best_class = its_class;
    }
  }
  return best;
}

protection_plan::place_in_order protection_plan::in_order(uint32_t slot, uint32_t number) const {
  const auto& e = entries_[slot];
  return {e.need.restore ? e.need.alive : UINT32_MAX, 0.0f, worth_of(e, number),
          cluster_->partition(e.partition).id.value,  slot, number};
}

void protection_plan::order(const std::vector<partition_number>& dirty) {
  std::vector<bool> stale(entries_.size());
  std::vector<place_in_order> fresh;
  for (auto p : dirty) {
    auto slot = slot_of_[p];
    if (slot == none) continue;
    stale[slot] = true;
    const auto& e = entries_[slot];
    for (uint32_t number = 0; number < e.need.missing; ++number)
      fresh.push_back(in_order(slot, number));
  }
  std::erase_if(order_, [&](const auto& o) { return !entries_[o.slot].used || stale[o.slot]; });
  std::sort(fresh.begin(), fresh.end());
  auto middle = static_cast<std::ptrdiff_t>(order_.size());
  order_.insert(order_.end(), fresh.begin(), fresh.end());
  std::inplace_merge(order_.begin(), order_.begin() + middle, order_.end());
}

std::vector<double> protection_plan::deadlines_of(const std::vector<job>& jobs) {
  std::vector<double> list;
  for (const auto& j : jobs) {
    if (j.restore) continue;
    auto place = std::lower_bound(list.begin(), list.end(), j.deadline_s);
    if (place == list.end() || *place != j.deadline_s) list.insert(place, j.deadline_s);
  }
  // Between those that are left each counts as the one before.
  for (size_t keep = 1; list.size() > deadlines_max;) {
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(keep));
    keep = keep + 1 < list.size() ? keep + 1 : 1;
  }
  return list;
}

void protection_plan::schedule() {
  budget spent(*cluster_, rules_);
  for (const auto& c : in_flight_)
    spent.add(spent.between(c.source, c.target, static_cast<double>(c.remaining_bytes)));
  std::vector<job> jobs(order_.size());
  for (size_t i = 0; i < order_.size(); ++i) {
    auto copy = planned(order_[i]);
    auto& j = jobs[i];
    j.uses = spent.between(copy.source, copy.target, copy.bytes);
    j.uses.gain = copy.saved_s;
    j.deadline_s = copy.deadline_s;
    j.restore = copy.restore;
    j.moves = copy.target != no_number;
  }
  if (!all_in_time(jobs, spent)) choose_in_time(jobs, spent);
}

bool protection_plan::all_in_time(const std::vector<job>& jobs, budget spent) {
  sequence_.clear();
  for (uint32_t i = 0; i < jobs.size(); ++i) {
    double finish = spent.finish_s(jobs[i].uses);
    if (!jobs[i].restore && finish > jobs[i].deadline_s) return false;
    order_[i].finish_s = told_as(finish, jobs[i].deadline_s, true);
    if (jobs[i].moves) spent.add(jobs[i].uses);
    sequence_.push_back(i);
  }
  return true;
}

void protection_plan::choose_in_time(std::vector<job>& jobs, budget spent) {
  auto times = deadlines_of(jobs);
  transfer_room room(times, spent.rates());
  for (const auto& c : in_flight_)
    room.occupy(spent.between(c.source, c.target, static_cast<double>(c.remaining_bytes)));
  std::vector<transfer> list;
  std::vector<uint32_t> listed, first, in_time, late;
  for (uint32_t i = 0; i < jobs.size(); ++i) {
    auto& j = jobs[i];
    if (j.restore) {
      first.push_back(i);
      if (j.moves) room.occupy(j.uses);
      continue;
    }
    auto after = std::upper_bound(times.begin(), times.end(), j.deadline_s);
    j.uses.deadline = static_cast<uint32_t>(after - times.begin() - 1);
    if (!j.moves || spent.least_s(j.uses.bytes) > j.deadline_s) continue;
    list.push_back(j.uses);
    listed.push_back(i);
  }
  auto taken = harbinger::choose_in_time(list, room);
  for (size_t k = 0; k < listed.size(); ++k) jobs[listed[k]].chosen = taken[k];
  for (uint32_t i = 0; i < jobs.size(); ++i)
    if (!jobs[i].restore) (jobs[i].chosen || !jobs[i].moves ? in_time : late).push_back(i);
  sequence_.clear();
  auto go = [&](uint32_t i, bool may_wait) {
    const auto& j = jobs[i];
    double finish = spent.finish_s(j.uses);
    if (may_wait && !j.chosen && finish > j.deadline_s) return late.push_back(i);
    order_[i].finish_s = told_as(finish, j.deadline_s, j.chosen);
    if (j.moves) spent.add(j.uses);
    sequence_.push_back(i);
  };
  for (auto i : first) go(i, false);
  if (times.size() > 1) by_worth_and_deadline(in_time, jobs, spent);
  for (auto i : in_time) go(i, true);
  std::sort(late.begin(), late.end());
  for (size_t k = 0; k < late.size(); ++k) go(late[k], false);
}

void protection_plan::by_worth_and_deadline(std::vector<uint32_t>& in_time,
                                            const std::vector<job>& jobs, budget spent) {
  std::vector<std::vector<uint32_t>> waiting(deadlines_max);
  for (auto i : in_time) {
    waiting[jobs[i].uses.deadline].push_back(i);
    if (jobs[i].moves) spent.add(jobs[i].uses);
  }
  // From the last to the first: of those that may be that late the least worth.
  for (size_t left = in_time.size(); left > 0; --left) {
    std::vector<uint32_t>*best = nullptr, *latest = nullptr;
    for (auto& w : waiting) {
      if (w.empty()) continue;
      latest = &w;
      const auto& j = jobs[w.back()];
      bool may_wait = !j.moves || spent.load_s(j.uses) <= j.deadline_s;
      if (may_wait && (!best || w.back() > best->back())) best = &w;
    }
    if (!best) best = latest; // by rounding
    auto i = best->back();
    best->pop_back();
    if (jobs[i].moves) spent.add(jobs[i].uses, -1.0);
    in_time[left - 1] = i;
  }
}

planned_copy protection_plan::planned(const place_in_order& place) const {
  const auto& e = entries_[place.slot];
  planned_copy c;
  c.partition = e.partition;
  c.number = place.number;
  c.source = e.source;
  if (place.number < e.targets) c.target = e.target[place.number];
  c.restore = e.need.restore;
  c.bytes = e.bytes;
  c.worth = place.worth;
  c.saved_s = place.worth * std::max(least_bytes, e.bytes) / (1 << 20);
  c.finish_s = place.finish_s;
  c.deadline_s = c.restore ? unlimited : deadline_s(e.due);
  return c;
}

std::vector<planned_copy> protection_plan::copies() const {
  std::vector<planned_copy> list;
  list.reserve(order_.size());
  for (auto i : sequence_) list.push_back(planned(order_[i]));
  return list;
}

} // namespace harbinger
