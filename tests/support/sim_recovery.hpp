#pragma once

/// Carries recovery_desk and failure_detector as actors/recovery_coordinator does.

#include "recovery/failure_detector.hpp"
#include "recovery/recovery_desk.hpp"
#include "tests/support/sim_bridge.hpp"

namespace harbinger::sim {

class recovery_player {
public:
  static constexpr uint32_t tick_ms = 50;

  explicit recovery_player(parts& all, harbinger::term term)
      : all_(all),
        term_(term),
        detector_(all.config.recovery, all.config.control.heartbeat_ms, tick_ms),
        desk_(all.config.recovery, all.config.control.command_timeout_ms) {
    const auto& zones = all.config.zones;
    desk_.configure(
        {zones.escalate_at, zones.escalated_max, all.config.placement.spread, zones.evacuate_at});
  }

  // --- wired by the centre; answers come back here ---
  using reply = std::function<void(result<wire::frame>)>;
  std::function<void(const node_id&, wire::frame, reply)> command;
  std::function<void(const change_partition&, std::function<void(result<partition_row>)>)> swap;
  std::function<void(const set_node_state&)> set_state;
  std::function<void(const copy_wanted&)> want_copy;
  std::function<void()> ask_for_catalog;

  const recovery::recovery_desk& desk() const { return desk_; }
  /// What the sealed members had said when the primary of this epoch was chosen: P5 is judged by
  /// it. Empty: not known.
  std::map<node_id, version> chosen_from(partition_id partition, epoch e) const {
    auto it = chosen_from_.find({partition, e});
    return it == chosen_from_.end() ? std::map<node_id, version>{} : it->second;
  }

  void heartbeat(const node_id& id, incarnation life) { detect(detection::heartbeat{id, life}); }
  void joined(const node_hello& hello) {
    detect(detection::heartbeat{hello.node, hello.life});
    carry(desk_.step(hello, now()));
  }
  void report(const node_report& m) { carry(desk_.step(m, now())); }
  void statuses(const replicas_changed& m) { carry(desk_.step(m, now())); }
  void zones(const zone_map& m) { carry(desk_.step(m, now())); }
  void catalog(const partition_map& map) {
    for (const auto& row : map.nodes) {
      auto old = desk_.view().node(row.id);
      if (!old || old->state == node_state::dead || !(old->life < row.life)) continue;
      auto silence = detector_.silence_ms(row.id, now()).value_or(0.0);
      carry(desk_.step(recovery::node_lost{row.id, old->life, silence, "it has restarted"}, now()));
    }
    carry(desk_.step(map, now()));
    if (desk_.need_whole()) return ask_for_catalog();
    for (const auto& row : map.nodes) {
      auto held = desk_.view().node(row.id);
      if (held->state == node_state::dead)
        detect(detection::forget{row.id});
      else
        detect(detection::watch{row.id, held->life});
    }
  }
  void tick() {
    detect(detection::look{});
    if (now() >= next_second_) {
      next_second_ = now() + seconds(1);
      if (desk_.need_whole() || !desk_.view().ready()) ask_for_catalog();
      for (auto& row : detector_.rows(now())) {
        auto held = desk_.view().node(row.node);
        if (held && held->state == node_state::suspect && held->life == row.life && !row.suspect
            && row.samples > 0)
          set_state({row.node, row.life, node_state::up, "heard again"});
      }
    }
    carry(desk_.step(recovery::look{}, now()));
  }

private:
  time_point now() const { return all_.world.clock(*all_.centre); }
  void detect(const detection::event& what) {
    for (auto& a : detector_.step(what, now())) std::visit([&](auto& x) { act(x); }, a);
  }
  void carry(recovery::actions todo) {
    for (auto& a : todo) std::visit([&](auto& x) { act(x); }, a);
  }

