#pragma once

/// A real cluster that a plan (torture_plan.hpp) is carried out on, and what is looked at when it
/// is over: the nodes' own stores.

#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "core/crash_points.hpp"
#include "core/listed.hpp"
#include "store/partition_store.hpp"
#include "tests/support/live_cluster.hpp"
#include "tests/support/torture_client.hpp"
#include "tests/support/torture_plan.hpp"

namespace harbinger::testing {

class torture_stage : public live_cluster {
public:
  static constexpr const char* triple = "triple"; ///< a volume with three replicas

  torture_stage(uint32_t nodes, const std::map<std::string, std::string>& node_settings)
      : live_cluster(nodes, true,
                     {{"placement.spread", "[\"host\"]"},
                      {"zones.enter_at", "0.3"},
                      {"zones.leave_at", "0.1"},
                      {"zones.escalate_at", "0.3"},
                      {"zones.evacuate_at", "0.3"},
                      {"zones.share_max", "0.67"},
                      {"zones.capacity_share_max", "0.67"},
                      {"zones.minimum_stay_s", "2.0"}},
                     node_settings),
        made_(nodes) {
    require(cluster->create_volume(triple, 4, 3, seconds(10)));
    require_full();
  }

  // --- trouble ---
  /// Makes each trouble of the plan, and ends it, at its time.
  void carry_out(const std::vector<torture::step>& plan) {
    struct moment {
      milliseconds at;
      const torture::step* what;
      bool begins;
    };
    std::vector<moment> moments;
    for (const auto& s : plan) {
      moments.push_back({s.at, &s, true});
      moments.push_back({s.at + s.lasts, &s, false});
    }
    std::stable_sort(moments.begin(), moments.end(),
                     [](const moment& a, const moment& b) { return a.at < b.at; });
    auto begun = std::chrono::steady_clock::now();
    for (const auto& m : moments) {
      do look();
      while (std::chrono::steady_clock::now() < begun + m.at && pause_for(milliseconds(20)));
      if (m.begins)
        begin(*m.what);
      else
        end(*m.what);
    }
  }
  /// Whatever is under way ends; who is dead is started.
  void end_trouble() {
    for (size_t i = 0; i < made_.size(); ++i) {
      made_[i] = {};
      tell(i);
      cluster->nodes()[i].daemon.signal(SIGCONT);
      revive(i);
    }
    cluster->central().signal(SIGCONT);
    revive_centre();
    // There is no model, and the heuristic is never sure enough of its all-clear for so low an
    // enter_at: the zones would stay, and leave no safe place for a copy.
    auto until = std::chrono::steady_clock::now() + seconds(30);
    while (!cluster->console({"config", "set", "zones.enter_at", "0.9"})
           && std::chrono::steady_clock::now() < until)
      pause_for(milliseconds(100));
  }
  /// All nodes up, every partition with its replicas and nobody on the way.
  bool healed(duration timeout) {
    bool well = cluster->wait_for_map(
        [&](const partition_map& map) {
          auto up = [](const node_row& n) { return n.state == node_state::up; };
          auto settled = [](const partition_row& r) { return r.joiners.empty(); };
          revive_all(); // who reached a crash point just before it was taken back
          return fully_replicated(map) && std::all_of(map.nodes.begin(), map.nodes.end(), up)
                 && std::all_of(map.partitions.begin(), map.partitions.end(), settled);
        },
        timeout);
    if (auto map = cluster->map(); !well && map) say_what_is_ill(*map);
    return well;
  }
  static void say_what_is_ill(const partition_map& map) {
    for (const auto& n : map.nodes) BOOST_TEST_MESSAGE(n.id.value << " is " << name_of(n.state));
    for (const auto& r : map.partitions)
      BOOST_TEST_MESSAGE(to_string(r.id)
                         << " epoch " << r.epoch.value << " primary " << r.primary.value
                         << " sync set " << listed(names_of(r.sync_set)) << " joiners "
                         << listed(names_of(r.joiners)) << " of " << r.replicas_wanted);
  }
  static std::vector<std::string> names_of(const std::vector<node_id>& ids) {
    std::vector<std::string> out;
    for (const auto& id : ids) out.push_back(id.value);
    return out;
  }
  void arm(size_t node, const char* place) {
    made_[node].crash_at = place;
    tell(node);
  }
  void made_clean(size_t node) {
    made_[node] = {};
    tell(node);
  }
  /// Nothing passes from connections that one made to the other.
  void cut_way(size_t from, size_t to, bool begins) { change_cut(from, port(to), begins); }
  bool down(size_t node) { return cluster->nodes()[node].daemon.ended().has_value(); }
  void revive_all() {
    for (size_t i = 0; i < made_.size(); ++i)
      if (down(i)) made_[i] = {}, revive(i);
    revive_centre();
  }

