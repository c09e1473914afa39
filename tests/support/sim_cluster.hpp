#pragma once

/// A whole cluster in virtual time: nodes, a centre, clients, a network and a story of troubles,
/// all from one seed. `run` plays it and throws broken_promise when one breaks.

#include "tests/support/sim_client.hpp"
#include "tests/support/sim_judge.hpp"
#include "tests/support/sim_story.hpp"

namespace harbinger::sim {

struct run_summary {
  uint64_t events = 0, acknowledged = 0, unknown = 0, read = 0, promotions = 0, troubles = 0,
           excused = 0, told = 0, handed_over = 0, left = 0;
  double virtual_s = 0.0, recovery_s = 0.0; ///< recovery: end of the troubles to everything served
};

class cluster {
public:
  static constexpr auto settle_within = seconds(120); ///< after the last trouble

  explicit cluster(uint64_t seed)
      : world_(seed),
        net_(world_),
        all_{world_,
             net_,
             book_,
             quick_settings(world_),
             world_.chance(0.5) ? size_t{150} : size_t{4 << 20},
             {},
             nullptr,
             {}},
        centre_(all_, catalog_),
        partitions_(static_cast<uint32_t>(1 + world_.pick(3))) {
    centre_.clock_offset = world_.between(-seconds(1000), seconds(1000));
    auto count = 3 + world_.pick(4);
    for (uint64_t i = 1; i <= count; ++i)
      nodes_.push_back(std::make_unique<node>(all_, "n" + std::to_string(i),
                                              world_.between(-seconds(1000), seconds(1000))));
    auto clients = 2 + world_.pick(4);
    for (uint64_t i = 1; i <= clients; ++i)
      clients_.push_back(std::make_unique<client>(all_, centre_, record_,
                                                  "client" + std::to_string(i), partitions_));
  }

  run_summary run() {
    begin();
    auto story_end = world_.now + world_.between(seconds(15), seconds(40));
    story tale(all_, centre_, nodes_, clients_);
    tale.may_wipe = [this](const node& n) { return can_spare(n); };
    tale.wiped = [this](node& n) { note_wiped(n); };
    centre_.row_changed = [&](const partition_row& row) {
      mind(row);
      tale.strike(row);
    };
    tale.begin(story_end);
    play(story_end);
    tale.end();
    play(everybody_runs() + seconds(4)); // long enough to miss what is missing
    auto calm = world_.now;
    settle(calm + settle_within);
    run_summary out;
    out.recovery_s = to_seconds(world_.now - calm);
    play(world_.now + seconds(3));
    for (auto& c : clients_) c->stop();
    settle(world_.now + settle_within);
    play(world_.now + seconds(3));
    judge();
    out.events = world_.events();
    out.acknowledged = book_.acknowledged_count();
    out.told = book_.told_count();
    out.unknown = record_.unknown;
    out.read = record_.read;
    out.promotions = book_.promotions();
    out.handed_over = book_.handed_over();
    out.left = book_.left();
    out.troubles = tale.troubles();
    out.virtual_s = to_seconds(world_.now - time_point{std::chrono::hours(1)});
    for (const auto& [id, row] : centre_.truth().partitions()) out.excused += book_.excused(id);
    return out;
  }
  std::string trace() const { return world_.trace(); }

private:
  /// The usual settings, but quick to notice and with chunks that make several of a small
  /// partition.
  static settings quick_settings(engine& world) {
    settings s;
    s.control.heartbeat_ms = 200;
    s.control.report_ms = 500;
    s.control.command_timeout_ms = 1000;
    s.recovery.silence_min_ms = 400;
    s.recovery.probe_timeout_ms = 150;
    s.replica.lease_ms = world.chance(0.5) ? 400 : 200;
    s.prefetch.chunk_bytes = 120;
    s.prefetch.retry_ms = 200;
    s.zones.escalate_at = 0.75;
    s.zones.evacuate_at = world.chance(0.5) ? 0.65 : 1.0;
    s.prefetch.keep_after_zone_s = 6;
    s.prefetch.rate_bytes_per_s = world.chance(0.5) ? 0 : 20'000;
    return s;
  }

