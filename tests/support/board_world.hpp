#pragma once

/// A small cluster around a protection_board: a catalog with compare-and-swap, nodes
/// that copy instantly when told. Whoever uses it decides what gets lost.

#include <optional>
#include <set>

#include "prefetch/copy_life.hpp"
#include "prefetch/protection_board.hpp"
#include "versions/replica_tracker.hpp"

namespace harbinger::test {

struct board_world {
  catalog_view catalog;
  settings config;
  zone_map zones;
  time_point now{std::chrono::hours(1)};
  std::optional<protection_board> board{std::in_place, term{1}, 0u};
  uint64_t revisions = 100;
  std::map<copy_key, prefetch_order> prefetchers; ///< those that live
  std::map<copy_key, copy_id> holds;              ///< what nodes hold as copies
  std::vector<event> events;
  std::vector<drop_order> drops;
  std::set<partition_id> swaps_open;

  explicit board_world(int count = 6, uint32_t partitions = 4) {
    for (int i = 1; i <= count; ++i) {
      node_row n;
      n.id = node_id{"n" + std::to_string(i)};
      n.life = incarnation{1};
      n.capacity_bytes = 1000 << 20;
      n.data_endpoint = "tcp://" + n.id.value;
      n.attributes["rack"] = "r" + std::to_string(i);
      catalog.put(n);
    }
    for (uint32_t i = 0; i < partitions; ++i) {
      partition_row p;
      p.id = make_partition_id(1, i);
      p.revision = revision{++revisions};
      p.epoch = epoch{1};
      p.primary = node_id{"n1"};
      p.sync_set = {node_id{"n1"}, node_id{"n2"}};
      p.replicas_wanted = 2;
      p.history = {{epoch{1}, seq_no{1}}};
      catalog.put(p);
      tell_replica(p.id, "n1", replica_role::primary, {}, replica_state::following, true);
    }
    partition_map whole = catalog.whole();
    whole.term = term{1};
    whole.revision = revision{revisions};
    catalog.apply(whole);
    board->zones({});
  }

  void tell_replica(partition_id partition, const std::string& node, replica_role role,
                    copy_id copy, replica_state state, bool caught_up) {
    replica_status s;
    s.node = node_id{node};
    s.life = incarnation{1};
    s.caught_up = caught_up;
    s.report.partition = partition;
    s.report.role = role;
    s.report.state = state;
    s.report.copy = copy;
    s.report.version = {epoch{1}, seq_no{5}};
    s.report.size_bytes = 1 << 20;
    s.report.copied_bytes = 1 << 20;
    board->replicas({s});
  }
  void risk(const std::string& node, double p) {
    zones.zones.clear();
    if (p > 0) {
      zone z;
      z.id = zone_id{1};
      z.members = {node_id{node}};
      z.risks = {p};
      z.probability = z.joint_probability = p;
      zones.zones = {z};
    }
    ++zones.generation;
    board->zones(zones);
  }
  void set_state(const std::string& node, node_state state) {
    auto row = *catalog.node(node_id{node});
    row.state = state;
    catalog.put(row);
  }
  /// The coordinator's restart: it knows nothing.
  void restart_board() {
    auto begun = board->copies_begun();
    board.emplace(term{1}, begun);
  }
  /// Somebody else changes a row.
  void put(partition_row row) {
    row.revision = revision{++revisions};
    catalog.put(row);
  }
  /// The keeper: takes effect only at the expected revision.
  result<partition_row> apply(const change_partition& change) {
    const auto* stored = catalog.partition(change.row.id);
    if (stored->revision != change.expected) return fail(errc::conflict, to_string(change.row.id));
    auto row = change.row;
    row.revision = revision{++revisions};
    catalog.put(row);
    return row;
  }
  /// Prefetchers, nodes and events; the questions are the caller's.
  void carry(const board_actions& actions) {
    for (const auto& key : actions.cancel) prefetchers.erase(key);
    for (const auto& order : actions.begin) {
      copy_key key{order.partition, order.target.node};
      prefetchers[key] = order;
      holds[key] = order.copy;
    }
    for (const auto& order : actions.sources)
      prefetchers[{order.partition, order.target.node}].sources = order.sources;
    for (const auto& order : actions.drop) holds.erase({order.command.partition, order.node});
    drops.insert(drops.end(), actions.drop.begin(), actions.drop.end());
    events.insert(events.end(), actions.events.begin(), actions.events.end());
  }
  /// Everything answered at once and in order.
  void settle(board_actions actions) {
    carry(actions);
    for (const auto& change : actions.swap) {
      auto row = apply(change);
      settle(board->swapped(change.row.id, row, catalog, now));
    }
  }
  void step(milliseconds later = milliseconds(100)) {
    now += later;
    settle(board->step(catalog, config, now));
  }
  /// Every copy that a node holds is reported as complete.
  void report_copies() {
    for (const auto& [key, copy] : holds)
      tell_replica(key.partition, key.node.value, replica_role::copy, copy,
                   replica_state::following, true);
  }
  size_t count(const std::string& kind) const {
    size_t n = 0;
    for (const auto& e : events) n += e.kind == kind ? 1 : 0;
    return n;
  }
  const partition_row& row(uint32_t index) const {
    return *catalog.partition(make_partition_id(1, index));
  }
};

} // namespace harbinger::test
