#pragma once

/// What a simulated run is judged by. Pure sums; who calls decides what happened.

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "simulate/failure_process.hpp"

namespace harbinger::simulate {

/// Why a partition was not served.
enum class outage_kind : uint8_t {
  failover, ///< its primary failed and another member took over
  all_lost, ///< no member of its sync set was left
};
constexpr auto enum_names(outage_kind) { return std::array{"failover", "all_lost"}; }
inline constexpr size_t outage_kinds = 2;

struct outage_sum {
  uint64_t count = 0;
  double seconds = 0; ///< partition-seconds
  double requests = 0;
  double longest_s = 0;
};

/// Values of one hour's end.
struct sample {
  double at_s = 0;
  uint32_t zones = 0, nodes_in_zones = 0, nodes_down = 0;
  uint64_t ready_copies = 0, copying = 0, waiting = 0;
  uint64_t short_of_replicas = 0, unserved = 0;
  double copies_over_best = 1;       ///< by capacity, on safe nodes
  double replicas_max_over_mean = 1; ///< on nodes that are up
};

/// Whether nodes that failed had been provided for.
struct coverage {
  uint64_t failures = 0;
  uint64_t predicted = 0;        ///< were in a zone
  uint64_t covered = 0;          ///< and all partitions they were a member of had a ready copy
  uint64_t replicas = 0;         ///< memberships that were lost
  uint64_t replicas_covered = 0; ///< of partitions with a ready copy, or a member more than wanted
};

struct copy_sum {
  uint64_t begun = 0, done = 0, aborted = 0;
  double bytes = 0; ///< moved, those of aborted ones too
};

class accounts {
public:
  void outage(const failure& by, outage_kind kind, double from_s, double to_s, double requests);
  /// A primary handed over; nobody is to blame for it.
  void hand_over(double seconds, double requests);
  /// `in_zone_s`: how long its node had been in a zone; negative: it was in none.
  void failed(const failure& f, double in_zone_s);
  const outage_sum& of(failure_cause cause, outage_kind kind) const {
    return outages_[static_cast<size_t>(cause)][static_cast<size_t>(kind)];
  }
  outage_sum of(failure_cause cause) const;
  outage_sum of(outage_kind kind) const;
  const outage_sum& handed_over() const { return handed_over_; }
  outage_sum all() const; ///< outages and hand-overs

  struct event_sum {
    failure_cause cause = failure_cause::node;
    double first_s = 0;
    uint32_t nodes = 0, in_zones = 0; ///< when they failed
    double lead_s = 0;                ///< the longest that one of them had been in a zone
    double seconds = 0;               ///< partition-seconds
  };
  const std::map<uint32_t, event_sum>& events() const { return events_; }

  /// A primary that served waited so long for a dead member.
  void writes_waited(double partition_seconds);
  const outage_sum& waited() const { return waited_; }

  /// A partition had its wanted number of living members again after so long.
  void restored(double after_s);
  struct restore_sum {
    uint64_t count = 0;
    double mean_s = 0, p99_s = 0, longest_s = 0;
    double exposed_partition_s = 0; ///< with members missing
  };
  restore_sum restores() const;
  void exposed(double partition_seconds) { exposed_s_ += partition_seconds; }

  std::array<coverage, causes> covered{}; ///< by cause
  copy_sum protective, restoring;
  double following_bytes = 0; ///< changes sent to copies that wait
  uint64_t copies_used = 0;   ///< became members
  uint64_t copies_unused = 0; ///< were removed after nothing had come of it, or are left at the end
  double unused_bytes = 0;    ///< those: what they had moved
  double rebuilt_bytes = 0;   ///< from mass storage
  uint64_t lost_tails = 0;    ///< partitions served again without their last writes
  uint64_t escalated = 0;     ///< copies that joined a sync set because all members were condemned
  uint64_t joined_to_leave = 0;                       ///< and because one was to leave
  uint64_t left = 0;                                  ///< members that left an endangered node
  uint64_t left_in_time = 0, handed_over_in_time = 0; ///< and it failed, as had been expected
  uint64_t zone_changes = 0, brakes = 0, plan_steps = 0;
  double zone_node_s = 0; ///< node-seconds in zones
  /// Largest seen, each against its budget (0: none)
  struct peak {
    double seen = 0, allowed = 0;
    void see(double x) { seen = x > seen ? x : seen; }
    bool held() const { return allowed <= 0 || seen <= allowed * (1 + 1e-9); }
  };
  struct {
    peak concurrent, concurrent_per_node, copy_rate, total_rate, node_rate, link_rate, copy_space,
        zone_share;
    /// Of copies: chosen while in a zone, exposed or not up; of joins and hand-overs: while in a
    /// zone or not up.
    uint64_t unsafe_targets = 0;
  } budgets;
  bool budgets_held() const;
  std::vector<sample> samples;

private:
  std::array<std::array<outage_sum, outage_kinds>, causes> outages_{};
  outage_sum handed_over_, waited_;
  std::map<uint32_t, event_sum> events_;
  std::vector<float> restored_s_;
  double exposed_s_ = 0;
};

} // namespace harbinger::simulate