  void play(time_point end) {
    while (world_.step(end)) {
    }
  }
  /// When the last one that stands still goes on.
  time_point everybody_runs() const {
    auto when = std::max(world_.now, centre_.stopped_until);
    for (const auto& n : nodes_) when = std::max(when, n->stopped_until);
    return when;
  }
  void begin() {
    centre_.start();
    for (auto& n : nodes_) n->start();
    play(world_.now + seconds(2));
    auto replicas =
        static_cast<uint32_t>(2 + world_.pick(std::min<uint64_t>(2, nodes_.size() - 2)));
    require(centre_.create_volume({"vol", partitions_, replicas}), "the volume can not be made");
    settle(world_.now + seconds(30));
    for (auto& c : clients_) c->start();
  }
  /// Plays until every partition that can be is served with all its replicas.
  void settle(time_point end) {
    while (world_.now < end) {
      play(std::min(end, world_.now + milliseconds(100)));
      if (centre_.settled() && all_served()) return;
      if (somebody_is_lost()) return; // a partition that nobody can bring back keeps the desk busy
    }
    require(false, "liveness: not served with all replicas in time: " + centre_.unsettled());
  }
  bool all_served() const {
    for (const auto& [id, row] : centre_.truth().partitions())
      if (row.primary.value.empty() || row.sync_set.size() < row.replicas_wanted) return false;
    return true;
  }
  bool somebody_is_lost() const {
    for (const auto& [id, row] : centre_.truth().partitions())
      if (book_.excused(id)) return true;
    return false;
  }

  // --- disks that are lost: at least one sync member must keep what was acknowledged ---
  bool holds_all(const node_id& id, partition_id partition) const {
    auto it = unfit_.find(partition);
    return it == unfit_.end() || !it->second.contains(id);
  }
  bool can_spare(const node& n) const {
    for (const auto& [id, row] : centre_.truth().partitions()) {
      bool others = std::any_of(row.sync_set.begin(), row.sync_set.end(), [&](const auto& other) {
        return other != n.id() && holds_all(other, row.id);
      });
      if (!others) return false;
    }
    return true;
  }
  void note_wiped(node& n) {
    book_.wiped(n.disk());
    for (const auto& [id, row] : centre_.truth().partitions())
      if (std::binary_search(row.sync_set.begin(), row.sync_set.end(), n.id())) {
        unfit_[id].insert(n.id());
        mind(row);
      }
  }
  /// A member that left and came back by joining holds everything again.
  void mind(const partition_row& row) {
    auto& unfit = unfit_[row.id];
    std::erase_if(unfit, [&](const node_id& id) {
      return !std::binary_search(row.sync_set.begin(), row.sync_set.end(), id);
    });
    if (!row.sync_set.empty() && unfit.size() == row.sync_set.size()) {
      if (!book_.excused(row.id)) world_.note("all disks of " + to_string(row.id) + " are lost");
      book_.excuse(row.id);
    }
  }

  void judge() {
    std::vector<const memory_store*> disks;
    for (const auto& n : nodes_) disks.push_back(&n->disk());
    for (const auto& [id, row] : centre_.truth().partitions()) {
      if (book_.excused(id)) continue;
      auto primary = all_.nodes.at(centre_.truth().address_of(row.primary).endpoint);
      auto head = *primary->disk().head(id);
      for (const auto& member : row.sync_set) {
        auto& disk = all_.nodes.at(centre_.truth().address_of(member).endpoint)->disk();
        auto held = disk.head(id);
        require(held && held->version == head.version && held->digest == head.digest
                    && disk.verify(id),
                "P2: at the end the members of " + to_string(id) + " differ: " + member.value
                    + " holds " + (held ? to_string(held->version) : "nothing") + ", "
                    + row.primary.value + " " + to_string(head.version));
      }
      book_.close(id, head.version, head.digest, disks);
    }
    judge_what_clients_saw(book_, record_);
    require(centre_.digests_differ == 0, "P3: a replica was found to differ from its primary");
  }

  engine world_;
  network net_;
  ledger book_;
  parts all_;
  catalog_disk catalog_;
  centre centre_;
  uint32_t partitions_;
  std::vector<std::unique_ptr<node>> nodes_;
  record_book record_;
  std::vector<std::unique_ptr<client>> clients_;
  std::map<partition_id, std::set<node_id>> unfit_; ///< sync members that lost their disk as such
};

} // namespace harbinger::sim
