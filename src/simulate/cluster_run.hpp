#pragma once

/// One run of simulation.hpp: events in order of their time, and what each of them does. Part of
/// that; nobody else's business.

#include <map>
#include <optional>
#include <queue>
#include <set>
#include <tuple>

#include "prefetch/protection_plan.hpp"
#include "simulate/simulation.hpp"
#include "zones/zone_tracker.hpp"

namespace harbinger::simulate {

class cluster_run {
public:
  cluster_run(const simulation_options& options, const std::vector<failure>& failures,
              const prediction& predicted);
  result<accounts> run(const progress& tell);

private:
  enum class kind : uint8_t {
    failure,
    back,
    verdict,
    scores,
    zones,
    copy,
    rebuild,
    evacuate,
    plan,
    sample
  };
  struct event {
    double at_s = 0;
    kind what = kind::plan;
    uint64_t subject = 0; ///< a node, failure, copy or partition
    uint64_t order = 0;   ///< of two at one time, the kind decides, then who came first
    friend bool operator>(const event& a, const event& b) {
      return std::tie(a.at_s, a.what, a.order) > std::tie(b.at_s, b.what, b.order);
    }
  };
  struct node_facts {
    bool up = true;       ///< in truth; what is known is in the fleet
    bool verdict = false; ///< was declared dead
    const failure* last = nullptr;
    uint32_t primaries = 0;
    uint64_t used_bytes = 0;
    double writes_per_s = 0;
    double rate_out = 0, rate_in = 0; ///< of copies under way
    bool usage_changed = false;
    bool endangered = false;
    double in_zone_since = -1;          ///< -1: in none
    uint32_t handed_over = 0, left = 0; ///< primaries, members; since it is endangered
  };
  struct partition_facts {
    double unserved_since = -1;    ///< -1: served
    double served_from = 0;        ///< a promotion is under way until then
    double short_since = -1;       ///< -1: has all its members
    double waits_since = -1;       ///< its writes, for a dead member; -1: they do not
    double handed_over_s = -1e9;   ///< last
    uint32_t stopped_by = 0;       ///< place in failures_, while it is not served
    bool lost = false;             ///< nobody of its sync set was left meanwhile
    node_number extra = no_number; ///< joined because of a zone
  };
  struct running_copy {
    copy_in_flight what;
    bool restore = false;
    double begun_s = 0, ends_s = 0, bytes = 0;
  };
  using copy_key = std::pair<partition_number, node_number>;

  void at(double t, kind what, uint64_t subject = 0);
  void plan_soon();
  void zones_at(double t);
  result<> prepare();
  void take(const event& e);
  time_point clock() const { return time_point{} + from_seconds(now_ + 1); }

  // failures: cluster_run_failures.cpp
  void on_failure(const failure& f);
  void on_verdict(const failure& f);
  void on_back(const failure& f);
  void count_coverage(const failure& f);
  void repair(partition_number p, uint32_t& place_in_line);
  void serve(partition_number p, double from_s);
  void on_rebuild(partition_number p);
  void begin_rebuilds();
  size_t living_members(std::span<const holder> holders) const;
  node_number next_primary(std::span<const holder> members) const;
  void refill(partition_number p, std::vector<holder>& holders);
  void put(partition_number p, const std::vector<holder>& holders);
  std::vector<holder> holders_of(partition_number p) const;
  void settle_extra(partition_number p, std::span<const holder> holders);
  double requests_to(partition_number p, double from_s, double to_s) const;
  void use(node_number n, double bytes, double writes_per_s);
  void set_state(node_number n, node_state state);
  void note_members(partition_number p);

  // copies: cluster_run_copies.cpp
  void on_plan();
  void begin(const copy_to_begin& c);
  void on_copy_done(uint64_t number);
  void abort(uint64_t number);
  void load(const running_copy& c, double sign);
  void flush_usage();
  void preempt(const std::set<partition_number>& begun);
  std::vector<copy_in_flight> in_flight() const;
  void abort_copies_of(node_number n);
  void remove(const surplus_copy& s);
  void copy_used(partition_number p, node_number n);
  void copy_gone(partition_number p, node_number n);
  void follow(double rate_change);
  void check_budgets(const running_copy& c);
  void allow();

  // zones: cluster_run_zones.cpp
  void on_scores();
  void on_zones();
  void adopt_zones();
  bool condemned(partition_number p) const;
  bool threatened(partition_number p) const;
  void escalate(partition_number p);
  void deescalate();
  bool in_zone(node_number n) const { return nodes_[n].in_zone_since >= 0; }
  /// Members are, too.
  bool exposed(node_number n) const { return zone_probability_[n] > 0; }
  void note_members_of_zones();

  // evacuation: cluster_run_evacuation.cpp
  bool note_endangered(); ///< true: they are others now
  void evacuate_endangered();
  bool is_to_move(const holder& h) const;
  void evacuate(partition_number p);
  void count_target(node_number n);
  void join_to_leave(partition_number p);
  void hand_over(partition_number p);
  bool leave(partition_number p);
  void note_waiting(partition_number p);

  void on_sample();
  void finish();
  void check() const;

  const simulation_options& options_;
  const std::vector<failure>& failures_;
  const prediction& predicted_;
  double end_s_;
  double now_ = 0;
  uint64_t next_order_ = 0;
  std::priority_queue<event, std::vector<event>, std::greater<>> queue_;
  double plan_at_ = -1;
  std::set<double> zones_due_;
  size_t next_score_ = 0;

  fleet cluster_;
  protection_plan plan_{cluster_};
  accounts accounts_;
  std::map<node_id, node_row> row_by_id_; ///< as the zone tracker wants them
  std::vector<node_facts> nodes_;
  std::vector<partition_facts> partitions_;
  std::vector<node_number> usage_changed_;

  std::map<uint64_t, running_copy> copies_; ///< under way, by number
  std::map<copy_key, uint64_t> copy_numbers_;
  std::vector<std::set<uint64_t>> copies_at_; ///< by node: from or to it
  uint64_t next_copy_ = 0;
  std::map<copy_key, double> ready_bytes_; ///< copies that stand: what was moved for them
  double following_ = 0, followed_until_ = 0;
  uint64_t unserved_ = 0, short_ = 0;
  double last_preempt_ = 0;
  std::map<partition_number, node_number> rebuilding_; ///< on which node
  std::set<partition_number> rebuilds_waiting_;
  double total_rate_ = 0;
  std::optional<attribute_number> link_;
  std::vector<double> link_out_, link_in_;

  zone_tracker tracker_{term{1}, 1, 1};
  std::map<node_number, node_risk> risks_; ///< of nodes that something was said of
  std::vector<double> zone_probability_;   ///< by node: of the zone it is in, or exposed to; 0
  std::set<partition_number> escalated_;
  std::vector<node_number> endangered_; ///< sorted
  size_t nodes_in_zones_ = 0;
  double zones_counted_until_ = 0;
  bool was_braked_ = false;
};

} // namespace harbinger::simulate
