#pragma once

/// The centre's control socket, as actors/head_node_bridge: who is connected, which commands wait
/// for an answer.

#include "tests/support/sim_catalog.hpp"
#include "tests/support/sim_node.hpp"

namespace harbinger::sim {

class bridge {
public:
  using reply = std::function<void(result<wire::frame>)>;

  bridge(parts& all, process& in) : all_(all), in_(in), last_command_(all.world.next_id() << 32) {}

  catalog_view view;
  std::function<void(const node_hello&, node&)> hello; ///< asks the catalog; then `welcome`
  std::function<void(const node_heartbeat&)> heartbeat;
  std::function<void(const node_report&)> report;

  void arrived(node& from, const wire::frame& m, harbinger::term term) {
    if (m.type == node_hello::wire_name) {
      hello(*wire::decode<node_hello>(m.body), from);
    } else if (m.type == node_heartbeat::wire_name) {
      on_heartbeat(from, *wire::decode<node_heartbeat>(m.body), term);
    } else if (m.type == node_report::wire_name) {
      auto told = wire::decode<node_report>(m.body);
      if (!current(told->node, told->life)) return;
      peers_[told->node] = &from;
      report(*told);
    } else {
      auto waits = commands_.extract(m.id);
      if (!waits.empty()) waits.mapped().to(m);
    }
  }
  void welcome(node& to, harbinger::term term) {
    peers_[to.id()] = &to;
    send(to, wire::make_frame(0, node_welcome{term, all_.config.control.heartbeat_ms,
                                              all_.config.control.report_ms}));
  }
  void refuse(node& to, const error& why) { send(to, wire::make_error(0, why)); }
  void command(const node_id& to, wire::frame m, reply then) {
    auto peer = peers_.find(to);
    if (peer == peers_.end()) return then(fail(errc::unknown_node, "is not connected"));
    m.id = ++last_command_;
    auto patience = milliseconds(all_.config.control.command_timeout_ms);
    commands_[m.id] = {to, std::move(then), all_.world.now + patience};
    send(*peer->second, std::move(m));
  }
  void expire() {
    std::vector<reply> late;
    std::erase_if(commands_, [&](auto& c) {
      if (all_.world.now < c.second.until) return false;
      late.push_back(std::move(c.second.to));
      return true;
    });
    for (auto& to : late) to(fail(errc::timeout, "no answer"));
  }
  void disconnect(const node_id& dead) {
    peers_.erase(dead);
    std::vector<reply> open;
    std::erase_if(commands_, [&](auto& c) {
      if (c.second.node != dead) return false;
      open.push_back(std::move(c.second.to));
      return true;
    });
    for (auto& to : open) to(fail(errc::unavailable, "is dead"));
  }

private:
  struct waiting {
    node_id node;
    reply to;
    time_point until;
  };
  void send(node& to, wire::frame m) {
    all_.net.send(in_, to, [&to, m = std::move(m)] { to.from_centre(m); });
  }
  bool current(const node_id& id, incarnation life) const {
    auto row = view.node(id);
    return row && row->life == life && row->state != node_state::dead;
  }
  void on_heartbeat(node& from, const node_heartbeat& beat, harbinger::term term) {
    if (!view.ready()) return;
    auto row = view.node(beat.node);
    if (row && beat.life < row->life) return refuse(from, {errc::stale_epoch, "older life"});
    heartbeat_ack ack{term, beat.seq, current(beat.node, beat.life), {}};
    if (ack.known) {
      peers_[beat.node] = &from;
      heartbeat(beat);
      for (auto& [id, other] : view.nodes())
        if (id != beat.node && other.state != node_state::dead)
          ack.peers.push_back({id, other.data_endpoint});
    }
    send(from, wire::make_frame(0, ack));
  }

  parts& all_;
  process& in_;
  uint64_t last_command_;
  std::map<node_id, node*> peers_;
  std::map<uint64_t, waiting> commands_;
};

} // namespace harbinger::sim