  // --- looking ---
  /// P1: every map shows the same primary for an epoch.
  void look() {
    auto map = cluster->map(milliseconds(100));
    if (!map) return;
    for (const auto& row : map->partitions) {
      if (row.primary.value.empty()) continue;
      auto [it, first] = primaries_.emplace(std::pair(row.id, row.epoch), row.primary);
      if (!first && it->second != row.primary)
        complaints_.push_back(to_string(row.id) + " has two primaries in epoch "
                              + std::to_string(row.epoch.value));
    }
  }
  const std::vector<std::string>& complaints() const { return complaints_; }
  const std::map<std::string, uint64_t>& made() const { return counts_; }

  /// What is not sound by each node's own check of its records, in the running process. A replica
  /// that is being made is not checked: it is asked for again.
  std::vector<std::string> verify_nodes() {
    auto until = std::chrono::steady_clock::now() + seconds(30);
    auto waits = [](const std::string& row) { return row.find("not checked") != row.npos; };
    for (;;) {
      auto unsound = verify_once();
      bool all_wait = std::all_of(unsound.begin(), unsound.end(), waits);
      if (unsound.empty() || !all_wait || std::chrono::steady_clock::now() >= until) return unsound;
      pause_for(milliseconds(500));
    }
  }
  std::vector<std::string> verify_once() {
    std::vector<std::string> out;
    size_t checked = 0;
    for (size_t i = 0; i < cluster->nodes().size(); ++i) {
      auto told = cluster->node_console(i, {"verify"}, seconds(60));
      require(told);
      auto table = nlohmann::json::parse(*told);
      checked += table["rows"].size();
      for (const auto& row : table["rows"])
        if (row[5] != "sound") out.push_back(cluster->nodes()[i].name + ": " + row.dump());
    }
    if (checked == 0) out.push_back("nothing was checked");
    return out;
  }

  struct stores {
    std::vector<std::string> complaints;
    uint64_t found = 0;      ///< acknowledged writes that a log was looked into for
    uint64_t conflicts = 0;  ///< entries in the conflict journals
    uint64_t journalled = 0; ///< as the nodes' logs tell
  };
  /// After the cluster was stopped. `map`: as it was last, healed and without writes.
  stores read_stores(const partition_map& map, const std::vector<torture::acknowledged>& writes) {
    stores out;
    std::map<partition_id, std::vector<const torture::acknowledged*>> by_partition;
    for (const auto& w : writes) by_partition[w.partition].push_back(&w);
    std::map<partition_id, std::vector<std::pair<std::string, partition_head>>> members;
    for (auto& node : cluster->nodes()) {
      auto store = partition_store::open({node.directory + "/state/store", true, 0});
      require(store);
      for (const auto& row : map.partitions) {
        node_id id{node.name};
        if (!std::count(row.sync_set.begin(), row.sync_set.end(), id)) continue;
        auto head = (*store)->head(row.id);
        if (!head) {
          out.complaints.push_back(node.name + " lacks " + to_string(row.id));
          continue;
        }
        members[row.id].emplace_back(node.name, *head);
        if (auto sound = (*store)->verify(row.id); !sound)
          out.complaints.push_back(node.name + ": " + to_string(sound.error()));
        look_for(**store, *head, by_partition[row.id], node.name, out);
      }
      look_at_conflicts(**store, by_partition, node, out);
    }
    for (const auto& [partition, heads] : members)
      for (const auto& [name, head] : heads) {
        const auto& first = heads.front();
        if (head.version != first.second.version || head.digest != first.second.digest)
          out.complaints.push_back(
              to_string(partition) + ": " + name + " is at " + to_string(head.version) + ", digest "
              + hex64(head.digest.total()) + ", " + first.first + " at "
              + to_string(first.second.version) + ", " + hex64(first.second.digest.total()));
      }
    return out;
  }

private:
  struct trouble_of_node {
    bool full_disk = false;
    unsigned sync_delay_ms = 0;
    std::multiset<std::string> cuts; ///< ports
    std::string crash_at = "nowhere";
  };

  static std::string port_of(const std::string& endpoint) {
    return endpoint.substr(endpoint.rfind(':') + 1);
  }
  std::string port(size_t node) const { return port_of(cluster->nodes()[node].data_endpoint); }

  /// The trouble library reads the file every 50 ms; it is replaced whole.
  void tell(size_t node) {
    const auto& t = made_[node];
    auto file = cluster->nodes()[node].trouble_file();
    std::ofstream out(file + ".new");
    out << "disk_full " << t.full_disk << "\nsync_delay_ms " << t.sync_delay_ms << "\ncrash_at "
        << t.crash_at << '\n';
    for (const auto& p : std::set<std::string>(t.cuts.begin(), t.cuts.end()))
      out << "cut " << p << '\n';
    out.close();
    std::filesystem::rename(file + ".new", file);
  }
  void change_cut(size_t node, const std::string& port, bool begins) {
    auto& cuts = made_[node].cuts;
    if (begins)
      cuts.insert(port);
    else if (auto it = cuts.find(port); it != cuts.end())
      cuts.erase(it);
    tell(node);
  }
  void revive(size_t node) {
    if (!down(node)) return;
    require(cluster->start_node(node));
    tell(node);
  }
  void revive_centre() {
    if (cluster->central().ended()) require(cluster->start_central());
  }

