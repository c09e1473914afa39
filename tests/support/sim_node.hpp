#pragma once

/// A node of the simulated cluster: a disk that outlives it, a process that crashes and stands
/// still, actors in it that can be killed one by one. Carries what actors/node carries.

#include <memory>

#include "replica/centre_link.hpp"
#include "tests/support/sim_copy_receiver.hpp"
#include "tests/support/sim_replica_server.hpp"
#include "tests/support/sim_snapshot_server.hpp"
#include "wire/codec.hpp"

namespace harbinger::sim {

class node : public process {
public:
  static constexpr auto link_period = milliseconds(25);

  node(parts& all, std::string id, duration offset)
      : all_(all), id_(id), disk_(std::make_shared<memory_store>()) {
    name = std::move(id);
    clock_offset = offset;
    all_.nodes[endpoint()] = this;
  }

  const node_id& id() const { return id_; }
  std::string endpoint() const { return "sim://" + name; }
  memory_store& disk() { return *disk_; }
  const memory_store& disk() const { return *disk_; }

  // --- life and death ---
  void start() {
    if (up) return;
    up = true;
    ++life;
    stopped_until = {};
    memory_ = std::make_unique<proposal_memory>();
    copies_ = std::make_unique<copy_table>();
    start_link();
    start_replica_server();
    start_snapshot_server();
    start_copy_receiver();
    all_.world.note(name + " starts, life " + std::to_string(life));
  }
  void crash() {
    if (!up) return;
    if (replicas_ && all_.world.chance(0.5)) replicas_->finish_group(); // and nobody hears of it
    up = false;
    replicas_.reset();
    snapshots_.reset();
    receiver_.reset();
    link_.reset();
    probes_.clear();
    disk_->crash(all_.world.random);
    all_.world.note(name + " crashes");
  }
  /// One actor ends and its supervisor starts it anew; the process goes on.
  void kill_actor() {
    if (!up) return;
    auto rest = all_.world.between(milliseconds(1), milliseconds(50));
    switch (all_.world.pick(4)) {
    case 0:
      if (!replicas_) return;
      replicas_->finish_group(); // the writer's thread ends with its group
      replicas_.reset();
      all_.world.after(rest, *this, [this] { start_replica_server(); });
      all_.world.note(name + ": replica_server is killed");
      return;
    case 1:
      snapshots_.reset();
      all_.world.after(rest, *this, [this] { start_snapshot_server(); });
      return;
    case 2:
      receiver_.reset();
      all_.world.after(rest, *this, [this] { start_copy_receiver(); });
      return;
    default: link_.reset(); all_.world.after(rest, *this, [this] { start_link(); });
    }
  }
  void slow_disk(double share) {
    slow_disk_ = share;
    if (replicas_) replicas_->slow_disk = share;
  }

  // --- the data socket: what has arrived here; answers go the way back ---
  template <class T>
  using answer = std::function<void(const result<T>&)>;

  void put(const put_request& m, const answer<version>& to) {
    if (!replicas_) return;
    replicas_->put(m, to);
  }
  void get(const get_request& m, const answer<value_reply>& to) {
    if (!replicas_) return;
    auto found = disk_->get(m.partition, m.key.data);
    after_reading([this, m, to, found] {
      if (auto ok = replicas_->check(m.partition); !ok) return to(tl::unexpected(ok.error()));
      if (!found) return to(tl::unexpected(found.error()));
      to(value_reply{found->found, {found->bytes}, found->version});
    });
  }
  void scan(const scan_request& m, const answer<rows_reply>& to) {
    if (!replicas_) return;
    if (auto ok = replicas_->check(m.partition); !ok) return to(tl::unexpected(ok.error()));
    auto rows = disk_->scan(m.partition, m.from.data, m.limit, 4 << 20);
    after_reading([this, m, to, rows] {
      if (auto ok = replicas_->check(m.partition); !ok) return to(tl::unexpected(ok.error()));
      to(rows);
    });
  }
  void append(const append_request& m, const answer<append_ok>& to) {
    if (replicas_) replicas_->append(m, to);
  }
  void append_answered(uint64_t request, const result<append_ok>& m) {
    if (replicas_) replicas_->append_answered(request, m);
  }
  void lease(const lease_request& m, const answer<lease_ok>& to) {
    if (replicas_) to(replicas_->lease(m));
  }
  void lease_answered(uint64_t request, const result<lease_ok>& m) {
    if (replicas_) replicas_->lease_answered(request, m);
  }
  void copied(partition_id partition, const copy_reply& m) {
    if (receiver_) receiver_->reply(partition, m);
  }
  void serve_copy(partition_id, const send_to_source& m, const snapshot_server::reply& to) {
    if (!snapshots_) return;
    if (const auto* ask = std::get_if<snapshot_open>(&m.message)) snapshots_->open(*ask, to);
    if (const auto* ask = std::get_if<snapshot_pull>(&m.message)) snapshots_->pull(*ask, to);
    if (const auto* ask = std::get_if<delta_pull>(&m.message)) snapshots_->deltas(*ask, to);
  }

