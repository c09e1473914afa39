#pragma once

/// A recovery desk with a catalog and nodes around it, all in memory. For the tests of recovery and
/// of escalation.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "recovery/recovery_desk.hpp"
#include "versions/fork_point.hpp"

namespace harbinger::recovery_test {

using namespace harbinger::recovery;

/// A node as the centre sees it: keeps the rules of a replica, in memory.
struct fake_node {
  bool up = true;
  incarnation life{1};
  std::map<partition_id, replica_report> replicas;
};

/// Catalog, nodes and a desk between them. Commands and swaps wait in queues until `run` carries
/// them out.
struct world {
  std::map<std::string, fake_node> nodes;
  catalog_view catalog;
  recovery_settings settings;
  std::unique_ptr<recovery_desk> desk;
  time_point now{std::chrono::hours(1)};
  std::vector<send_command> commands;
  std::vector<swap_row> swaps;
  std::vector<raise> raised;
  std::vector<partition_id> wanted;
  std::vector<std::vector<partition_id>> held;
  std::optional<drill_report> drilled;
  std::vector<result<rebuild_report>> rebuilt;
  version in_mass; ///< up to where mass storage has the log of every partition
  bool caught_up_at_once = true;
  bool can_rewind = true;
  std::function<void()> before_swap = [] {};
  std::optional<error> swap_refusal; ///< what the catalog says to every change
  std::map<std::string, int> sent;   ///< by message type
  std::map<std::string, std::string>
      racks; ///< of nodes; one that is not named is in one of its own
  escalation_rules escalation{1.0, 0, {"rack"}};

