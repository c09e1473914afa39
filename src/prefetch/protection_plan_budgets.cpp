#include "prefetch/protection_plan.hpp"

#include <algorithm>

/// Which copies may begin inside the budgets, and which give way.

namespace harbinger {

namespace {

/// What copies in flight take of everything that has a limit.
class load_in_flight {
public:
  load_in_flight(const fleet& cluster, const prefetch_settings& rules,
                 const std::vector<copy_in_flight>& copies)
      : cluster_(cluster), rules_(rules) {
    if (rules.link_bytes_per_s > 0) attribute_ = cluster.nodes().attribute(rules.link_attribute);
    for (const auto& c : copies) add(c.source, c.target, c.rate_bytes_per_s);
  }
  /// A copy without limit may take all there is.
  void add(node_number source, node_number target, uint64_t rate) {
    ++count_;
    auto more = rate > 0 ? std::min(rate, everything) : everything;
    auto grow = [&](uint64_t& sum) { sum = std::min(sum + more, everything); };
    grow(total_);
    for (auto n : {source, target})
      if (n != no_number) ++counts_[n];
    if (source != no_number) grow(from_node_[source]);
    if (target != no_number) grow(to_node_[target]);
    auto [from, to] = link(source, target);
    if (from != no_number) grow(from_link_[from]);
    if (to != no_number) grow(to_link_[to]);
  }
  /// The victim's places are the newcomer's.
  void replace(const copy_in_flight& victim, node_number source, node_number target) {
    for (auto n : {victim.source, victim.target})
      if (n != no_number) --counts_[n];
    for (auto n : {source, target})
      if (n != no_number) ++counts_[n];
  }
  bool fits(node_number source, node_number target) const {
    return !full() && !busy(target) && !(source != no_number && busy(source))
           && room(source, target) >= enough();
  }
  bool full() const { return count_ >= rules_.concurrent_max; }
  bool busy(node_number n) const {
    auto found = counts_.find(n);
    return found != counts_.end() && found->second >= rules_.concurrent_per_node_max;
  }
  /// What is left for one more copy; UINT64_MAX with no limit at all.
  uint64_t room(node_number source, node_number target) const {
    auto [from, to] = link(source, target);
    return std::min({rules_.rate_bytes_per_s > 0 ? rules_.rate_bytes_per_s : UINT64_MAX,
                     left(rules_.total_bytes_per_s, total_), left_of_node(from_node_, source),
                     left_of_node(to_node_, target), left_of_link(from_link_, from),
                     left_of_link(to_link_, to)});
  }
  /// Less than this is not worth a beginning.
  uint64_t enough() const {
    auto least = protection_plan::rate_least;
    return rules_.rate_bytes_per_s > 0 ? std::min(least, rules_.rate_bytes_per_s) : least;
  }
  /// Whether a copy from `source` to `target` could begin if `c` went: everything that is used up
  /// is something that `c` takes part of, and no copy begins with less than `enough`.
  bool fits_without(const copy_in_flight& c, node_number source, node_number target) const {
    auto [from, to] = link(source, target);
    auto [its_from, its_to] = link(c.source, c.target);
    return places_without(c, source, target)
           && (c.source == source || left_of_node(from_node_, source) >= enough())
           && (c.target == target || left_of_node(to_node_, target) >= enough())
           && (its_from == from || left_of_link(from_link_, from) >= enough())
           && (its_to == to || left_of_link(to_link_, to) >= enough());
  }
  bool places_without(const copy_in_flight& c, node_number source, node_number target) const {
    if (count_ > rules_.concurrent_max) return false;
    for (auto n : {source, target}) {
      auto found = n == no_number ? counts_.end() : counts_.find(n);
      if (found == counts_.end()) continue;
      size_t freed = c.source == n || c.target == n;
      if (found->second - freed >= rules_.concurrent_per_node_max) return false;
    }
    return true;
  }
  /// Whether a copy from `source` to `target` can not begin by something that `c` takes part of.
  bool held_up_by(const copy_in_flight& c, node_number source, node_number target) const {
    if (full() || left(rules_.total_bytes_per_s, total_) < enough()) return true;
    for (auto n : {source, target})
      if (n != no_number && busy(n) && (c.source == n || c.target == n)) return true;
    if (c.source == source && left_of_node(from_node_, source) < enough()) return true;
    if (c.target == target && left_of_node(to_node_, target) < enough()) return true;
    auto [from, to] = link(source, target);
    auto [its_from, its_to] = link(c.source, c.target);
    return (from == its_from && left_of_link(from_link_, from) < enough())
           || (to == its_to && left_of_link(to_link_, to) < enough());
  }

private:
  static uint64_t at(const std::map<uint32_t, uint64_t>& map, uint32_t key) {
    auto found = map.find(key);
    return found == map.end() ? 0 : found->second;
  }
  static uint64_t left(uint64_t limit, uint64_t used) {
    return limit > 0 ? limit - std::min(limit, used) : UINT64_MAX;
  }
  uint64_t left_of_node(const std::map<uint32_t, uint64_t>& used, node_number n) const {
    return n == no_number ? UINT64_MAX : left(rules_.node_bytes_per_s, at(used, n));
  }
  uint64_t left_of_link(const std::map<uint32_t, uint64_t>& used, value_number v) const {
    return v == no_number ? UINT64_MAX : left(rules_.link_bytes_per_s, at(used, v));
  }
  std::pair<value_number, value_number> link(node_number source, node_number target) const {
    if (!attribute_ || source == no_number || target == no_number) return {no_number, no_number};
    auto from = cluster_.nodes().value_of(source, *attribute_);
    auto to = cluster_.nodes().value_of(target, *attribute_);
    return from == to ? std::pair(no_number, no_number) : std::pair(from, to);
  }