  // --- the control socket ---
  void from_centre(const wire::frame& m) {
    if (!link_) return;
    if (m.type == node_welcome::wire_name)
      link_->welcomed(*wire::decode<node_welcome>(m.body));
    else if (m.type == heartbeat_ack::wire_name)
      link_->acknowledged(*wire::decode<heartbeat_ack>(m.body));
    else if (m.type == error_reply::wire_name)
      link_->refused();
    else
      command(m);
    term_seen_ = std::max(term_seen_, link_->newest_term());
  }
  /// An operator, or a mass flusher, trims logs: committed entries only.
  void trim_logs(uint64_t keep) {
    for (const auto& h : disk_->heads())
      if (h.state != replica_state::copying && h.committed.value > keep)
        (void)disk_->trim_log(h.partition, seq_no{h.committed.value - keep});
  }

private:
  // --- actors ---
  void start_link() {
    centre_link::identity who{id_, incarnation{life}, {{"rack", "r-" + name}}, 1 << 30};
    link_ = std::make_unique<centre_link>(who, milliseconds(all_.config.control.heartbeat_ms),
                                          term_seen_, all_.world.next_id() << 32);
    ++link_round_;
    tick_link(link_round_);
  }
  void tick_link(uint64_t round) {
    if (!link_ || round != link_round_) return;
    auto now = all_.world.clock(*this);
    for (auto& m : link_->tick(now, endpoint())) send_to_centre(std::move(m));
    for (auto it = probes_.begin(); it != probes_.end();) {
      if (now < it->second.until) {
        ++it;
        continue;
      }
      answer_probe(it->second, false);
      it = probes_.erase(it);
    }
    all_.world.after(link_period, *this, [this, round] { tick_link(round); });
  }
  void start_replica_server() {
    if (replicas_) return;
    replicas_ = std::make_unique<replica_server>(all_, *this, id_, disk_, *memory_, *copies_);
    replicas_->slow_disk = slow_disk_;
    replicas_->send_append = [this](const replication::send_append& a) { send_append(a); };
    replicas_->send_lease = [this](const replication::send_lease& a) { send_lease(a); };
    replicas_->report = [this](std::vector<replica_report> all) {
      if (!link_) return;
      for (auto& m : link_->replicas(std::move(all), disk_->used_bytes(), disk_->conflict_count()))
        send_to_centre(std::move(m));
    };
  }
  void start_snapshot_server() {
    if (!snapshots_) snapshots_ = std::make_unique<snapshot_server>(all_, *this, disk_);
  }
  void start_copy_receiver() {
    if (receiver_) return;
    receiver_ = std::make_unique<copy_receiver>(all_, *this, id_, disk_, *copies_);
    receiver_->meanwhile = [this] {
      if (replicas_) replicas_->finish_group();
    };
    receiver_->send = [this](partition_id partition, const send_to_source& a) {
      send_copy(partition, a);
    };
  }

  // --- out ---
  void send_to_centre(wire::frame m) {
    all_.net.send(*this, *all_.centre, [this, m = std::move(m)] { all_.to_centre(*this, m); });
  }
  /// Back to the life that asked.
  template <class What>
  void send_back(node& to, uint64_t to_life, What what) {
    all_.net.send(*this, to, [&to, to_life, what = std::move(what)] {
      if (to.life == to_life) what(to);
    });
  }
  void send_append(const replication::send_append& a) {
    auto found = all_.nodes.find(a.to.endpoint);
    if (found == all_.nodes.end()) return;
    auto& peer = *found->second;
    all_.net.send(*this, peer, [this, &peer, a, from = life] {
      peer.append(a.message, [this, &peer, from, request = a.request](const auto& answer) {
        peer.send_back(*this, from,
                       [request, answer](node& n) { n.append_answered(request, answer); });
      });
    });
  }
  void send_lease(const replication::send_lease& a) {
    auto found = all_.nodes.find(a.to.endpoint);
    if (found == all_.nodes.end()) return;
    auto& peer = *found->second;
    all_.net.send(*this, peer, [this, &peer, a, from = life] {
      peer.lease(a.message, [this, &peer, from, request = a.request](const auto& answer) {
        peer.send_back(*this, from,
                       [request, answer](node& n) { n.lease_answered(request, answer); });
      });
    });
  }
  void send_copy(partition_id partition, const send_to_source& a) {
    auto found = all_.nodes.find(a.endpoint);
    if (found == all_.nodes.end()) return;
    auto& peer = *found->second;
    all_.net.send(*this, peer, [this, &peer, partition, a, from = life] {
      peer.serve_copy(partition, a, [this, &peer, partition, from, id = a.id](auto message) {
        peer.send_back(*this, from, [partition, reply = copy_reply{id, message}](node& n) {
          n.copied(partition, reply);
        });
      });
    });
  }

