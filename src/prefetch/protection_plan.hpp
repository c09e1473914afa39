#pragma once

/// Which copies shall exist, in which order they are made, and where: the protection plan of a
/// whole cluster, kept up to date change by change. Pure; one owner. The rules in prose:
/// docs/PLANNING.md.

#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "fleet/fleet.hpp"
#include "placement/placer.hpp"
#include "prefetch/copy_need.hpp"
#include "prefetch/in_time.hpp"
#include "zones/zone_picture.hpp"

namespace harbinger {

struct plan_rules {
  prefetch_settings prefetch;
  placement_settings placement;
  std::vector<std::string> domains; ///< zones.domains
  double horizon_s = 3600.0;        ///< deadline of copies for zones that name none
  recovery_speeds speeds;
  friend bool operator==(const plan_rules&, const plan_rules&) = default;
};

/// One copy that shall be made.
struct planned_copy {
  partition_number partition = 0;
  uint32_t number = 0;            ///< 0 for the first copy that this partition lacks, 1 ...
  node_number source = no_number; ///< no_number: nobody lives to copy from
  node_number target = no_number; ///< no_number: nobody passes the filters
  bool restore = false;
  double bytes = 0.0;      ///< what it moves: size, and changes until the deadline
  double worth = 0.0;      ///< expected seconds of recovery saved per MiB moved, 64 KiB at least
  double saved_s = 0.0;    ///< expected seconds of recovery saved
  double finish_s = 0.0;   ///< from now, when everything before it is made (estimate)
  double deadline_s = 0.0; ///< from now
  bool late() const { return finish_s > deadline_s; }
};

/// A copy that is being made.
struct copy_in_flight {
  partition_number partition = 0;
  node_number source = no_number;
  node_number target = no_number;
  uint64_t rate_bytes_per_s = 0; ///< what it was given; 0: without limit
  uint64_t remaining_bytes = 0;
  friend bool operator==(const copy_in_flight&, const copy_in_flight&) = default;
};

/// A copy to begin now, with what it may take.
struct copy_to_begin {
  planned_copy copy;
  uint64_t rate_bytes_per_s = 0; ///< 0: without limit
};

/// A copy that shall go.
struct surplus_copy {
  partition_number partition = 0;
  node_number node = no_number;
  bool node_dead = false; ///< nobody to tell
  std::string reason;
  friend bool operator==(const surplus_copy&, const surplus_copy&) = default;
};

/// Order: restores first, fewest living holders first; then by worth; ties by partition id, then
/// number. Where not all can be in time, those that save most together are (in_time.hpp), and the
/// others go behind them. Where deadlines differ, a copy that can not wait comes before what is
/// worth more and can: from the last place to the first, the least worth of those that may be that
/// late (the backward rule of Smith 1956 and Lawler 1973). Targets are chosen by worth; one that
/// was chosen stays while it passes the filters. In the step that chooses them, copies make way for
/// one that would get its node past the fair share (paths of exchanges: Harvey, Ladner, Lovasz,
/// Tamir 2003).
///
/// A copy is surplus: at once when its node is dead or it is of no use; keep_after_zone_s after its
/// partition was last at risk or short of replicas; before that, least useful first (longest not
/// needed), where a copy that is needed finds room nowhere. One that joins the sync set never is.
class protection_plan {
public:
  /// Scales of scores are taken anew so often.
  static constexpr seconds refresh_every{5};
  /// Copies without a target that are tried again at each step, and for which room is made; all of
  /// them are tried when rules changed or a node became safe.
  static constexpr size_t retries_each_step = 64;
  static constexpr size_t preempted_max = 64;
  /// So many nodes are looked at in a step to move copies placed in it, where another would get a
  /// node past its fair share.
  static constexpr size_t looks_each_step = 100'000;
  /// Copies nobody needs that are looked at, oldest first, to make room for one.
  static constexpr size_t idle_looked_at_max = 1024;
  /// So many copies are looked at for one that fits the budgets.
  static constexpr size_t look_ahead_max = 4096;
  static constexpr uint64_t rate_least = 1 << 20; ///< no copy is begun with less, bytes/s

