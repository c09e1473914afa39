#pragma once

/// Clusters for tests of those who plan: by hand, or random by a seed. What is true is kept by
/// names, so that a fleet can be made of it in any order, and a slow planner can read it plainly.

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fleet/fleet.hpp"
#include "messages/zones.hpp"

namespace harbinger::test {

inline constexpr uint64_t mib = 1 << 20;

struct named_cluster {
  struct usage {
    uint64_t used_bytes = 0;
    double writes_per_s = 0.0;
  };
  std::map<node_id, node_row> nodes;
  std::map<node_id, usage> usages;
  std::map<partition_id, partition_row> partitions;
  std::map<partition_id, uint64_t> sizes;
  std::set<std::pair<partition_id, node_id>> useless;
  std::map<std::pair<node_id, node_id>, double> rtts;
  std::set<partition_id> restores;
  zone_map zones;

  /// Adds it.
  node_row& node(const std::string& name, const std::string& rack,
                 uint64_t capacity_bytes = 1000 * mib) {
    auto& row = nodes[node_id{name}];
    row.id = node_id{name};
    row.capacity_bytes = capacity_bytes;
    row.data_endpoint = "tcp://" + name;
    row.attributes["rack"] = rack;
    return row;
  }
  /// Adds 1.index, held by these; the first is its primary.
  partition_row& partition(uint32_t index, const std::vector<std::string>& members,
                           uint64_t size_bytes = mib) {
    auto id = make_partition_id(1, index);
    auto& row = partitions[id];
    row = {};
    row.id = id;
    for (const auto& m : members) row.sync_set.push_back(node_id{m});
    row.primary = row.sync_set.empty() ? node_id{} : row.sync_set.front();
    std::sort(row.sync_set.begin(), row.sync_set.end());
    row.replicas_wanted = 2;
    sizes[id] = size_bytes;
    return row;
  }
  zone& zone_of(const std::vector<std::string>& members, std::vector<double> risks,
                double common_cause = 0.0, const std::vector<std::string>& exposed = {}) {
    zone z;
    z.id = zone_id{zones.zones.empty() ? 1 : zones.zones.back().id.value + 1};
    for (const auto& m : members) z.members.push_back(node_id{m});
    for (const auto& e : exposed) z.exposed.push_back(node_id{e});
    z.risks = std::move(risks);
    z.probability = z.risks.empty() ? 0.5 : *std::max_element(z.risks.begin(), z.risks.end());
    z.common_cause = common_cause;
    zones.zones.push_back(z);
    return zones.zones.back();
  }

  void write(fleet& to, const node_id& id) const {
    auto n = to.put(nodes.at(id));
    if (auto u = usages.find(id); u != usages.end())
      to.set_usage(n, u->second.used_bytes, u->second.writes_per_s);
  }
  void write(fleet& to, partition_id id) const {
    auto p = to.put(partitions.at(id));
    if (auto s = sizes.find(id); s != sizes.end()) to.set_size(p, s->second);
    for (const auto& [partition, node] : useless)
      if (partition == id) to.mark_useless(p, *to.nodes().find(node));
  }
  /// Everything, in the order of names, or in a random one.
  void write(fleet& to, std::mt19937_64* order = nullptr) const {
    std::vector<node_id> some;
    for (const auto& [id, row] : nodes) some.push_back(id);
    std::vector<partition_id> parts;
    for (const auto& [id, row] : partitions) parts.push_back(id);
    if (order) {
      std::shuffle(some.begin(), some.end(), *order);
      std::shuffle(parts.begin(), parts.end(), *order);
    }
    for (const auto& id : some) write(to, id);
    for (auto id : parts) write(to, id);
    for (const auto& [pair, ms] : rtts)
      to.set_rtt(*to.nodes().find(pair.first), *to.nodes().find(pair.second), ms);
  }
};

/// What a random cluster is made of.
struct cluster_kind {
  size_t nodes_max = 12;
  size_t partitions_max = 24;
  bool mixed_capacities = false;
  bool all_up = false;     ///< else some are suspect, some dead
  bool with_copies = true; ///< ready, under way, joining, useless ones
  uint64_t size_max_bytes = 40 * mib;
};

class random_clusters {
public:
  explicit random_clusters(uint64_t seed) : random_(seed) {}

  std::mt19937_64& engine() { return random_; }
  uint64_t below(uint64_t bound) { return random_() % bound; }
  bool one_in(uint64_t count) { return below(count) == 0; }
  double uniform() { return std::uniform_real_distribution<double>{}(random_); }

