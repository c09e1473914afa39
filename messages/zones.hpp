#pragma once

#include "messages/risk.hpp"

namespace harbinger {

/// A Predictive Failure Zone.
struct zone {
  zone_id id;
  /// "rack=r1" when a whole domain is condemned, "moves together" when telemetry says so, else
  /// "node=n3"
  std::string domain;
  std::vector<node_id> members;   ///< sorted; likely to fail together within the horizon
  std::vector<node_id> exposed;   ///< sorted; inside the blast radius, not at risk themselves
  double probability = 0.0;       ///< that at least one member fails within the horizon
  double joint_probability = 0.0; ///< that all members fail within the horizon
  std::vector<std::string> reasons;
  std::vector<double> risks; ///< parallel to members: each one's own probability
  /// Part of joint_probability: one event that takes all members (zones/joint_probability.hpp)
  double common_cause = 0.0;
  /// Seconds from now until the planned event begins that the zone stands for, at least 1; 0: not
  /// planned, then the horizon counts
  double within_s = 0.0;
};
template <class V>
void describe(V& v, zone& m) {
  v("id", m.id);
  v("domain", m.domain);
  v("members", m.members);
  v("exposed", m.exposed);
  v("probability", m.probability);
  v("joint_probability", m.joint_probability);
  v("reasons", m.reasons);
  v("risks", m.risks);
  v("common_cause", m.common_cause);
  v("within_s", m.within_s);
}

/// All zones that stand now; a later generation replaces an earlier one whole. Local, and published
/// on topic "zones".
struct zone_map {
  static constexpr std::string_view wire_name = "zones";
  static constexpr size_t max_bytes = bulk_body_max;
  harbinger::term term;
  uint64_t generation = 0;
  std::vector<zone> zones; ///< by id
  bool braked = false; ///< more nodes looked at risk than the brake allows; the riskiest were taken
  std::vector<node_id> left_out; ///< by the brake
  /// Sorted, "power=p1": members share them, but with them more than zones.exposed_share_max of the
  /// nodes up would be exposed, so that they expose nobody
  std::vector<std::string> unexposed_domains;
};
template <class V>
void describe(V& v, zone_map& m) {
  v("term", m.term);
  v("generation", m.generation);
  v("zones", m.zones);
  v("braked", m.braked);
  v("left_out", m.left_out);
  v("unexposed_domains", m.unexposed_domains);
}

} // namespace harbinger