  static constexpr uint64_t everything = UINT64_MAX >> 1;

  const fleet& cluster_;
  const prefetch_settings& rules_;
  std::optional<attribute_number> attribute_;
  size_t count_ = 0;
  uint64_t total_ = 0;
  std::map<uint32_t, size_t> counts_;
  std::map<uint32_t, uint64_t> from_node_, to_node_, from_link_, to_link_;
};

} // namespace

std::vector<copy_to_begin> protection_plan::begin(const std::set<partition_number>& not_now) const {
  std::vector<copy_to_begin> list;
  load_in_flight load(*cluster_, rules_.prefetch, in_flight_);
  std::set<partition_number> begun;
  size_t looked_at = 0;
  for (auto i : sequence_) {
    if (load.full() || ++looked_at > look_ahead_max) break;
    auto copy = planned(order_[i]);
    // One beginning a partition: the next one is decided on when the row shows this one.
    if (copy.target == no_number || not_now.contains(copy.partition)
        || begun.contains(copy.partition))
      continue;
    if (!load.fits(copy.source, copy.target)) continue;
    auto rate = load.room(copy.source, copy.target);
    bool limited = rate != UINT64_MAX;
    load.add(copy.source, copy.target, limited ? rate : 0);
    begun.insert(copy.partition);
    list.push_back({copy, limited ? rate : 0});
  }
  return list;
}

double protection_plan::worth_in_flight(const copy_in_flight& c) const {
  const auto* e = entry_of(c.partition);
  if (!e || !e->needed) return 0.0;
  auto without = e->need;
  without.none_alive_now = std::min(1.0, without.none_alive_now / base_failure_probability);
  double saved =
      seconds_saved(without, 0, cluster_->partition(c.partition).size_bytes, rules_.speeds);
  return saved * (1 << 20) / std::max(least_bytes, static_cast<double>(c.remaining_bytes));
}

bool protection_plan::restores_wait(const std::set<partition_number>& not_now) const {
  for (auto i : sequence_) {
    auto copy = planned(order_[i]);
    if (!copy.restore) return false; // they come first
    if (copy.target != no_number && !not_now.contains(copy.partition)) return true;
  }
  return false;
}

std::vector<surplus_copy>
protection_plan::preempted(const std::set<partition_number>& not_now) const {
  std::vector<surplus_copy> list;
  if (rules_.prefetch.preempt_factor <= 0.0) return list;
  std::vector<std::pair<double, const copy_in_flight*>> by_worth; // those that may give way
  for (const auto& c : in_flight_)
    if (!not_now.contains(c.partition) && !restores_.contains(c.partition))
      by_worth.emplace_back(worth_in_flight(c), &c);
  std::stable_sort(by_worth.begin(), by_worth.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  load_in_flight load(*cluster_, rules_.prefetch, in_flight_);
  size_t looked_at = 0;
  for (auto i : sequence_) {
    if (list.size() >= preempted_max || ++looked_at > rules_.prefetch.concurrent_max) break;
    auto copy = planned(order_[i]);
    if (copy.target == no_number || not_now.contains(copy.partition)) continue;
    if (!copy.restore && !list.empty()) break; // what gave way to a restore is enough for now
    if (load.fits(copy.source, copy.target)) { // it begins in the next step
      auto rate = load.room(copy.source, copy.target);
      if (copy.restore) load.add(copy.source, copy.target, rate == UINT64_MAX ? 0 : rate);
      continue;
    }
    auto least = std::find_if(by_worth.begin(), by_worth.end(), [&](const auto& c) {
      return load.held_up_by(*c.second, copy.source, copy.target)
             && load.fits_without(*c.second, copy.source, copy.target);
    });
    if (least == by_worth.end()) continue;
    if (!copy.restore && copy.worth <= least->first * rules_.prefetch.preempt_factor) continue;
    list.push_back({least->second->partition, least->second->target, false,
                    "gives way to " + to_string(cluster_->partition(copy.partition).id)
                        + (copy.restore ? ", which lacks a replica" : ", which is worth more")});
    load.replace(*least->second, copy.source, copy.target);
    by_worth.erase(least);
    if (!copy.restore) break;
  }
  return list;
}

} // namespace harbinger
