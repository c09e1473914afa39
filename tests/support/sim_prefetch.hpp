#pragma once

/// Carries protection_board with a copy_life for each copy, as actors/prefetch_coordinator and
/// actors/partition_prefetcher do.

#include "prefetch/copy_life.hpp"
#include "prefetch/protection_board.hpp"
#include "tests/support/sim_bridge.hpp"

namespace harbinger::sim {

class board_player {
public:
  board_player(parts& all, harbinger::term term, uint64_t copies_begun)
      : all_(all), term_(term), board_(term, copies_begun) {}

  // --- wired by the centre ---
  using reply = std::function<void(result<wire::frame>)>;
  std::function<void(const node_id&, wire::frame, reply)> command;
  std::function<void(const change_partition&, std::function<void(result<partition_row>)>)> swap;

  catalog_view view;
  bool dirty = true;

  uint64_t copies_begun() const { return board_.copies_begun(); }
  void zones(const zone_map& m) {
    board_.zones(m);
    dirty = true;
  }
  void report(const node_report& m) { board_.report(m, view); }
  void wanted(const copy_wanted& m) {
    board_.restore(m);
    dirty = true;
  }
  void statuses(const replicas_changed& m) {
    board_.replicas(m.replicas);
    for (const auto& s : m.replicas) {
      copy_key key{s.report.partition, s.node};
      if (auto it = lives_.find(key); it != lives_.end())
        carry_life(key, it->second.life->status(s, now()));
    }
    dirty = true;
  }
  /// Every 100 ms.
  void tick() {
    if (dirty || ++round_ % 10 == 0) {
      dirty = false;
      carry(board_.step(view, all_.config, now()));
    }
    std::vector<copy_key> keys;
    for (const auto& [key, l] : lives_) keys.push_back(key);
    for (const auto& key : keys)
      if (auto it = lives_.find(key); it != lives_.end())
        carry_life(key, it->second.life->tick(now()));
  }

private:
  struct prefetcher {
    uint64_t number;
    std::unique_ptr<copy_life> life;
  };
  time_point now() const { return all_.world.clock(*all_.centre); }

  void carry(const board_actions& actions) {
    for (const auto& key : actions.cancel) lives_.erase(key);
    for (const auto& order : actions.begin) {
      copy_key key{order.partition, order.target.node};
      auto& l = lives_[key];
      l = {all_.world.next_id(), std::make_unique<copy_life>(order, all_.config.prefetch)};
      carry_life(key, l.life->begin(board_.status(key), now()));
    }
    for (const auto& order : actions.sources) {
      copy_key key{order.partition, order.target.node};
      if (auto it = lives_.find(key); it != lives_.end())
        carry_life(key, it->second.life->sources_changed(order.sources, now()));
    }
    for (const auto& e : actions.events)
      all_.world.note("centre: " + e.kind + " " + e.subject + " " + e.text);
    for (const auto& order : actions.drop)
      command(order.node, wire::make_frame(0, order.command), [](const result<wire::frame>&) {});
    for (const auto& change : actions.swap)
      swap(change, [this, partition = change.row.id](const result<partition_row>& row) {
        dirty = true;
        carry(board_.swapped(partition, row, view, now()));
      });
  }
  void carry_life(const copy_key& key, const copy_life_actions& actions) {
    auto it = lives_.find(key);
    if (it == lives_.end()) return;
    auto order = it->second.life->order();
    auto copied = it->second.life->copied_bytes();
    bool ends = actions.gave_up || actions.finished;
    auto number = it->second.number;
    if (ends) lives_.erase(it);
    if (actions.report || actions.gave_up) {
      prefetch_progress p{order.partition,   order.copy, actions.ready, actions.gave_up,
                          actions.fell_back, copied,     actions.detail};
      carry(board_.progress(p, view, now()));
      dirty = true;
    }
    if (ends) board_.prefetcher_ended(key);
    if (!ends && actions.send_start) send_start(key, number);
  }
  void send_start(const copy_key& key, uint64_t number) {
    auto it = lives_.find(key);
    if (it == lives_.end() || it->second.number != number) return;
    const auto& order = it->second.life->order();
    start_copy start{term_,
                     order.partition,
                     order.copy,
                     order.method,
                     it->second.life->sources(),
                     order.rate_bytes_per_s};
    command(order.target.node, wire::make_frame(0, start),
            [this, key, number](const result<wire::frame>& m) {
              auto life = lives_.find(key);
              if (life == lives_.end() || life->second.number != number) return;
              auto ok = m ? wire::read_frame<done>(*m) : tl::unexpected<error>(m.error());
              carry_life(key, ok ? life->second.life->started(now())
                                 : life->second.life->start_failed(to_string(ok.error()), now()));
            });
  }

  parts& all_;
  harbinger::term term_;
  protection_board board_;
  std::map<copy_key, prefetcher> lives_;
  uint64_t round_ = 0;
};

} // namespace harbinger::sim
