#pragma once

/// The simulated centre: its catalog survives it, everything else is derived again; its actors hear
/// of each other by mail that takes time, and can be killed one by one.

#include "tests/support/sim_prefetch.hpp"
#include "tests/support/sim_recovery.hpp"
#include "versions/replica_tracker.hpp"

namespace harbinger::sim {

class centre : public process {
public:
  centre(parts& all, catalog_disk& disk) : all_(all), disk_(disk), mail_(all.world, *this) {
    name = "centre";
    all_.centre = this;
    all_.to_centre = [this](node& from, const wire::frame& m) {
      mail_.to(role::bridge, [this, &from, m] { bridge_->arrived(from, m, disk_.term); });
    };
  }

  void start() {
    if (up) return;
    up = true;
    ++life;
    stopped_until = {};
    ++disk_.term.value;
    disk_.view.set_revision(disk_.term, disk_.view.revision());
    for (auto r : followers) cast(r);
    zones_known_from_ = all_.world.now + seconds(3); // zones are entered after some rounds
    tick();
    slow_tick();
    all_.world.note("the centre starts, term " + std::to_string(disk_.term.value));
  }
  void crash() {
    if (!up) return;
    up = false;
    for (auto r : followers) mail_.replaced(r);
    bridge_.reset();
    recovery_.reset();
    tracker_.reset();
    board_.reset();
    all_.world.note("the centre crashes");
  }
  void kill_actor() {
    if (!up) return;
    auto r = followers[all_.world.pick(followers.size())];
    cast(r);
    all_.world.note("centre: actor " + std::to_string(static_cast<int>(r)) + " is killed");
  }

  zone_map zones; ///< what the zone manager thinks; set by the story

  /// What a client is told; null while there is none.
  std::shared_ptr<const partition_map> map() const {
    if (!bridge_ || !bridge_->view.ready()) return nullptr;
    return std::make_shared<const partition_map>(bridge_->view.whole());
  }
  bool create_volume(const harbinger::create_volume& m) {
    return commit(catalog::create_volume(disk_.view, m, {"rack"}), "volume created").has_value();
  }
  const catalog_view& truth() const { return disk_.view; }
  /// Everything is as the rows want it, as far as the desk knows.
  bool settled() const {
    return up && recovery_ && recovery_->desk().view().ready()
           && recovery_->desk().rows(all_.world.clock(*this)).empty();
  }
  std::string unsettled() const {
    if (!up || !recovery_) return "the centre is down";
    std::string out;
    for (const auto& row : recovery_->desk().rows(all_.world.clock(*this)))
      out += to_string(row.partition) + " " + row.phase + " " + row.detail + "; ";
    return out;
  }

private:
  struct versions_player {
    replica_tracker tracker;
    catalog_view view;
  };

