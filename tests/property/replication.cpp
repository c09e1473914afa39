/// A few nodes under a seeded network that loses, repeats, delays, reorders and parts; a simple
/// model of the centre that seals, swaps and configures; nodes that crash with what was not
/// durable, actors that start again without their memory. Checked at every step: P1 (one committer
/// an epoch), P2 (no acknowledged write lost), and that a primary's reads never see what is not
/// committed or miss what is.

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <set>

#include "replica/replica_host.hpp"
#include "wire/codec.hpp"

using namespace harbinger;
using namespace harbinger::replication;

namespace {

constexpr auto partition = make_partition_id(1, 0);

/// What partition_store::write promises, in memory.
struct model_store {
  std::optional<partition_head> head;
  std::vector<log_entry> log; // log[i].version.seq == i + 1

  result<store_written> write(const store_write& w) {
    if (!head && !w.create) return fail(errc::unknown_partition);
    auto h = head.value_or(partition_head{});
    h.partition = w.partition;
    if (w.epoch < h.epoch) return fail(errc::stale_epoch);
    std::vector<entry_outcome> outcomes;
    for (const auto& e : w.entries) {
      if (e.version.seq <= h.version.seq) {
        if (log.at(e.version.seq.value - 1).version != e.version) return fail(errc::diverged);
        continue;
      }
      auto before = &e == &w.entries.front() ? w.previous : (&e - 1)->version;
      if (before != h.version) return fail(errc::gap, to_string(h.version));
      if (h.history.empty() || h.history.back().epoch != e.version.epoch)
        h.history.push_back({e.version.epoch, e.version.seq});
      log.push_back(e);
      outcomes.push_back({e.version, entry_verdict::applied, e.version, {}});
      h.version = e.version;
    }
    h.epoch = std::max(h.epoch, w.epoch);
    if (w.change) {
      if (w.change->role) h.role = *w.change->role;
      if (w.change->state) h.state = *w.change->state;
      if (w.change->epoch) h.epoch = std::max(h.epoch, *w.change->epoch);
      if (w.change->revision) h.revision = *w.change->revision;
      if (w.change->configuration) h.configuration = *w.change->configuration;
    }
    h.committed = std::max(h.committed, std::min(w.committed, h.version.seq));
    head = h;
    return store_written{h, outcomes};
  }
};

struct sim_node {
  node_id id;
  bool up = true;
  uint64_t life = 1;
  model_store store;
  proposal_memory memory;
  std::unique_ptr<replica_host> host;
  std::deque<action> to_write; // not durable yet
};

struct row {
  harbinger::epoch epoch{1};
  harbinger::revision revision{1};
  node_id primary;
  std::set<node_id> sync;
  std::set<node_id> joiners;
  uint64_t primary_life = 1;
};

struct world {
  std::mt19937_64 random;
  time_point now{std::chrono::hours(1)};
  limits bounds;
  std::vector<std::unique_ptr<sim_node>> nodes;
  row current;
  std::multimap<time_point, std::function<void()>> wire;
  std::set<std::pair<node_id, node_id>> cut;
  double loss = 0.05, repeat = 0.05;
  // the client's view
  uint64_t puts = 0;
  token next_token = 0;
  std::map<token, std::pair<node_id, uint64_t>> asked; // put -> node, value
  std::map<uint64_t, version> acknowledged;            // value -> version
  std::map<harbinger::epoch, node_id> committer;       // P1
  std::map<version, uint64_t> committed_value;
  // the centre
  struct change {
    harbinger::epoch epoch;
    std::map<node_id, replica_report> answers;
    std::set<node_id> asked;
    time_point until;
    std::optional<node_id> giver; // hands over, and has not answered yet
  };
  std::optional<change> failover;
  std::map<token, std::function<void(const result<replica_report>&)>> reports;
  uint64_t failovers = 0, handed_over = 0, joined = 0, crashes = 0, reads = 0;
  bool faults = true;