  /// `cluster` outlives it; its take_changes() belongs to the plan.
  explicit protection_plan(fleet& cluster) : cluster_(&cluster), placer_(cluster) {}

  /// What they change is looked at in the next step. The same rules again change nothing.
  void set_rules(plan_rules rules);
  void set_zones(const zone_map& zones);
  /// Probability of failure by node number, for scores; see placer.
  void set_risks(std::vector<float> risks) { placer_.set_risks(std::move(risks)); }
  /// Recovery lacks a replica of it, or no longer.
  void set_restore(partition_number p, bool wanted);
  /// A copy of it failed there: no target, until taken back.
  void keep_away(partition_number p, node_number n, bool away);
  void set_in_flight(std::vector<copy_in_flight> copies);

  /// Brings the plan up to date: looks at partitions that changed, that have a replica on a node
  /// whose standing changed, or were to go to one. All of them, when rules changed.
  void step(time_point now);

  /// In the order in which they shall be made.
  std::vector<planned_copy> copies() const;
  size_t missing() const { return order_.size(); }
  /// Partitions that lack a copy for which nobody passes the filters.
  const std::set<partition_number>& without_target() const { return unplaced_; }
  /// By partition number, then node.
  std::vector<surplus_copy> surplus(time_point now) const;
  /// Which copies may begin now inside all budgets, besides those in flight; none of `not_now`.
  std::vector<copy_to_begin> begin(const std::set<partition_number>& not_now) const;
  /// Copies in flight that give way, each to one that waits and is held up by a budget that both
  /// need: the least worth of them. One to each restore (at most preempted_max at a time), else one
  /// to a copy that is worth preempt_factor times as much. Restores give way to nobody.
  std::vector<surplus_copy> preempted(const std::set<partition_number>& not_now) const;

  /// Whether a restore could be made, and is neither begun nor in `not_now`.
  bool restores_wait(const std::set<partition_number>& not_now) const;

  copy_need need(partition_number p) const;
  const zone_picture& zones() const { return zones_; }
  const placer& places() const { return placer_; }
  const plan_rules& rules() const { return rules_; }
  /// For the next copy of this partition.
  struct next_query {
    std::vector<node_number> chosen, keep_away;
    placer_query query;
  };
  next_query query_of(partition_number p) const;
  /// Targets that were chosen for copies not yet begun.
  std::vector<node_number> targets(partition_number p) const;
  size_t memory_bytes() const;

private:
  static constexpr uint32_t none = UINT32_MAX;
  static constexpr size_t deadlines_max = 16;
  static constexpr double least_bytes = 64 << 10; ///< a copy has a fixed part, whatever its size
  static constexpr size_t targets_max = 8;        ///< prefetch.copies_max at most
  static constexpr time_point rolling = time_point::max();
  /// A planned event is taken to begin when it was said to first, unless it moves by more than
  /// this.
  static constexpr seconds due_jitter{5};
  struct entry {
    partition_number partition = 0;
    bool used = false;
    bool needed = false; ///< at risk, or short of replicas
    bool idle = false;   ///< in idle_
    bool bad = false;    ///< has a copy to be removed at once
    bool queued = false; ///< at each target
    uint8_t targets = 0;
    copy_need need;
    time_point needed_last{};
    time_point due = rolling; ///< begin of the first planned event; rolling: the horizon counts
    double bytes = 0.0;
    node_number source = no_number;
    node_number queued_at = no_number; ///< of restores: the source that the placer was told
    uint64_t promised_bytes = 0;       ///< to each target
    std::array<node_number, targets_max> target{};
  };
  struct place_in_order {
    uint32_t urgency = 0; ///< restores by living holders, then all others
    float finish_s = 0.0f;
    double worth = 0.0;
    uint64_t id = 0;
    uint32_t slot = 0;
    uint32_t number = 0;
    friend bool operator<(const place_in_order& a, const place_in_order& b) {
      if (a.urgency != b.urgency) return a.urgency < b.urgency;
      if (a.worth != b.worth) return a.worth > b.worth;
      return a.id != b.id ? a.id < b.id : a.number < b.number;
    }
  };
  class budget;

