#pragma once

/// The troubles of one run. Each seed has its own few kinds and its own pace ("swarm testing",
/// Groce et al., ISSTA 2012): a run with every kind at once hides what few of them do at length.

#include "tests/support/sim_client.hpp"

namespace harbinger::sim {

class story {
public:
  story(parts& all, centre& c, std::vector<std::unique_ptr<node>>& nodes,
        std::vector<std::unique_ptr<client>>& clients)
      : all_(all), centre_(c), nodes_(nodes), clients_(clients) {}

  std::function<bool(const node&)> may_wipe;
  std::function<void(node&)> wiped; ///< before it happens

  void begin(time_point until) {
    until_ = until;
    begun_ = true;
    auto& w = all_.world;
    for (auto kind : {crash, crash_all, leave_member, pause, cut_link, cut_one_way, cut_from_centre,
                      alone, centre_crash, centre_pause, node_actor, centre_actor, zone, disk_full,
                      wipe, slow_disk, trim, mend})
      if (kind == mend || w.chance(0.45)) kinds_.push_back(kind);
    pace_ = w.between(milliseconds(100), seconds(3));
    auto& t = all_.net.trouble;
    if (w.chance(0.6)) t.loss = 0.1 * static_cast<double>(w.pick(100)) / 100;
    if (w.chance(0.5)) t.repeat = 0.1 * static_cast<double>(w.pick(100)) / 100;
    if (w.chance(0.5)) t.late = 0.02 * static_cast<double>(w.pick(100)) / 100;
    t.reorder = w.chance(0.4);
    strike_ = w.chance(0.5) ? 0.5 : 0.0;
    next();
  }
  /// Everything is mended and everybody starts; who stands still does so for its time.
  void end() {
    over_ = true;
    all_.net.trouble = {};
    all_.net.mend();
    centre_.zones = {};
    centre_.start();
    for (auto& n : nodes_) {
      n->disk().full = false;
      n->slow_disk(0);
      n->start();
    }
    all_.world.note("the troubles are over");
  }
  uint64_t troubles() const { return troubles_; }
  /// A row has changed: trouble is most likely to be felt while everybody learns of it.
  void strike(const partition_row& row) {
    auto& members = members_[row.id];
    bool grew = row.sync_set.size() > members.size();
    members = row.sync_set;
    if (over_ || !begun_ || !all_.world.chance(strike_)) return;
    auto soon = all_.world.chance(0.5) ? milliseconds(20) : milliseconds(150);
    later(all_.world.between(duration::zero(), soon), [this, row, grew] {
      ++troubles_;
      if (all_.world.chance(grew ? 0.5 : 0.25)) return leave_one(row);
      auto id = row.primary;
      if (id.value.empty() || all_.world.chance(0.3))
        id = row.sync_set[all_.world.pick(row.sync_set.size())];
      hit(of(id));
    });
  }

private:
  enum kind : uint8_t {
    crash,
    crash_all,
    leave_member,
    pause,
    cut_link,
    cut_one_way,
    cut_from_centre,
    alone,
    centre_crash,
    centre_pause,
    node_actor,
    centre_actor,
    zone,
    disk_full,
    wipe,
    slow_disk,
    trim,
    mend
  };

  void next() {
    auto& w = all_.world;
    w.after(w.between(pace_ / 4, pace_ * 2), [this] {
      if (over_ || all_.world.now >= until_) return;
      trouble(kinds_[all_.world.pick(kinds_.size())]);
      ++troubles_;
      next();
    });
  }
  node& any() { return *nodes_[all_.world.pick(nodes_.size())]; }
  duration while_() {
    return all_.world.chance(0.3) ? all_.world.between(seconds(3), seconds(12))
                                  : all_.world.between(milliseconds(50), seconds(3));
  }
  void later(duration rest, std::function<void()> what) {
    all_.world.after(rest, [this, what = std::move(what)] {
      if (!over_) what();
    });
  }
  void take_down(node& n) {
    n.crash();
    later(while_(), [&n] { n.start(); });
  }

