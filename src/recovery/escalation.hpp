#pragma once

/// Escalation: while zones threaten every member of a partition's sync set, a ready copy outside of
/// them joins it, so that the loss of all of them at one instant loses no acknowledged write. It is
/// an ordinary joiner (docs/ARCHITECTURE.md, "Joining"); once in, it is a member like any other:
/// the row does not remember who came last. A partition is escalated while its sync set is larger
/// than replicas_wanted. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "messages/zones.hpp"
#include "recovery/partition_recovery.hpp"

namespace harbinger::recovery {

/// Members that a sync set may have beyond replicas_wanted: one, and one more when that one gets
/// into danger too.
inline constexpr uint32_t extra_members_max = 2;
/// Nobody leaves before zones have threatened the partition no more for so long: longer than a
/// death is on its way to everybody, for a zone also dissolves by the death of its members.
inline constexpr uint32_t calm_ms = 10'000;
/// After a joiner that failed, the partition is not escalated again for so long.
inline constexpr uint32_t escalation_rest_ms = 60'000;

struct escalation_rules {
  double at = 0.9; ///< probability of a zone; 1: practically never
  /// With a member too many at once; 0: none. Those that only have an endangered member get half.
  uint32_t partitions_max = 1024;
  std::vector<std::string> spread; ///< attributes that members should not share
  double evacuate_at = 1.0;        ///< probability of a node; 1: never for a prediction
};

/// The newest zone map, by node.
class threats {
public:
  threats() = default; ///< no map has come: nothing is known
  explicit threats(zone_map zones, double evacuate_at = 1.0);

  struct threat {
    zone_id zone;
    double probability = 0.0; ///< of the zone
    bool member = false;      ///< else exposed
    bool endangered = false;  ///< to be emptied (zones/endangered.hpp)
    bool planned = false;     ///< because it will be taken down
    double risk = 0.0; ///< of a member: its own, or the zone's common cause if that is larger
  };
  bool known() const { return known_; }
  const zone_map& zones() const { return zones_; }
  /// Every node in a zone or exposed to one.
  const std::map<node_id, std::vector<threat>>& nodes() const { return nodes_; }
  bool in_zone(const node_id& node) const;
  bool exposed(const node_id& node) const;
  /// The likeliest zone that the node is in or exposed to; null: none.
  const threat* worst(const node_id& node) const;
  /// Of the zones because of which the node is to be emptied, the one with the highest risk for it;
  /// null: it is not to be.
  const threat* endangers(const node_id& node) const;

private:
  bool known_ = false;
  zone_map zones_;
  std::map<node_id, std::vector<threat>> nodes_;
};

inline bool escalated(const partition_row& row) {
  return row.sync_set.size() > row.replicas_wanted;
}
/// Escalated, or on the way to it.
inline bool escalating(const partition_row& row) {
  return row.sync_set.size() + row.joiners.size() > row.replicas_wanted;
}

/// Every living member is in, or exposed to, a zone with a probability of `at` or more: which, in
/// words. Nothing: at least one is not.
std::optional<std::string> condemned(const partition_row& row, const surroundings& around,
                                     const threats& danger, double at);
/// A member is in a zone, or so many are exposed that fewer than replicas_wanted would be left. An
/// escalated partition stays so meanwhile. True when nothing is known.
bool threatened(const partition_row& row, const threats& danger);

/// Up, not only not dead, and configured: it acknowledges what the primary commits now.
bool serves(const partition_row& row, const node_id& id, const surroundings& around);
/// Members of the sync set that serve, but this one.
size_t others_that_serve(const partition_row& row, const node_id& id, const surroundings& around);

/// Which partitions may be escalated under the budget, be it for long because they are condemned,
/// or until an endangered member has left (evacuation.hpp).
struct escalation_budget {
  std::set<partition_id> admitted; ///< with a copy to take, and room for them
  size_t standing = 0;             ///< escalated already, or on the way
  size_t left_out = 0;             ///< condemned, with a copy to take, and no room
};
/// Those that are escalated already stay; then the condemned, then those with an endangered member;
/// of each the largest P(no member survives) first, then the id.
escalation_budget admit(const surroundings& around, const threats& danger,
                        const escalation_rules& rules);

/// One member more or less, and why; `row` equal to the present one: nothing to do.
struct escalation_step {
  partition_row row;
  std::string reason;
};
/// A ready copy outside of all zones becomes a joiner, because the partition is condemned or has an
/// endangered member; preferably one that is exposed to none and
/// never one that is exposed to a zone which condemns a member; precondition: admitted.
escalation_step escalate(const partition_row& row, const surroundings& around,
                         const threats& danger, const escalation_rules& rules);
/// A member that is not the primary leaves, when `calm_since` is calm_ms ago and as many members as
/// wanted stay that are up and configured for this row's epoch. Who leaves: who shares most
/// `spread` attributes with the others, then whose node has most replicas, then the largest id. Its
/// replica is dropped as any that no row mentions.
escalation_step deescalate(const partition_row& row, const surroundings& around,
                           std::optional<time_point> calm_since, const escalation_rules& rules);

} // namespace harbinger::recovery