  std::vector<partition_number> concerned(const std::vector<node_number>& moved,
                                          const zone_picture& before, const fleet::changes& news);
  void bring_placer_up(const std::vector<node_number>& moved, const fleet::changes& news);
  void assess(partition_number p, time_point now);
  void keep_targets(const std::vector<partition_number>& dirty);
  void keep_targets(entry& e, std::span<const node_number> had);
  place_in_order in_order(uint32_t slot, uint32_t number) const;
  void add_retries(std::vector<partition_number>& list, bool all);
  void promise(entry& e, node_number target);
  void release_all(entry& e);
  void queue_at_source(entry& e, node_number source);
  void place_missing(const std::vector<partition_number>& dirty);
  void place_one(uint32_t slot);
  /// A copy that was placed in this step.
  struct placed_copy {
    uint32_t slot = 0;
    size_t number = 0;
  };
  placer_query query_but(const placed_copy& c, std::vector<node_number>& others) const;
  node_number make_way(uint32_t slot, node_number chosen, const placer_query& query);
  void make_room(partition_number p, const placer_query& query);
  void evict_idle_on(node_number n, uint64_t bytes, partition_number room_for);
  bool may_be_evicted(partition_number kept, node_number n) const;
  void order(const std::vector<partition_number>& dirty);
  void schedule();
  /// A copy in order_, as far as time is concerned.
  struct job {
    transfer uses;
    double deadline_s = 0.0;
    bool restore = false;
    bool moves = false;  ///< has a target
    bool chosen = false; ///< to be in time
  };
  bool all_in_time(const std::vector<job>& jobs, budget spent); ///< else sequence_ is not whole
  void choose_in_time(std::vector<job>& jobs, budget spent);
  static std::vector<double> deadlines_of(const std::vector<job>& jobs);
  static void by_worth_and_deadline(std::vector<uint32_t>& in_time, const std::vector<job>& jobs,
                                    budget spent);
  double worth_of(const entry& e, uint32_t number) const;
  double worth_in_flight(const copy_in_flight& c) const;
  /// Notes when planned events begin; members of zones for which that is news.
  std::vector<node_number> note_planned_events();
  time_point due_of(partition_number p) const;
  double deadline_s(time_point due) const;
  node_number source_of(partition_number p) const;
  planned_copy planned(const place_in_order& place) const;
  uint32_t slot_for(partition_number p);
  void forget(uint32_t slot);
  const entry* entry_of(partition_number p) const;

  fleet* cluster_;
  placer placer_;
  plan_rules rules_;
  bool rules_changed_ = true;
  zone_map zone_map_;
  bool zones_changed_ = false;
  zone_picture zones_;
  time_point refreshed_{};
  time_point now_{};                      ///< of the last step
  std::map<uint64_t, time_point> due_of_; ///< planned events, by zone id
  std::vector<uint32_t> slot_of_;         ///< by partition; none
  std::vector<entry> entries_;
  std::vector<uint32_t> free_slots_;
  std::vector<place_in_order> order_; ///< sorted
  std::vector<uint32_t> sequence_;    ///< of order_'s places: what is late behind the rest
  std::vector<std::vector<partition_number>> planned_to_; ///< by node; may name some twice
  std::vector<node_state> states_;                        ///< by node, at the last step
  std::set<partition_number> restores_;
  std::map<partition_number, std::set<node_number>> away_;
  std::set<partition_number> touched_;
  std::set<partition_number> unplaced_;
  partition_number retried_ = 0; ///< the last of unplaced_ that was tried again
  std::set<std::pair<time_point, partition_number>> idle_; ///< copies nobody needs now
  std::set<partition_number> bad_;
  /// To make room, and for which partition; counts while that finds no target.
  std::map<std::pair<partition_number, node_number>, partition_number> evict_;
  size_t room_made_ = 0;                                   ///< so often in this step
  std::map<node_number, std::vector<placed_copy>> placed_; ///< in this step
  size_t looks_left_ = 0;                                  ///< at nodes, to even out this step
  std::vector<copy_in_flight> in_flight_;
  bool in_flight_changed_ = false;
};

} // namespace harbinger
