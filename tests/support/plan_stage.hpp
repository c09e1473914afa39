#pragma once

/// A protection_plan over eight nodes by name. For its unit tests.

#include <boost/test/unit_test.hpp>

#include "prefetch/protection_plan.hpp"
#include "tests/support/random_fleet.hpp"
#include "wire/codec.hpp"

namespace harbinger::test {

/// n1 ... n8, each in a rack of its own. Risks are multiples of 1/256.
struct eight_nodes : test::named_cluster {
  fleet cluster;
  protection_plan plan{cluster};
  plan_rules rules;
  time_point now{std::chrono::hours(1)};
  std::set<partition_number> not_now;

  eight_nodes() {
    for (int i = 1; i <= 8; ++i) node("n" + std::to_string(i), "r" + std::to_string(i));
    rules.domains = {"rack"};
    rules.prefetch.rate_bytes_per_s = 0;
    write(cluster);
  }
  node_number number(const std::string& name) const { return *cluster.nodes().find(node_id{name}); }
  partition_number part(uint32_t index) const { return *cluster.find(make_partition_id(1, index)); }
  std::string name(node_number n) const {
    return n == no_number ? "nobody" : cluster.nodes()[n].id.value;
  }
  std::string id(partition_number p) const { return to_string(cluster.partition(p).id); }

  /// A new row of it, or of a node, told to the plan at the next step.
  void put(uint32_t index) { write(cluster, make_partition_id(1, index)); }
  void put(const std::string& name) { write(cluster, node_id{name}); }
  void has_copy(uint32_t index, const std::string& on, bool ready = true) {
    auto& row = partitions[make_partition_id(1, index)];
    std::erase_if(row.copies, [&](const auto& c) { return c.node.value == on; });
    row.copies.push_back({node_id{on}, copy_id{1}, ready});
    std::sort(row.copies.begin(), row.copies.end());
    if (cluster.find(row.id)) put(index);
  }
  void has_no_copy(uint32_t index) {
    partitions[make_partition_id(1, index)].copies.clear();
    put(index);
  }
  void set_state(const std::string& name, node_state state) {
    nodes[node_id{name}].state = state;
    put(name);
  }
  void restore(uint32_t index, bool wanted = true) { plan.set_restore(part(index), wanted); }

  void start() {
    for (const auto& [id, row] : partitions)
      if (!cluster.find(id)) write(cluster, id);
    plan.set_rules(rules);
    if (wire::encode(zones) != told_) plan.set_zones(zones);
    told_ = wire::encode(zones);
    plan.step(now);
  }
  /// With what was put, the zones and rules as they are now.
  std::vector<planned_copy> step(seconds later = seconds(1)) {
    now += later;
    start();
    return plan.copies();
  }
  std::string order() {
    std::string text;
    for (const auto& c : step()) text += (text.empty() ? "" : " ") + id(c.partition);
    return text;
  }
  std::string targets(uint32_t index) {
    std::string text;
    for (auto n : plan.targets(part(index))) text += (text.empty() ? "" : " ") + name(n);
    return text;
  }
  std::string surplus() {
    std::string text;
    for (const auto& s : plan.surplus(now))
      text += (text.empty() ? "" : ", ") + id(s.partition) + " on " + name(s.node);
    return text;
  }
  std::string begun() {
    std::string text;
    for (const auto& b : plan.begin(not_now))
      text += (text.empty() ? "" : " ") + id(b.copy.partition);
    return text;
  }
  copy_in_flight flying(uint32_t index, const std::string& from, const std::string& to,
                        uint64_t rate = 0, uint64_t remaining = mib) const {
    return {part(index), number(from), number(to), rate, remaining};
  }

private:
  std::string told_; ///< zones
};

} // namespace harbinger::test