  explicit world(uint64_t seed, size_t count) : random(seed) {
    bounds.in_flight_max = 8;
    for (size_t i = 0; i < count; ++i) {
      auto n = std::make_unique<sim_node>();
      n->id = node_id{"n" + std::to_string(i + 1)};
      nodes.push_back(std::move(n));
      start(*nodes.back());
    }
    current.primary = nodes[0]->id;
    current.sync = {nodes[0]->id, nodes[1]->id};
    configure_all();
  }

  uint64_t pick(uint64_t below) {
    return std::uniform_int_distribution<uint64_t>(0, below - 1)(random);
  }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }
  sim_node& node(const node_id& id) {
    for (auto& n : nodes)
      if (n->id == id) return *n;
    throw std::logic_error("no such node");
  }
  node_address address(const node_id& id) { return {id, id.value}; }

  void start(sim_node& n) {
    n.host = std::make_unique<replica_host>(n.id, bounds, n.memory, next_token += 1'000'000);
    if (n.store.head) n.host->load({*n.store.head}, now);
  }
  /// The process dies: what is not durable is gone, and so is its memory.
  void crash(sim_node& n) {
    ++crashes;
    n.up = false;
    n.host.reset();
    n.to_write.clear();
    n.memory.end(partition);
    ++n.life;
  }
  /// Only the actor dies: the process remembers what it has proposed.
  void kill_actor(sim_node& n) {
    n.host.reset();
    while (chance(0.5) && !n.to_write.empty()) write_next(n); // what the writer still finished
    n.to_write.clear();
    start(n);
  }

  void transmit(const node_id& from, const node_id& to, std::function<void()> deliver) {
    if (faults && (cut.contains({from, to}) || cut.contains({to, from}))) return;
    auto copies = !faults ? 1 : chance(loss) ? 0 : chance(repeat) ? 2 : 1;
    for (int i = 0; i < copies; ++i)
      wire.emplace(now + milliseconds(1 + pick(faults && chance(0.1) ? 400 : 8)), deliver);
  }

  void carry(sim_node& n, actions todo) {
    for (auto& a : todo) std::visit([&](auto& x) { handle(n, x); }, a);
  }
  void handle(sim_node& n, write_store& a) { n.to_write.push_back(a); }
  void handle(sim_node& n, drop_store& a) { n.to_write.push_back(a); }
  void handle(sim_node&, rewind_store&) {} // this centre drops instead
  void handle(sim_node& n, read_log& a) {
    std::vector<log_entry> found(n.store.log.begin() + static_cast<long>(a.after.seq.value),
                                 n.store.log.begin() + static_cast<long>(a.up_to.value));
    carry(n, n.host->log_read(a.partition, a.member, a.after, found, now));
  }
  void handle(sim_node& n, send_append& a) {
    auto life = n.life;
    transmit(n.id, a.to.node,
             [this, from = n.id, life, to = a.to.node, request = a.request, message = a.message] {
               auto& target = node(to);
               if (!target.up) return;
               auto id = ++next_token;
               append_askers[id] = {from, life, request};
               carry(target, target.host->append(id, message, target.store.head, now));
             });
  }
  void handle(sim_node& n, send_lease& a) {
    auto life = n.life;
    transmit(n.id, a.to.node,
             [this, from = n.id, life, to = a.to.node, request = a.request, message = a.message] {
               auto& target = node(to);
               if (!target.up) return;
               auto answer = target.host->lease(message, now);
               transmit(to, from, [this, from, life, request, answer] {
                 auto& back = node(from);
                 if (back.up && back.life == life)
                   carry(back, back.host->lease_answered(request, answer, now));
               });
             });
  }
  struct asker {
    node_id from;
    uint64_t life;
    uint64_t request;
  };
  std::map<token, asker> append_askers;
  void handle(sim_node& n, answer_append& a) {
    auto who = append_askers.at(a.to);
    transmit(n.id, who.from, [this, who, answer = a.answer] {
      auto& target = node(who.from);
      if (target.up && target.life == who.life)
        carry(target, target.host->append_answered(who.request, answer, now));
    });
  }
  void handle(sim_node& n, answer_put& a) {
    auto value = asked.at(a.to).second;
    asked.erase(a.to);
    if (!a.answer) return;
    auto version = a.answer->version;
    acknowledged[value] = version;
    auto [it, fresh] = committer.emplace(version.epoch, n.id);
    BOOST_REQUIRE_MESSAGE(it->second == n.id, "P1: two committers in epoch " << version.epoch);
  }
  void handle(sim_node&, answer_report& a) {
    auto it = reports.find(a.to);
    if (it == reports.end()) return;
    it->second(a.answer);
    reports.erase(it);
  }
  void handle(sim_node&, answer_drop&) {}
  void handle(sim_node&, report_now&) {}
  void handle(sim_node&, notice&) {}