  world(int node_count = 4, uint32_t partitions = 4, uint32_t replicas = 2) {
    catalog.set_revision(term{1}, revision{0});
    for (int i = 1; i <= node_count; ++i) join("n" + std::to_string(i), incarnation{1});
    commit(catalog::create_volume(catalog, {"vol", partitions, replicas}, {"rack"}));
    restart_centre();
  }
  void commit(result<partition_map> delta) {
    BOOST_REQUIRE_MESSAGE(delta, (delta ? "" : to_string(delta.error())));
    catalog.apply(*delta);
    if (desk) take(desk->step(*delta, now));
  }
  void join(const std::string& name, incarnation life) {
    nodes[name].up = true;
    nodes[name].life = life;
    node_hello hello;
    hello.node = node_id{name};
    hello.life = life;
    hello.data_endpoint = "tcp://" + name;
    hello.attributes = {{"rack", racks.contains(name) ? racks[name] : name}};
    commit(catalog::register_node(catalog, hello));
    for (auto& [id, r] : nodes[name].replicas) hello.replicas.push_back(r);
    if (desk) take(desk->step(hello, now));
  }
  bool dropped(partition_id partition) const {
    return std::any_of(raised.begin(), raised.end(), [&](const raise& r) {
      return r.kind == "replica_dropped" && r.subject == to_string(partition);
    });
  }
  /// As a node finds its replicas after a start.
  void restarted(const std::string& name) {
    for (auto& [id, r] : nodes[name].replicas) {
      r.role = replica_role::sealed;
      r.state = replica_state::detached;
    }
  }
  void restart_centre() {
    commands.clear();
    swaps.clear();
    desk = std::make_unique<recovery_desk>(settings, 2000);
    desk->configure(escalation);
    take(desk->step(catalog.whole(), now));
  }
  void take(actions todo) {
    for (auto& a : todo) {
      if (auto* c = std::get_if<send_command>(&a)) commands.push_back(*c);
      if (auto* s = std::get_if<swap_row>(&a)) swaps.push_back(*s);
      if (auto* r = std::get_if<raise>(&a)) raised.push_back(*r);
      if (auto* w = std::get_if<want_copy>(&a)) wanted.push_back(w->what.partition);
      if (auto* h = std::get_if<hold_copies>(&a)) held.push_back(h->what.partitions);
      if (auto* d = std::get_if<drill_ended>(&a)) drilled = d->report;
      if (auto* r = std::get_if<rebuild_ended>(&a)) rebuilt.push_back(r->report);
    }
  }
  /// What a node answers; nothing: it is down.
  std::optional<result<std::optional<replica_report>>> obey(fake_node& node, const command& what) {
    if (!node.up) return std::nullopt;
    if (auto* c = std::get_if<configure_replica>(&what)) {
      ++sent["configure"];
      auto& r = node.replicas[c->partition];
      if (c->epoch < r.epoch) return fail(errc::stale_epoch);
      r.partition = c->partition;
      if (c->epoch > r.epoch || c->revision > r.revision) {
        r.epoch = c->epoch, r.revision = c->revision, r.role = c->role;
        r.state = replica_state::following;
      }
      r.caught_up.clear();
      if (caught_up_at_once)
        for (auto& j : c->joiners) {
          auto& joiner = nodes[j.node.value];
          if (!joiner.up) continue;
          r.caught_up.push_back(j.node);
          if (joiner.replicas.contains(c->partition))
            joiner.replicas[c->partition].version = r.version;
        }
      return std::optional(r);
    }
    if (auto* s = std::get_if<seal_replica>(&what)) {
      ++sent["seal"];
      auto it = node.replicas.find(s->partition);
      if (it == node.replicas.end()) return fail(errc::unknown_partition);
      auto& r = it->second;
      if (s->epoch < r.epoch || (s->epoch == r.epoch && r.role != replica_role::sealed))
        return fail(errc::stale_epoch);
      r.epoch = s->epoch;
      r.role = replica_role::sealed;
      r.state = replica_state::detached;
      return std::optional(r);
    }
    if (auto* d = std::get_if<drop_replica>(&what)) {
      ++sent["drop"];
      node.replicas.erase(d->partition);
      return std::optional<replica_report>{};
    }
    if (auto* w = std::get_if<rewind_replica>(&what)) {
      ++sent["rewind"];
      auto it = node.replicas.find(w->partition);
      if (it == node.replicas.end()) return fail(errc::unknown_partition);
      if (!can_rewind) return fail(errc::log_trimmed);
      auto& r = it->second;
      auto fork = fork_point(r.version, {}, w->history);
      r.version = fork.value_or(version{});
      return std::optional(r);
    }
    if (auto* p = std::get_if<replay_log>(&what)) {
      ++sent["replay"];
      auto it = node.replicas.find(p->partition);
      if (it == node.replicas.end() || it->second.copy != p->copy) return fail(errc::not_found);
      it->second.version = std::max(it->second.version, in_mass);
      return std::optional<replica_report>{};
    }
    auto& copy = std::get<start_copy>(what);
    ++sent["copy"];
    auto& r = node.replicas[copy.partition];
    r = replica_report{};
    r.partition = copy.partition;
    r.copy = copy.copy;
    r.state = replica_state::following;
    r.copied_bytes = 1000;
    r.version = nodes[copy.sources.front().node.value].replicas[copy.partition].version;
    return std::optional<replica_report>{};
  }
  void carry_out() {
    for (int i = 0; i < 200 && !(commands.empty() && swaps.empty()); ++i) {
      for (auto& c : std::exchange(commands, {})) {
        auto answer = obey(nodes[c.node.value], c.what);
        take(desk->step(command_ended{c.op, answer ? std::move(*answer) : fail(errc::timeout)},
                        now));
      }
      for (auto& s : std::exchange(swaps, {})) {
        before_swap();
        auto delta = catalog::change(catalog, s.change);
        if (swap_refusal) delta = tl::unexpected<error>(*swap_refusal);
        if (delta)
          commit(delta);
        else
          BOOST_TEST_MESSAGE(to_string(delta.error()));
        take(desk->step(
            swap_ended{s.op, delta ? result<partition_row>(delta->partitions.front())
                                   : result<partition_row>(tl::unexpected<error>(delta.error()))},
            now));
      }
    }
    BOOST_REQUIRE(commands.empty()); // it comes to rest
  }
  void report(const std::string& name) {
    node_report m;
    m.node = node_id{name};
    m.life = nodes[name].life;
    for (auto& [id, r] : nodes[name].replicas) m.replicas.push_back(r);
    take(desk->step(m, now));
  }
  void run(uint32_t ms) {
    for (uint32_t t = 0; t < ms; t += 50) {
      now += milliseconds(50);
      if (t % 500 == 0)
        for (auto& [name, node] : nodes)
          if (node.up) report(name);
      take(desk->step(look{}, now));
      carry_out();
    }
  }
  void lose(const std::string& name) {
    nodes[name].up = false;
    take(desk->step(node_lost{node_id{name}, nodes[name].life, 700, "silent"}, now));
    commit(catalog::set_state(catalog, {node_id{name}, nodes[name].life, node_state::dead, ""}));
    carry_out();
  }
  /// The primary is lost and another takes over. Who it was.
  std::string replace_primary() {
    auto old = row().primary.value;
    lose(old);
    run(500);
    return old;
  }
  /// Every replica of the partition's sync set gets so many writes.
  void write(partition_id id, uint64_t n) {
    auto& row = *catalog.partition(id);
    for (auto& m : row.sync_set) {
      auto& v = nodes[m.value].replicas[id].version;
      v = {row.epoch, seq_no{v.seq.value + n}};
    }
  }
  const partition_row& row(uint32_t index = 0) {
    return *catalog.partition(make_partition_id(1, index));
  }
  partition_id id(uint32_t index = 0) { return make_partition_id(1, index); }
  std::string secondary(uint32_t index = 0) {
    for (auto& m : row(index).sync_set)
      if (m != row(index).primary) return m.value;
    return "";
  }
  size_t events(const std::string& kind) {
    return static_cast<size_t>(
        std::count_if(raised.begin(), raised.end(), [&](auto& r) { return r.kind == kind; }));
  }
  /// A ready copy of the partition on a node that has none yet.
  std::string copy_of(uint32_t index, bool ready = true, const std::vector<node_id>& not_on = {}) {
    for (auto& [name, node] : nodes) {
      if (!node.up || catalog_view::mentions(row(index), node_id{name})) continue;
      if (std::find(not_on.begin(), not_on.end(), node_id{name}) != not_on.end()) continue;
      auto changed = row(index);
      changed.copies.push_back({node_id{name}, copy_id{7}, ready});
      std::sort(changed.copies.begin(), changed.copies.end());
      replica_report r;
      r.partition = id(index);
      r.copy = copy_id{7};
      r.epoch = row(index).epoch;
      r.state = replica_state::following;
      r.version = nodes[row(index).primary.value].replicas[id(index)].version;
      node.replicas[id(index)] = r;
      commit(catalog::change(catalog, {row(index).revision, changed, "prefetch"}));
      report(name);
      return name;
    }
    return "";
  }
};

} // namespace harbinger::recovery_test