  /// A role gets a new player, who knows nothing.
  void cast(role r) {
    mail_.replaced(r);
    switch (r) {
    case role::bridge: make_bridge(); break;
    case role::recovery: make_recovery(); break;
    case role::versions: tracker_ = std::make_unique<versions_player>(); break;
    case role::board:
      if (board_) copies_begun_ = board_->copies_begun();
      make_board();
      break;
    default: return;
    }
    tell_whole(r);
    if (r == role::recovery || r == role::board) mail_.to(role::versions, [this] { tell_all(); });
  }
  void make_bridge() {
    bridge_ = std::make_unique<bridge>(all_, *this);
    bridge_->hello = [this](const node_hello& hello, node& from) { on_hello(hello, from); };
    bridge_->heartbeat = [this](const node_heartbeat& m) {
      mail_.to(role::recovery, [this, m] { recovery_->heartbeat(m.node, m.life); });
    };
    bridge_->report = [this](const node_report& m) {
      mail_.to(role::versions, [this, m] { heard(m.node, m.life, m.replicas); });
      mail_.to(role::board, [this, m] { board_->report(m); });
      mail_.to(role::recovery, [this, m] { recovery_->report(m); });
    };
  }
  void make_recovery() {
    recovery_ = std::make_unique<recovery_player>(all_, disk_.term);
    recovery_->command = commander(role::recovery);
    recovery_->swap = swapper(role::recovery);
    recovery_->set_state = [this](const set_node_state& m) {
      mail_.to(role::keeper, [this, m] { commit(catalog::set_state(disk_.view, m), m.reason); });
    };
    recovery_->want_copy = [this](const copy_wanted& m) {
      mail_.to(role::board, [this, m] { board_->wanted(m); });
    };
    recovery_->ask_for_catalog = [this] { ask_for_catalog(role::recovery); };
  }
  void make_board() {
    board_ = std::make_unique<board_player>(all_, disk_.term, copies_begun_);
    board_->command = commander(role::board);
    board_->swap = swapper(role::board);
  }
  using sender = std::function<void(const node_id&, wire::frame, bridge::reply)>;
  sender commander(role from) {
    return [this, from](const node_id& to, wire::frame m, bridge::reply then) {
      auto back = mail_.answer<result<wire::frame>>(from, std::move(then));
      // The bridge may be gone before it answers; an asker waits only so long.
      auto done = std::make_shared<bool>(false);
      auto once = [done, back](result<wire::frame> what) {
        if (!std::exchange(*done, true)) back(std::move(what));
      };
      mail_.to(role::bridge, [this, to, m, once] { bridge_->command(to, m, once); });
      auto patience = milliseconds(all_.config.control.command_timeout_ms + 500);
      all_.world.after(patience, *this, [once] { once(fail(errc::timeout, "no bridge")); });
    };
  }
  using changer =
      std::function<void(const change_partition&, std::function<void(result<partition_row>)>)>;
  changer swapper(role from) {
    return [this, from](const change_partition& change,
                        std::function<void(result<partition_row>)> then) {
      auto back = mail_.answer<result<partition_row>>(from, std::move(then));
      mail_.to(role::keeper, [this, change, back] {
        auto delta = commit(catalog::change(disk_.view, change), change.reason);
        if (delta)
          back(delta->partitions.front());
        else
          back(tl::unexpected<error>(delta.error()));
      });
    };
  }

  // --- the keeper ---
  result<partition_map> commit(result<partition_map> planned, const std::string& why) {
    if (!planned || planned->revision == planned->previous) return planned;
    disk_.view.apply(*planned);
    for (const auto& row : planned->partitions) {
      note_row(row, why);
      all_.book.row_changed(row, recovery_ ? recovery_->chosen_from(row.id, row.epoch)
                                           : std::map<node_id, version>{});
      if (row_changed) row_changed(row);
    }
    auto shared = std::make_shared<const partition_map>(*planned);
    for (auto r : followers) mail_.to(r, [this, r, shared] { take_catalog(r, *shared); });
    return planned;
  }
  void note_row(const partition_row& row, const std::string& why) {
    std::string text = "catalog: " + to_string(row.id) + " r" + std::to_string(row.revision.value)
                       + " e" + std::to_string(row.epoch.value) + " primary " + row.primary.value
                       + " sync";
    for (const auto& id : row.sync_set) text += ' ' + id.value;
    if (!row.joiners.empty()) text += " joiners";
    for (const auto& id : row.joiners) text += ' ' + id.value;
    if (!row.copies.empty()) text += " copies";
    for (const auto& c : row.copies) text += ' ' + c.node.value + (c.ready ? "" : "?");
    all_.world.note(text + " (" + why + ")");
  }
  void on_hello(const node_hello& hello, node& from) {
    auto answered = mail_.answer<result<node_row>>(role::bridge, [this, hello, &from](
                                                                     const result<node_row>& row) {
      if (!row) return bridge_->refuse(from, row.error());
      bridge_->welcome(from, disk_.term);
      mail_.to(role::recovery, [this, hello] { recovery_->joined(hello); });
      mail_.to(role::versions, [this, hello] { heard(hello.node, hello.life, hello.replicas); });
    });
    mail_.to(role::keeper, [this, hello, answered] {
      auto delta = commit(catalog::register_node(disk_.view, hello), "hello");
      if (!delta) return answered(tl::unexpected<error>(delta.error()));
      answered(*disk_.view.node(hello.node));
    });
  }
  void ask_for_catalog(role r) {
    mail_.to(role::keeper, [this, r] { tell_whole(r); });
  }
  void tell_whole(role r) {
    auto whole = std::make_shared<const partition_map>(disk_.view.whole());
    mail_.to(r, [this, r, whole] { take_catalog(r, *whole); });
  }
  void take_catalog(role r, const partition_map& map) {
    auto take = [&](catalog_view& view) {
      auto outcome = view.apply(map);
      if (outcome == catalog_view::outcome::need_whole) ask_for_catalog(r);
      return outcome == catalog_view::outcome::applied;
    };
    switch (r) {
    case role::bridge:
      take(bridge_->view);
      for (const auto& row : map.nodes)
        if (row.state == node_state::dead) bridge_->disconnect(row.id);
      break;
    case role::recovery: recovery_->catalog(map); break;
    case role::versions:
      if (take(tracker_->view)) spread(tracker_->tracker.refresh(tracker_->view, map, rules()));
      break;
    case role::board: board_->dirty |= take(board_->view); break;
    default: break;
    }
  }

