#pragma once

/// A recovery desk to which zones are told. For the tests of escalation and evacuation.

#include "tests/support/recovery_world.hpp"

namespace harbinger::recovery_test {

struct escalating_world : world {
  zone_map zones;

  escalating_world() : escalating_world(6, 4) {}
  escalating_world(int node_count, uint32_t partitions) : world(node_count, partitions) {
    escalation = {0.9, 10, {"rack"}};
    desk->configure(escalation);
    tell_zones();
    run(500);
  }
  void tell_zones() {
    ++zones.generation;
    take(desk->step(zones, now));
    carry_out();
  }
  void zone_of(double probability, const std::vector<node_id>& members) {
    zone z;
    z.id = zone_id{zones.zones.size() + 1};
    z.probability = probability;
    z.members = members;
    z.risks.assign(members.size(), probability);
    zones.zones.push_back(z);
    tell_zones();
  }
  void dissolve() {
    zones.zones.clear();
    tell_zones();
  }
  /// All at one instant; the verdicts come one after the other.
  void lose_all(const std::vector<node_id>& members) {
    for (auto& id : members) nodes[id.value].up = false;
    for (auto& z : zones.zones)
      std::erase_if(z.members, [&](auto& id) { return !nodes[id.value].up; });
    std::erase_if(zones.zones, [](auto& z) { return z.members.empty(); });
    for (auto& id : members) lose(id.value);
  }
  /// The copy that joined partition 0, which is in a zone with all its members.
  std::string escalate_first(double probability = 0.95) {
    write(id(), 10);
    zone_of(probability, row().sync_set);
    auto copy = copy_of(0);
    run(2500);
    return copy;
  }
};

} // namespace harbinger::recovery_test
