#pragma once

/// The plan as its rules say it, slowly: by names, from maps and sets, everything anew each time.
/// What the quick planner is held to.

#include <cmath>

#include "prefetch/protection_plan.hpp"
#include "tests/support/random_fleet.hpp"

namespace harbinger::test {

class plain_plan {
public:
  plain_plan(const named_cluster& world, const plan_rules& rules) : world_(world), rules_(rules) {
    for (const auto& z : world.zones.zones) {
      for (size_t i = 0; i < z.members.size(); ++i) risks_[z.members[i]] = z.risks.at(i);
      exposed_.insert(z.exposed.begin(), z.exposed.end());
    }
  }

  struct need {
    uint32_t missing = 0;
    size_t alive = 0;
    bool restore = false;
    double none_alive_now = 0.0;
    double expected_losses = 0.0;
  };
  need need_of(partition_id id) const {
    const auto& row = world_.partitions.at(id);
    auto members = living_members(id), copies = living_copies(id);
    need n;
    n.alive = members.size() + copies.size();
    std::set<node_id> all = members;
    all.insert(copies.begin(), copies.end());
    n.none_alive_now = none_alive(all, world_.zones);
    bool at_risk = false;
    for (const auto& m : members)
      if (risks_.contains(m)) {
        at_risk = true;
        n.expected_losses += risks_.at(m) * (m == row.primary ? 2.0 : 1.0);
      }
    auto outside = [&](const std::set<node_id>& some) {
      return static_cast<uint32_t>(std::count_if(
          some.begin(), some.end(), [&](const node_id& id) { return !risks_.contains(id); }));
    };
    uint32_t wanted = row.replicas_wanted;
    uint32_t living = static_cast<uint32_t>(members.size());
    uint32_t beyond = living > wanted ? living - wanted : 0;
    uint32_t have = static_cast<uint32_t>(copies.size()) + beyond;
    uint32_t safe = outside(copies) + std::min(beyond, outside(members));
    const auto& p = rules_.prefetch;
    if (at_risk) {
      // As many as the target takes, one outside at least, copies_max at most.
      double left = n.none_alive_now;
      while (
          have + n.missing < p.copies_max
          && (left > p.none_alive_target || (safe + n.missing == 0 && outside(members) < wanted))) {
        ++n.missing;
        left *= base_failure_probability;
      }
    }
    if (world_.restores.contains(id) && living + have < wanted && living < wanted) {
      n.restore = true;
      n.missing = std::max(n.missing, wanted - living - have);
    }
    return n;
  }
  double worth_of(partition_id id, const need& n, uint32_t number) const {
    auto size = static_cast<double>(world_.sizes.at(id));
    const auto& s = rules_.speeds;
    double saved = n.none_alive_now * std::pow(base_failure_probability, number)
                   * (1.0 - base_failure_probability) * s.outage_s;
    if (number == 0)
      saved += n.expected_losses
               * std::max(0.0, s.rebuild_fixed_s + size / s.rebuild_bytes_per_s - s.promote_s);
    return saved * mib / std::max(65536.0, size);
  }
  /// The primary; else the first by name; those who are up before those who are silent.
  node_id source_of(partition_id id) const {
    for (auto state : {node_state::up, node_state::suspect}) {
      auto members = living_members(id);
      const auto& primary = world_.partitions.at(id).primary;
      if (members.contains(primary) && world_.nodes.at(primary).state == state) return primary;
      for (const auto& m : members)
        if (world_.nodes.at(m).state == state) return m;
    }
    return {};
  }
  struct copy {
    partition_id partition;
    uint32_t number = 0;
    size_t urgency = 0;
    double worth = 0.0;
  };
  /// In order, but for what is late.
  std::vector<copy> copies() const {
    std::vector<copy> list;
    for (const auto& [id, row] : world_.partitions) {
      auto n = need_of(id);
      for (uint32_t i = 0; i < n.missing; ++i)
        list.push_back({id, i, n.restore ? n.alive : SIZE_MAX, worth_of(id, n, i)});
    }
    std::stable_sort(list.begin(), list.end(), [](const copy& a, const copy& b) {
      return a.urgency != b.urgency ? a.urgency < b.urgency : a.worth > b.worth;
    });
    return list;
  }

  /// Bytes that are planned to go to each node.
  using promises = std::map<node_id, double>;
  /// Why this node may not get a copy of this partition by the hard filters; empty: it may.
  /// `promised`: with this copy.
  std::string against_the_rules(partition_id id, const node_id& node,
                                const promises& promised) const {
    const auto& row = world_.nodes.at(node);
    if (row.state != node_state::up) return "not up";
    if (risks_.contains(node)) return "in a zone";
    if (exposed_.contains(node)) return "exposed";
    const auto& part = world_.partitions.at(id);
    for (const auto& m : part.sync_set)
      if (m == node) return "a replica";
    for (const auto& c : part.copies)
      if (c.node == node) return "a copy";
    double more = promised.contains(node) ? promised.at(node) : 0.0;
    auto capacity = static_cast<double>(row.capacity_bytes);
    if (capacity <= 0.0) return "no capacity";
    if (used(node) + more > rules_.placement.quota * capacity) return "over the quota";
    if (copies_bytes(node) + more > rules_.prefetch.space_max * capacity)
      return "too much for copies";
    return "";
  }
  double used(const node_id& node) const {
    auto known = world_.usages.find(node);
    double sum = known == world_.usages.end() ? 0.0 : static_cast<double>(known->second.used_bytes);
    for (const auto& [id, row] : world_.partitions)
      for (const auto& c : row.copies)
        if (c.node == node && !c.ready && !world_.useless.contains({id, node})
            && std::count(row.joiners.begin(), row.joiners.end(), node) == 0)
          sum += static_cast<double>(world_.sizes.at(id));
    return sum;
  }
  double copies_bytes(const node_id& node) const {
    double sum = 0.0;
    for (const auto& [id, row] : world_.partitions)
      for (const auto& c : row.copies)
        if (c.node == node) sum += static_cast<double>(world_.sizes.at(id));
    return sum;
  }

private:
  bool lives(const node_id& id) const { return world_.nodes.at(id).state != node_state::dead; }
  std::set<node_id> living_members(partition_id id) const {
    std::set<node_id> list;
    for (const auto& m : world_.partitions.at(id).sync_set)
      if (lives(m)) list.insert(m);
    return list;
  }
  std::set<node_id> living_copies(partition_id id) const {
    std::set<node_id> list;
    for (const auto& c : world_.partitions.at(id).copies)
      if (lives(c.node) && !world_.useless.contains({id, c.node})) list.insert(c.node);
    return list;
  }

  const named_cluster& world_;
  const plan_rules& rules_;
  std::map<node_id, double> risks_; ///< of zone members
  std::set<node_id> exposed_;
};

} // namespace harbinger::test