  // --- versions ---
  const version_settings& rules() const { return all_.config.versions; }
  void heard(const node_id& id, incarnation from, const std::vector<replica_report>& replicas) {
    spread(tracker_->tracker.report(id, from, replicas, tracker_->view, rules(),
                                    all_.world.clock(*this)));
  }
  void spread(const replica_tracker::outcome& news) {
    for (const auto& s : news.newly_different)
      all_.world.note("centre: digest differs, " + to_string(s.report.partition) + " on "
                      + s.node.value);
    if (!news.newly_different.empty()) ++digests_differ;
    tell({news.changed});
  }
  void tell_all() { tell({tracker_->tracker.all()}); }
  void tell(const replicas_changed& news) {
    if (news.replicas.empty()) return;
    mail_.to(role::board, [this, news] { board_->statuses(news); });
    mail_.to(role::recovery, [this, news] { recovery_->statuses(news); });
  }

  // --- time ---
  void tick() {
    mail_.to(role::recovery, [this] { recovery_->tick(); });
    mail_.to(role::bridge, [this] { bridge_->expire(); });
    if (++ticks_ % 2 == 0) mail_.to(role::board, [this] { board_->tick(); });
    all_.world.after(milliseconds(recovery_player::tick_ms), *this, [this] { tick(); });
  }
  void slow_tick() {
    if (all_.world.now >= zones_known_from_) {
      mail_.to(role::board, [this, z = zones] { board_->zones(z); });
      mail_.to(role::recovery, [this, z = zones] { recovery_->zones(z); });
    }
    if (++seconds_ % 5 == 0) mail_.to(role::versions, [this] { tell_all(); });
    for (auto r : followers)
      if (r != role::recovery && !ready(r)) ask_for_catalog(r);
    all_.world.after(seconds(1), *this, [this] { slow_tick(); });
  }
  bool ready(role r) const {
    switch (r) {
    case role::bridge: return bridge_->view.ready();
    case role::versions: return tracker_->view.ready();
    case role::board: return board_->view.ready();
    default: return true;
    }
  }

public:
  std::function<void(const partition_row&)> row_changed; ///< for the story
  uint64_t digests_differ = 0;

private:
  parts& all_;
  catalog_disk& disk_;
  mail mail_;
  std::unique_ptr<bridge> bridge_;
  std::unique_ptr<recovery_player> recovery_;
  std::unique_ptr<versions_player> tracker_;
  std::unique_ptr<board_player> board_;
  uint64_t copies_begun_ = 0, ticks_ = 0, seconds_ = 0;
  time_point zones_known_from_{};
};

} // namespace harbinger::sim