  // --- the detector's ---
  void act(detection::suspected& a) {
    all_.world.note("centre: " + a.node.value + " is suspect");
    set_state({a.node, a.life, node_state::suspect, "silent"});
  }
  void act(detection::cleared& a) { set_state({a.node, a.life, node_state::up, "heard again"}); }
  void act(detection::ask& a) {
    probe_node probe{term_, desk_.view().address_of(a.target),
                     all_.config.recovery.probe_timeout_ms};
    command(a.prober, wire::make_frame(0, probe), [this, a](const result<wire::frame>& m) {
      auto outcome = detection::probe_outcome::unanswered;
      if (m)
        if (auto answer = wire::read_frame<probe_result>(*m); answer && answer->target == a.target)
          outcome = answer->alive ? detection::probe_outcome::alive
                                  : detection::probe_outcome::unreachable;
      detect(detection::probe_ended{a.probe, outcome});
    });
  }
  void act(detection::died& a) {
    all_.world.note("centre: " + a.node.value + " is dead: " + a.reason);
    carry(desk_.step(recovery::node_lost{a.node, a.life, a.silence_ms, a.reason}, now()));
    set_state({a.node, a.life, node_state::dead, a.reason});
  }
  void act(detection::stalled&) {}

  // --- the desk's ---
  void act(recovery::send_command& a) {
    bool says_what_it_holds = std::holds_alternative<configure_replica>(a.what)
                              || std::holds_alternative<seal_replica>(a.what);
    auto frame = std::visit([](auto& c) { return wire::make_frame(0, c); }, a.what);
    auto seal = std::get_if<seal_replica>(&a.what);
    std::optional<std::pair<partition_id, epoch>> sealing;
    if (seal) sealing = {seal->partition, seal->epoch};
    auto row = desk_.view().node(a.node);
    auto life = row ? row->life : incarnation{};
    command(a.node, std::move(frame),
            [this, op = a.op, node = a.node, life, says_what_it_holds,
             sealing](const result<wire::frame>& m) {
              recovery::command_ended ended{op, std::optional<replica_report>{}};
              if (!m) {
                ended.reply = tl::unexpected<error>(m.error());
              } else if (says_what_it_holds) {
                auto report = wire::read_frame<replica_report>(*m);
                if (report)
                  ended.reply = std::move(*report);
                else
                  ended.reply = tl::unexpected<error>(report.error());
              } else if (auto ok = wire::read_frame<done>(*m); !ok) {
                ended.reply = tl::unexpected<error>(ok.error());
              }
              if (sealing && ended.reply && *ended.reply)
                note_seal(*sealing, node, life, **ended.reply);
              carry(desk_.step(ended, now()));
            });
  }
  void note_seal(const std::pair<partition_id, epoch>& what, const node_id& node, incarnation life,
                 const replica_report& r) {
    bool usable = r.state != replica_state::copying && r.state != replica_state::failed
                  && r.epoch >= what.second;
    auto& told = seal_answers_[what];
    if (usable)
      told[node] = {life, r.version};
    else
      told.erase(node);
  }
  std::map<node_id, version> answers_now(const partition_row& next) const {
    std::map<node_id, version> out;
    auto it = seal_answers_.find({next.id, next.epoch});
    auto old = desk_.view().partition(next.id);
    if (it == seal_answers_.end() || !old) return out;
    for (const auto& [node, told] : it->second) {
      auto row = desk_.view().node(node);
      bool member = std::binary_search(old->sync_set.begin(), old->sync_set.end(), node);
      if (member && row && row->life == told.first && row->state != node_state::dead)
        out[node] = told.second;
    }
    return out;
  }
  void act(recovery::swap_row& a) {
    chosen_from_[{a.change.row.id, a.change.row.epoch}] = answers_now(a.change.row);
    swap(a.change, [this, op = a.op](const result<partition_row>& row) {
      carry(desk_.step(recovery::swap_ended{op, row}, now()));
    });
  }
  void act(recovery::want_copy& a) { want_copy(a.what); }
  void act(recovery::raise& a) {
    all_.world.note("centre: " + a.kind + " " + a.text);
    bool before = a.text.find("before it ") != std::string::npos;
    all_.book.note_evacuation(before && a.kind == "partition_promoted",
                              before && a.kind == "partition_deescalated");
  }
  void act(recovery::rebuild_ended&) {}
  void act(recovery::drill_ended&) {}
  void act(recovery::hold_copies&) {} // there are no drills

  parts& all_;
  harbinger::term term_;
  detection::failure_detector detector_;
  recovery::recovery_desk desk_;
  time_point next_second_{};
  std::map<std::pair<partition_id, epoch>, std::map<node_id, std::pair<incarnation, version>>>
      seal_answers_;
  std::map<std::pair<partition_id, epoch>, std::map<node_id, version>> chosen_from_;
};

} // namespace harbinger::sim
