#pragma once

/// Which copies shall exist: the protection plan. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/zones.hpp"

namespace harbinger {

/// P(a node in no zone fails within the horizon). Stands in for what the predictor has not singled
/// out.
inline constexpr double base_failure_probability = 1e-3;

/// One partition to plan for. `row` outlives the call.
struct plan_subject {
  const partition_row* row = nullptr;
  uint64_t size_bytes = 0;               ///< newest known; 0: not known yet
  std::optional<restore_method> restore; ///< recovery lacks a replica
  std::set<node_id> broken; ///< holders of copies that are of no use: given up, or another digest
                            ///< than the primary's
};

struct wanted_copy {
  partition_id partition;
  uint32_t missing = 0; ///< copies to begin, 1 or more
  bool restore = false; ///< a replica is missing now; else it is only at risk
  restore_method method = restore_method::pull;
  bool all_at_risk = false; ///< no live replica or copy outside of the zones
  bool primary_at_risk = false;
  double probability = 0.0;     ///< of the likeliest failure among its replicas
  double none_alive_now = 0.0;  ///< P(no live replica or copy) as things are
  double none_alive_then = 0.0; ///< with the missing copies
  size_t alive = 0;             ///< live replicas and copies
  uint64_t size_bytes = 0;
  std::string reason;
};

struct surplus_copy {
  partition_id partition;
  node_id node;
  copy_id copy;
  bool node_dead = false; ///< nobody to tell
  std::string reason;
};

struct protection_plan {
  std::vector<wanted_copy> wanted;   ///< most worth first
  std::vector<surplus_copy> surplus; ///< by partition, then node
};

/// P(all of `holders` fail within the horizon): zone members by the zone's common-cause model
/// (zones/joint_probability.hpp), zones independent of each other, everybody else with
/// base_failure_probability. 1 for no holders.
double none_alive(const std::set<node_id>& holders, const zone_map& zones);

/// Rules:
/// * A partition is at risk while a live member of its sync set is in a zone. It then needs at
/// least one copy outside of all
///   zones (unless replicas_wanted members outside of them are there already), and as many as bring
///   P(no live replica or copy) to none_alive_target or below; copies_max in all.
/// * A partition to restore needs as many copies as live replicas are missing to replicas_wanted.
/// * Copies under way count as there: the plan says what shall exist. So do members of the sync set
/// beyond replicas_wanted: they were copies until they were escalated (recovery/escalation.hpp).
/// * Order: restores first, fewest live holders first. Then partitions that have nothing outside of
/// the zones: they would be gone with them, and only a copy can be escalated. Then by expected
/// recovery time saved per byte: losing a primary stops
///   service, losing a secondary does not, so primaries at risk come first; then the larger
///   probability (in steps of 0.01); then the smaller partition, since a recovery has a fixed part;
///   then the id.
/// * A copy is surplus when its node is dead or it is of no use, at once; and keep_after_zone_s
/// after its partition was last
///   at risk or short of replicas. A copy that is joining the sync set is never surplus.
///
/// Only the partitions given are looked at, each by itself: to replan one zone, give the partitions
/// of its members.
class protection_planner {
public:
  protection_plan step(const std::vector<plan_subject>& subjects, const zone_map& zones,
                       const std::map<node_id, node_row>& nodes, const prefetch_settings& rules,
                       time_point now);

private:
  std::map<partition_id, time_point>
      last_needed_; ///< partitions with copies, and those at risk, only
};

/// A copy that is being made, as far as the budgets are concerned.
struct copy_under_way {
  partition_id partition;
  node_id source;
};

/// Which of the plan's copies may begin now, in the plan's order: concurrent_max in all,
/// concurrent_per_node_max from one source (the primary; targets are placement's filter), one
/// beginning a partition. `source_of`: the primary, or whoever would be asked first.
std::vector<wanted_copy> within_budget(const protection_plan& plan,
                                       const std::vector<copy_under_way>& under_way,
                                       const std::map<partition_id, node_id>& source_of,
                                       const prefetch_settings& rules);

} // namespace harbinger