  named_cluster cluster(const cluster_kind& kind) {
    named_cluster c;
    auto count = 3 + below(kind.nodes_max - 2);
    auto racks = 1 + below(count);
    for (size_t i = 1; i <= count; ++i) {
      auto& row = c.node("n" + std::to_string(i), "r" + std::to_string(below(racks)));
      if (kind.mixed_capacities) row.capacity_bytes = (200 + 100 * below(20)) * mib;
      if (one_in(12)) row.attributes.erase("rack");
      if (one_in(2)) row.attributes["site"] = "s" + std::to_string(below(3));
      if (kind.mixed_capacities && one_in(15)) row.capacity_bytes = 0;
      row.state = state(kind);
      c.usages[row.id] = {below(row.capacity_bytes / 2 + 1), static_cast<double>(below(500))};
    }
    auto parts = 1 + below(kind.partitions_max);
    for (uint32_t i = 0; i < parts; ++i) add_partition(c, i, kind);
    for (size_t i = 0; i < count; ++i) {
      auto from = some_node(c), to = some_node(c);
      if (from != to) c.rtts[{from, to}] = uniform() * (one_in(2) ? 1.0 : 50.0);
    }
    c.zones = zones(c);
    return c;
  }
  node_state state(const cluster_kind& kind) {
    if (kind.all_up || !one_in(5)) return node_state::up;
    return one_in(2) ? node_state::dead : node_state::suspect;
  }
  node_id some_node(const named_cluster& c) {
    auto place = c.nodes.begin();
    std::advance(place, static_cast<std::ptrdiff_t>(below(c.nodes.size())));
    return place->first;
  }
  partition_id some_partition(const named_cluster& c) {
    auto place = c.partitions.begin();
    std::advance(place, static_cast<std::ptrdiff_t>(below(c.partitions.size())));
    return place->first;
  }
  std::vector<std::string> shuffled_names(const named_cluster& c) {
    std::vector<std::string> names;
    for (const auto& [id, row] : c.nodes) names.push_back(id.value);
    std::shuffle(names.begin(), names.end(), random_);
    return names;
  }
  void add_partition(named_cluster& c, uint32_t index, const cluster_kind& kind) {
    auto names = shuffled_names(c);
    auto members = std::min<size_t>(names.size(), one_in(10) ? 1 + below(3) : 2);
    auto& row = c.partition(index, {names.begin(), names.begin() + static_cast<long>(members)},
                            one_in(12) ? 0 : 1 + below(kind.size_max_bytes));
    if (one_in(15)) row.primary = node_id{};
    if (one_in(10)) row.replicas_wanted = static_cast<uint32_t>(1 + below(3));
    if (!kind.with_copies) return;
    for (size_t i = members; i < names.size() && one_in(3); ++i) add_copy(c, row, names[i]);
  }
  void add_copy(named_cluster& c, partition_row& row, const std::string& name) {
    node_id id{name};
    row.copies.push_back({id, copy_id{1 + below(1000)}, one_in(2)});
    std::sort(row.copies.begin(), row.copies.end());
    if (one_in(6)) {
      row.joiners.push_back(id);
      std::sort(row.joiners.begin(), row.joiners.end());
    } else if (one_in(6)) {
      c.useless.insert({row.id, id});
    }
  }
  /// Disjoint ones over some of the nodes; risks in steps that a zone_picture keeps as they are.
  zone_map zones(const named_cluster& c) {
    zone_map map;
    auto names = shuffled_names(c);
    size_t next = 0;
    auto take = [&](size_t most) {
      std::vector<node_id> some;
      for (; some.size() < most && next < names.size(); ++next)
        some.push_back(node_id{names[next]});
      std::sort(some.begin(), some.end());
      return some;
    };
    auto share = one_in(8) ? names.size() : 1 + names.size() / 2;
    for (uint64_t i = 1; next < share && !one_in(4); ++i) {
      zone z;
      z.id = zone_id{i};
      z.members = take(1 + below(3));
      for (size_t k = 0; k < z.members.size(); ++k)
        z.risks.push_back(static_cast<double>(64 + below(193)) / 256.0);
      z.probability = z.risks.empty() ? 0.0 : *std::max_element(z.risks.begin(), z.risks.end());
      if (z.members.size() > 1) z.common_cause = static_cast<double>(below(65)) / 256.0;
      if (one_in(2)) z.exposed = take(below(3));
      map.zones.push_back(z);
    }
    if (one_in(5)) map.left_out = take(1);
    return map;
  }

private:
  std::mt19937_64 random_;
};

} // namespace harbinger::test