  void write_next(sim_node& n) {
    auto a = std::move(n.to_write.front());
    n.to_write.pop_front();
    if (auto* w = std::get_if<write_store>(&a)) {
      auto head = n.store.write(w->write);
      if (n.host) carry(n, n.host->written(w->id, head, now));
    } else if (auto* d = std::get_if<drop_store>(&a)) {
      n.store = {};
      if (n.host) carry(n, n.host->dropped(d->id, uint64_t{0}, now));
    }
  }

  // --- the centre: reaches nodes without loss unless they are down or cut from "centre" ---
  bool reaches(const sim_node& n) {
    return n.up && !(faults && cut.contains({node_id{"centre"}, n.id}));
  }

  void configure(const node_id& id) {
    auto& n = node(id);
    if (!reaches(n)) return;
    configure_replica c;
    c.partition = partition;
    c.revision = current.revision;
    c.epoch = current.epoch;
    c.role = id == current.primary          ? replica_role::primary
             : current.joiners.contains(id) ? replica_role::copy
                                            : replica_role::secondary;
    if (c.role == replica_role::copy) return;
    c.primary = address(current.primary);
    for (const auto& s : current.sync) c.sync_set.push_back(address(s));
    for (const auto& j : current.joiners) c.joiners.push_back(address(j));
    carry(n, n.host->configure(++next_token, c, n.store.head, now));
  }
  void configure_all() {
    for (const auto& s : current.sync) configure(s);
  }
  void begin_failover() {
    failover = change{
        epoch{current.epoch.value + 1}, {}, current.sync, now + milliseconds(50 + pick(1000)), {}};
    for (const auto& s : current.sync) seal(s);
  }
  /// The primary is well, and gives its place to another: it is sealed first, the others when it
  /// has answered. If it does not, what began in order ends as any failover.
  void begin_hand_over() {
    failover = change{
        epoch{current.epoch.value + 1}, {}, current.sync, now + milliseconds(50 + pick(1000)), {}};
    failover->giver = current.primary;
    seal(current.primary, true);
  }
  void go_on_handing_over() {
    if (!failover->giver || !failover->answers.contains(*failover->giver)) return;
    bool same_life = node(*failover->giver).life == current.primary_life;
    failover->giver.reset();
    ++handed_over;
    for (const auto& s : current.sync)
      if (s != current.primary) seal(s, same_life);
  }
  void seal(const node_id& id, bool hand_over = false) {
    auto& n = node(id);
    if (!reaches(n)) return;
    seal_replica c;
    c.partition = partition;
    c.epoch = failover->epoch;
    c.hand_over = hand_over;
    auto asker = ++next_token;
    reports[asker] = [this, id, epoch = c.epoch](const result<replica_report>& r) {
      if (r && failover && failover->epoch == epoch && r->state != replica_state::copying)
        failover->answers[id] = *r;
    };
    carry(n, n.host->seal(asker, c, n.store.head, now));
  }
  void end_failover() {
    if (failover->answers.empty()) {
      failover->until = now + milliseconds(500);
      for (const auto& s : current.sync) seal(s);
      return;
    }
    auto best = failover->answers.begin();
    for (auto it = failover->answers.begin(); it != failover->answers.end(); ++it)
      if (it->second.version > best->second.version) best = it;
    ++failovers;
    current.epoch = failover->epoch;
    ++current.revision.value;
    current.primary = best->first;
    current.primary_life = node(best->first).life;
    current.sync.clear();
    current.joiners.clear();
    for (const auto& [id, r] : failover->answers)
      if (r.version == best->second.version) current.sync.insert(id);
    failover.reset();
    configure_all();
  }
  void centre_tick() {
    if (failover) {
      go_on_handing_over();
      bool all = failover->answers.size() == current.sync.size();
      if (all || now >= failover->until) end_failover();
      return;
    }
    auto& p = node(current.primary);
    bool new_life = p.up && p.life != current.primary_life;
    if (!p.up || new_life || (!reaches(p) && chance(0.05)) || (faults && chance(0.002)))
      return begin_failover();
    if (faults && chance(0.004) && current.sync.size() > 1) return begin_hand_over();
    // A replica that is in no list has lost: its past is dropped, it comes back as a copy of the
    // primary.
    for (auto& n : nodes) {
      if (!reaches(*n) || current.sync.contains(n->id) || current.joiners.contains(n->id)
          || current.sync.size() >= 3)
        continue;
      if (!p.store.head || !n->to_write.empty() || !chance(0.05)
          || p.store.head->committed != p.store.head->version.seq)
        continue;
      if (p.host->find(partition)->role() != replica_role::primary) continue;
      n->store = p.store; // a copy: some committed state of the primary (P3)
      while (n->store.log.size() > 1 && chance(0.5)) {
        n->store.log.pop_back();
        n->store.head->version = n->store.log.back().version;
      }
      auto& h = *n->store.head;
      std::erase_if(h.history, [&](const epoch_start& s) { return s.first_seq > h.version.seq; });
      h.committed = h.version.seq;
      h.role = replica_role::copy;
      h.state = replica_state::following;
      h.configuration.clear();
      h.revision = {};
      n->memory.end(partition);
      start(*n);
      current.joiners.insert(n->id);
      ++current.revision.value;
      configure(current.primary);
      break;
    }
    if (chance(0.2)) { // what a report tells
      auto report = p.host->find(partition) && reaches(p) ? p.host->find(partition)->report(now)
                                                          : replica_report{};
      for (const auto& id : report.caught_up)
        if (report.epoch == current.epoch && current.joiners.erase(id) > 0) {
          ++joined;
          current.sync.insert(id);
          ++current.revision.value;
          configure_all();
        }
    }
    for (const auto& id : std::set(current.sync)) // a dead secondary leaves
      if (!node(id).up && id != current.primary && chance(0.05)) {
        current.sync.erase(id);
        ++current.revision.value;
        configure_all();
      }
    if (chance(0.1)) configure_all(); // commands are repeated
  }

