#pragma once

/// What one partition needs: is it at risk, how many copies does it lack, and what would each of
/// them be worth. Pure.

#include <optional>
#include <string>

#include "core/settings.hpp"
#include "fleet/fleet.hpp"
#include "zones/none_alive.hpp"

namespace harbinger {

/// How long things take, as far as it was measured; the defaults stand in until it was.
struct recovery_speeds {
  double copy_bytes_per_s = 200e6;    ///< one copy from a live replica, without a limit
  double rebuild_bytes_per_s = 170e6; ///< a replica from mass storage
  double rebuild_fixed_s = 0.25;      ///< and whatever its size
  double promote_s = 0.1;             ///< a copy becomes a replica
  /// A partition that lost everybody stays away so long: until a node is back, or somebody rebuilds
  /// it
  double outage_s = 3600.0;
  friend bool operator==(const recovery_speeds&, const recovery_speeds&) = default;
};

/// Copies under way count as there: the need says what shall exist.
struct copy_need {
  uint8_t missing = 0;      ///< copies to begin
  uint8_t replicas = 0;     ///< living members of the sync set
  uint8_t alive = 0;        ///< living holders: members, joiners, copies that are of use
  bool restore = false;     ///< a replica is missing now; else it is only at risk
  bool at_risk = false;     ///< a living member of the sync set is in a zone
  bool all_at_risk = false; ///< and no living holder outside of the zones
  bool primary_at_risk = false;
  bool short_of_replicas = false; ///< fewer living members than wanted
  float probability = 0.0f;       ///< of the likeliest failure among its members
  /// Expected number of members that fail, the primary counted twice: service stops with it, too.
  float expected_losses = 0.0f;
  double none_alive_now = 0.0;  ///< P(no living holder is left) as things are
  double none_alive_then = 0.0; ///< with the missing copies
};

/// Rules:
/// * A partition is at risk while a living member of its sync set is in a zone. It then needs at
///   least one copy outside of all zones (unless replicas_wanted members outside of them are there
///   already), and as many as bring P(no living holder) to none_alive_target or below; copies_max
///   in all.
/// * With `restore` it needs as many copies as living replicas are missing to replicas_wanted.
/// * Members beyond replicas_wanted count as copies: they were copies until they were escalated
///   (recovery/escalation.hpp).
copy_need need_of(const fleet& cluster, partition_number p, const zone_picture& zones, bool restore,
                  const prefetch_settings& rules);

/// Expected seconds of recovery saved by the missing copy `number` (0: the first): the members that
/// fail, each by what it takes to make a replica from mass storage instead of promoting a copy
/// (first copy only), and by how much less likely the partition is gone, times how long it would
/// be.
double seconds_saved(const copy_need& need, uint32_t number, uint64_t size_bytes,
                     const recovery_speeds& speeds);
/// Bytes that a copy moves: its size, and what changes meanwhile until `deadline_s`.
double cost_bytes(const fleet_partition& partition, double deadline_s);

/// "n1 (primary) in zone 3 with P = 0.6; P(none alive) 0.0006 -> 6e-07 with 1 more".
std::string in_words(const copy_need& need, const fleet& cluster, partition_number p,
                     const zone_picture& zones, restore_method method,
                     const prefetch_settings& rules);

} // namespace harbinger