  // --- commands ---
  struct probe {
    uint64_t command;
    node_address target;
    time_point begun, until;
  };
  template <class Command>
  std::optional<Command> obeyed(const wire::frame& m) {
    auto command = wire::decode<Command>(m.body);
    require(command.has_value(), "a command does not decode: " + m.type);
    if (auto ok = link_->obey(command->term); !ok) {
      send_to_centre(wire::make_error(m.id, ok.error()));
      return std::nullopt;
    }
    return std::move(*command);
  }
  template <class T>
  auto answer_centre(uint64_t id) {
    return [this, id](const result<T>& answer) {
      send_to_centre(answer ? wire::make_frame(id, *answer) : wire::make_error(id, answer.error()));
    };
  }
  void command(const wire::frame& m) {
    auto away = [&] {
      send_to_centre(wire::make_error(m.id, {errc::unavailable, "is being restarted"}));
    };
    if (m.type == configure_replica::wire_name) {
      if (auto c = obeyed<configure_replica>(m))
        replicas_ ? replicas_->configure(*c, answer_centre<replica_report>(m.id)) : away();
    } else if (m.type == seal_replica::wire_name) {
      if (auto c = obeyed<seal_replica>(m))
        replicas_ ? replicas_->seal(*c, answer_centre<replica_report>(m.id)) : away();
    } else if (m.type == rewind_replica::wire_name) {
      if (auto c = obeyed<rewind_replica>(m))
        replicas_ ? replicas_->rewind(*c, answer_centre<replica_report>(m.id)) : away();
    } else if (m.type == drop_replica::wire_name) {
      auto c = obeyed<drop_replica>(m);
      if (!c) return;
      if (!replicas_) return away();
      replicas_->drop(*c, [this, id = m.id](const result<uint64_t>& n) {
        send_to_centre(n ? wire::make_frame(id, done{}) : wire::make_error(id, n.error()));
      });
    } else if (m.type == start_copy::wire_name) {
      auto c = obeyed<start_copy>(m);
      if (!c) return;
      if (!receiver_) return away();
      auto begun = receiver_->begin(*c);
      send_to_centre(begun ? wire::make_frame(m.id, done{})
                           : wire::make_error(m.id, begun.error()));
    } else if (m.type == probe_node::wire_name) {
      if (auto c = obeyed<probe_node>(m)) begin_probe(m.id, *c);
    } else {
      require(false, "an unknown command: " + m.type);
    }
  }
  void begin_probe(uint64_t command, const probe_node& m) {
    auto now = all_.world.clock(*this);
    auto number = all_.world.next_id();
    probes_[number] = {command, m.target, now, now + milliseconds(m.timeout_ms)};
    auto found = all_.nodes.find(m.target.endpoint);
    if (found == all_.nodes.end()) return;
    auto& peer = *found->second;
    all_.net.send(*this, peer, [this, &peer, number, from = life] {
      peer.send_back(*this, from, [number](node& n) { n.pong(number); });
    });
  }
  void pong(uint64_t number) {
    auto asked = probes_.extract(number);
    if (!asked.empty()) answer_probe(asked.mapped(), true);
  }
  void answer_probe(const probe& p, bool alive) {
    auto took = alive ? to_ms(all_.world.clock(*this) - p.begun) : 0.0;
    send_to_centre(wire::make_frame(p.command, probe_result{p.target.node, alive, took}));
  }
  /// The lease is looked at after reading, by a thread that may have stood still in between.
  void after_reading(std::function<void()> check) {
    if (!all_.world.chance(0.2)) return check();
    auto rest = all_.world.between(duration::zero(), milliseconds(2));
    all_.world.after(rest, *this, [this, check = std::move(check)] {
      if (replicas_) check();
    });
  }

  parts& all_;
  node_id id_;
  std::shared_ptr<memory_store> disk_;
  double slow_disk_ = 0.0;
  term term_seen_; ///< told to a link that starts anew
  std::unique_ptr<proposal_memory> memory_;
  std::unique_ptr<copy_table> copies_;
  std::unique_ptr<centre_link> link_;
  uint64_t link_round_ = 0;
  std::unique_ptr<replica_server> replicas_;
  std::unique_ptr<snapshot_server> snapshots_;
  std::unique_ptr<copy_receiver> receiver_;
  std::map<uint64_t, probe> probes_;
};

} // namespace harbinger::sim