  // --- clients and checks ---
  void put_somewhere() {
    auto& n = *nodes[pick(nodes.size())];
    if (!n.up) return;
    auto value = ++puts;
    auto asker = ++next_token;
    asked[asker] = {n.id, value};
    record_op op{op_kind::put, {"k" + std::to_string(value)}, {std::to_string(value)}};
    carry(n, n.host->put(asker, {partition, {{op}}}, now));
  }

  /// A read at a node that says it may serve it sees every acknowledged write, and nothing that is
  /// not committed.
  void check_reads() {
    for (auto& n : nodes) {
      if (!n->up || !n->host->readable(partition, now)) continue;
      ++reads;
      std::set<std::string> seen;
      for (const auto& e : n->store.log) seen.insert(e.batch.ops[0].value.data);
      for (const auto& [value, v] : acknowledged)
        BOOST_REQUIRE_MESSAGE(seen.contains(std::to_string(value)),
                              "P2: acknowledged " << v << " is missing in a read at " << n->id);
      for (const auto& e : n->store.log) {
        auto value = std::stoull(e.batch.ops[0].value.data);
        auto [it, fresh] = committed_value.emplace(e.version, value);
        BOOST_REQUIRE_MESSAGE(it->second == value,
                              "what was read at " << e.version << " was taken back");
      }
    }
  }