  void begin(const torture::step& s) {
    ++counts_[torture::name_of(s.what)];
    change(s, true);
  }
  void end(const torture::step& s) { change(s, false); }
  void change(const torture::step& s, bool begins) {
    using torture::trouble;
    auto& nodes = cluster->nodes();
    auto node = s.nodes.empty() ? 0 : s.nodes[0];
    auto& made = made_[node];
    switch (s.what) {
    case trouble::kill:
    case trouble::kill_many:
      if (begins)
        for (auto n : s.nodes) nodes[n].daemon.signal(SIGKILL);
      for (auto n : s.nodes)
        if (begins)
          (void)nodes[n].daemon.wait(seconds(5));
        else
          revive(n);
      return;
    case trouble::kill_centre:
      if (!begins) return revive_centre();
      cluster->central().signal(SIGKILL);
      (void)cluster->central().wait(seconds(5));
      return;
    case trouble::crash:
      // The same place for the same plan: which one, its time decides.
      made.crash_at =
          begins
              ? crash_point_names[static_cast<size_t>(s.lasts.count()) % crash_point_names.size()]
              : "nowhere";
      tell(node);
      if (!begins) revive(node);
      return;
    case trouble::stall: return nodes[node].daemon.signal(begins ? SIGSTOP : SIGCONT);
    case trouble::stall_centre: return cluster->central().signal(begins ? SIGSTOP : SIGCONT);
    case trouble::cut_pair: change_cut(s.other, port(node), begins); [[fallthrough]];
    case trouble::cut_way: return change_cut(node, port(s.other), begins);
    case trouble::cut_off: return change_cut(node, port(node), begins);
    case trouble::cut_centre: return change_cut(node, port_of(cluster->control_endpoint()), begins);
    case trouble::full_disk: made.full_disk = begins; return tell(node);
    case trouble::slow_disk: made.sync_delay_ms = begins ? 30 : 0; return tell(node);
    case trouble::log_errors:
      if (!begins) return;
      std::ofstream log(nodes[node].log_file(), std::ios::app);
      for (int i = 0; i < 20; ++i) log << "ERROR storage: write failed: Input/output error (EIO)\n";
      return;
    }
  }

  /// P2: what was acknowledged is in the log of every member, at its version, as it was written.
  static void look_for(partition_store& store, const partition_head& head,
                       const std::vector<const torture::acknowledged*>& writes,
                       const std::string& name, stores& out) {
    std::map<uint64_t, log_entry> log;
    for (auto at = head.log_start; at.seq < head.version.seq;) {
      auto entries = store.log_after(head.partition, at, head.version.seq, 1 << 20);
      require(entries);
      BOOST_REQUIRE(!entries->empty());
      at = entries->back().version;
      for (auto& e : *entries) log.emplace(e.version.seq.value, std::move(e));
    }
    for (const auto* w : writes) {
      if (w->version.seq <= head.log_start.seq) continue;
      ++out.found;
      auto it = log.find(w->version.seq.value);
      bool there = it != log.end() && it->second.version == w->version
                   && std::count(it->second.batch.ops.begin(), it->second.batch.ops.end(), w->op);
      if (!there)
        out.complaints.push_back("P2: " + w->op.key.data + " was acknowledged at "
                                 + to_string(w->partition) + " " + to_string(w->version)
                                 + ", and is not in the log of " + name);
    }
  }
  /// P4: no acknowledged entry was put aside, and what the node said it put aside is there.
  static void
  look_at_conflicts(partition_store& store,
                    const std::map<partition_id, std::vector<const torture::acknowledged*>>& writes,
                    const cluster_node& node, stores& out) {
    auto found = store.conflicts(1'000'000);
    require(found);
    out.conflicts += found->size();
    for (const auto& c : *found)
      if (auto it = writes.find(c.partition); it != writes.end())
        for (const auto* w : it->second)
          if (w->version == c.entry.version)
            out.complaints.push_back("P2: " + w->op.key.data + " was acknowledged at "
                                     + to_string(c.partition) + " " + to_string(w->version)
                                     + ", and is in the conflict journal of " + node.name);
    uint64_t told = 0;
    std::ifstream log(node.directory + "/output.log");
    for (std::string line; std::getline(log, line);) {
      if (line.find("event=conflict_journalled") != std::string::npos)
        told += std::stoull(line.substr(line.find("text=\"") + 6));
      if (line.find("event=replica_rewound") != std::string::npos)
        told += std::stoull(line.substr(line.find("taken back; ") + 12));
    }
    out.journalled += told;
    if (told > found->size())
      out.complaints.push_back("P4: " + node.name + " put " + std::to_string(told)
                               + " entries aside, and has " + std::to_string(found->size()));
  }

  std::vector<trouble_of_node> made_;
  std::map<std::string, uint64_t> counts_;
  std::map<std::pair<partition_id, epoch>, node_id> primaries_;
  std::vector<std::string> complaints_;
};

} // namespace harbinger::testing