  void trouble(kind what) {
    auto& w = all_.world;
    auto& n = any();
    switch (what) {
    case crash: return take_down(n);
    case crash_all:
      if (w.chance(0.8)) return take_down(n);
      for (auto& each : nodes_)
        if (w.chance(0.7)) take_down(*each);
      return;
    case leave_member: {
      const auto& rows = centre_.truth().partitions();
      return leave_one(
          std::next(rows.begin(), static_cast<ptrdiff_t>(w.pick(rows.size())))->second);
    }
    case pause: return stop(n);
    case centre_pause: return stop(centre_);
    case cut_link: return cut(n.name, any().name, true);
    case cut_one_way: return cut(n.name, w.chance(0.3) ? "centre" : any().name, false);
    case cut_from_centre: return cut(n.name, "centre", true);
    case alone: return isolate(n);
    case mend:
      all_.net.mend();
      w.note("the network is mended");
      return;
    case centre_crash: centre_.crash(); return later(while_(), [this] { centre_.start(); });
    case node_actor: return n.kill_actor();
    case centre_actor: return centre_.kill_actor();
    case zone: return draw_zones();
    case disk_full:
      n.disk().full = true;
      w.note("the disk of " + n.name + " is full");
      return later(while_(), [&n] { n.disk().full = false; });
    case slow_disk: n.slow_disk(w.chance(0.5) ? 0.3 : 0.0); return;
    case trim: return n.trim_logs(w.pick(8));
    case wipe:
      if (!w.chance(0.3) || !may_wipe(n)) return;
      n.crash();
      wiped(n);
      n.disk().wipe();
      w.note("the disk of " + n.name + " is lost");
      return later(while_(), [&n] { n.start(); });
    }
  }
  node& of(const node_id& id) { return *all_.nodes.at("sim://" + id.value); }
  /// P2 is about this: any set of nodes may go that leaves one member of the sync set.
  void leave_one(const partition_row& row) {
    auto stays = row.sync_set[all_.world.pick(row.sync_set.size())];
    for (const auto& id : row.sync_set)
      if (id != stays) take_down(of(id));
  }
  void hit(node& n) {
    switch (all_.world.pick(5)) {
    case 0: return take_down(n);
    case 1: return stop(n);
    case 2: return isolate(n);
    default: return n.kill_actor();
    }
  }
  void stop(process& p) {
    auto d = while_();
    p.stopped_until = all_.world.now + d;
    all_.world.note(p.name + " stands still for " + std::to_string(to_ms(d)) + " ms");
  }
  void cut(const std::string& from, const std::string& to, bool both) {
    if (from == to) return;
    all_.net.cut(from, to);
    if (both) all_.net.cut(to, from);
    all_.world.note("cut " + from + (both ? " and " : " to ") + to);
    if (all_.world.chance(0.7)) later(while_(), [this] { all_.net.mend(); });
  }
  /// Alone with its clients: it must find out by itself.
  void isolate(node& n) {
    all_.net.cut_both(n.name, "centre");
    for (auto& other : nodes_)
      if (other.get() != &n) all_.net.cut_both(n.name, other->name);
    all_.world.note(n.name + " is alone with its clients");
    later(while_(), [this] { all_.net.mend(); });
  }
  void draw_zones() {
    zone_map m;
    m.generation = ++generation_;
    if (all_.world.chance(0.8)) {
      harbinger::zone z;
      z.id = zone_id{generation_};
      for (auto& n : nodes_)
        if (all_.world.chance(0.35)) {
          z.members.push_back(n->id());
          z.risks.push_back(all_.world.chance(0.7) ? 0.7 : 0.5);
        }
      std::sort(z.members.begin(), z.members.end());
      z.probability = all_.world.chance(0.5) ? 0.8 : 0.7;
      if (all_.world.chance(0.2)) z.within_s = 30;
      m.braked = all_.world.chance(0.2);
      z.joint_probability = 0.3;
      if (!z.members.empty()) m.zones = {z};
    }
    centre_.zones = m;
  }

  parts& all_;
  centre& centre_;
  std::vector<std::unique_ptr<node>>& nodes_;
  std::vector<std::unique_ptr<client>>& clients_;
  time_point until_{};
  std::vector<kind> kinds_;
  duration pace_{};
  uint64_t troubles_ = 0, generation_ = 0;
  std::map<partition_id, std::vector<node_id>> members_;
  bool begun_ = false, over_ = false;
  double strike_ = 0.0; ///< share of changes of rows that somebody suffers from
};

} // namespace harbinger::sim