  void step() {
    now += milliseconds(5);
    while (!wire.empty() && wire.begin()->first <= now) {
      auto deliver = std::move(wire.begin()->second);
      wire.erase(wire.begin());
      deliver();
    }
    for (auto& n : nodes) {
      while (!n->to_write.empty() && chance(0.4)) write_next(*n);
      if (n->up && chance(0.2)) carry(*n, n->host->tick(now));
    }
    if (chance(0.3)) put_somewhere();
    centre_tick();
    if (faults) disturb();
    check_reads();
  }
  void disturb() {
    auto& n = *nodes[pick(nodes.size())];
    if (chance(0.001) && n.up)
      crash(n);
    else if (chance(0.02) && !n.up) {
      n.up = true;
      start(n);
    } else if (chance(0.002) && n.up)
      kill_actor(n);
    if (chance(0.004)) {
      auto a = pick(nodes.size() + 1), b = pick(nodes.size());
      cut.insert({a == nodes.size() ? node_id{"centre"} : nodes[a]->id, nodes[b]->id});
    }
    if (chance(0.003)) { // one node is alone with its clients: it must find out by itself
      cut.insert({node_id{"centre"}, n.id});
      for (auto& other : nodes)
        if (other->id != n.id) cut.insert({other->id, n.id});
    }
    if (chance(0.005)) cut.clear();
  }
  void heal() {
    faults = false;
    for (auto& n : nodes)
      if (!n->up) {
        n->up = true;
        start(*n);
      }
  }
  bool host_of_primary_is_readable() {
    return node(current.primary).host->readable(partition, now).has_value();
  }
  size_t count_acknowledged() const { return acknowledged.size(); }
};

uint64_t first_seed() {
  auto* text = std::getenv("HARBINGER_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}
uint64_t seeds() {
  auto* text = std::getenv("HARBINGER_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : 40;
}

} // namespace

BOOST_AUTO_TEST_CASE(no_acknowledged_write_is_lost_whatever_the_network_and_the_nodes_do) {
  uint64_t acknowledged = 0, failovers = 0, handed_over = 0, joined = 0, crashes = 0, reads = 0;
  for (auto seed = first_seed(); seed < first_seed() + seeds(); ++seed) {
    BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed << " HARBINGER_SEEDS=1") {
      world w(seed, 3 + seed % 2);
      for (int i = 0; i < 4000; ++i) w.step();
      w.heal();
      auto before = w.count_acknowledged();
      for (int i = 0; i < 2000; ++i) w.step();
      BOOST_REQUIRE_MESSAGE(w.count_acknowledged() > before,
                            "the partition does not come back after the faults end");
      BOOST_TEST(w.host_of_primary_is_readable());
      acknowledged += w.count_acknowledged();
      failovers += w.failovers;
      handed_over += w.handed_over;
      joined += w.joined;
      crashes += w.crashes;
      reads += w.reads;
    }
  }
  std::cout << "acknowledged " << acknowledged << ", failovers " << failovers << ", handed over "
            << handed_over << ", joined " << joined << ", crashes " << crashes << ", reads "
            << reads << '\n';
  BOOST_TEST(failovers > 0u);
  if (seeds() > 10) BOOST_TEST(handed_over > 0u);
  BOOST_TEST(joined > 0u);
}
