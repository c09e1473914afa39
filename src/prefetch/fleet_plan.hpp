#pragma once

/// Which copies shall exist, in which order they are made, and where: the protection plan of a
/// whole cluster, kept up to date change by change. Pure.

#include <functional>
#include <map>
#include <set>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "fleet/fleet.hpp"
#include "messages/local.hpp"
#include "placement/placer.hpp"
#include "prefetch/copy_need.hpp"
#include "zones/zone_picture.hpp"

namespace harbinger {

/// One copy that shall be made.
struct planned_copy {
  partition_number partition = 0;
  uint32_t number = 0;             ///< 0 for the first copy that this partition lacks, 1 ...
  node_number target = no_number;  ///< no_number: nobody passes the filters
  copy_need need;                  ///< of the partition
  double worth = 0.0;              ///< expected seconds of recovery saved per MiB
  double finish_s = 0.0;           ///< estimate: from now, when everything before it is made
  double deadline_s = 0.0;         ///< from now; when the horizon of its zone is over
  bool late() const { return finish_s > deadline_s; }
};

/// A copy that shall go.
struct surplus_holding {
  partition_number partition = 0;
  node_number node = no_number;
  std::string reason;
};

/// A copy that is being made.
struct copy_in_flight {
  partition_number partition = 0;
  node_number source = no_number;
  node_number target = no_number;
  uint64_t rate_bytes_per_s = 0; ///< what it was given; 0: without limit
};

/// A copy to begin now, with what it may take.
struct copy_to_begin {
  const planned_copy* copy = nullptr;
  node_number source = no_number;
  uint64_t rate_bytes_per_s = 0; ///< 0: without limit
};

struct plan_rules {
  prefetch_settings prefetch;
  placement_settings placement;
  double horizon_s = 3600.0;
  recovery_speeds speeds;
};

/// Rules: docs/PLANNING.md.
class fleet_plan {
public:
  /// The zones as they are now; what they changed is looked at in the next step.
  void set_zones(zone_map zones, const fleet& world, time_point now);
  /// Holders, size or broken copies of this partition changed.
  void touch(partition_number p) { dirty_.insert(p); }
  /// Recovery lacks a replica of it, or (nullopt) no longer.
  void restore(partition_number p, std::optional<restore_method> method);
  /// Brings the plan up to date: looks at partitions that were touched, that have a replica on a
  /// node whose standing changed, or were to go to one. Everything, when rules changed or the first
  /// time.
  void step(const fleet& world, const plan_rules& rules, time_point now);

  /// In the order in which they shall be made.
  const std::vector<planned_copy>& copies() const { return copies_; }
  /// Copies that are of no use any more, by partition and node.
  std::vector<surplus_holding> surplus(const fleet& world, time_point now) const;
  /// Which copies may begin now inside all budgets.
  std::vector<copy_to_begin> begin(const fleet& world,
                                   const std::vector<copy_in_flight>& in_flight) const;
  /// Which copies under way give way to more urgent ones that wait.
  std::vector<surplus_holding> preempted(const fleet& world,
                                         const std::vector<copy_in_flight>& in_flight) const;

private:
  std::set<partition_number> dirty_;
  std::vector<planned_copy> copies_;
};

} // namespace harbinger
