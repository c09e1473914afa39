#pragma once

#include "messages/risk.hpp"

namespace harbinger {

/// A Predictive Failure Zone.
struct zone {
  zone_id id;
  std::string domain;             ///< "rack=r1" when a whole domain is condemned, else "node=n3"
  std::vector<node_id> members;   ///< sorted; likely to fail together within the horizon
  std::vector<node_id> exposed;   ///< sorted; inside the blast radius, not at risk themselves
  double probability = 0.0;       ///< that at least one member fails within the horizon
  double joint_probability = 0.0; ///< that all members fail within the horizon
  std::vector<std::string> reasons;
  std::vector<double> risks; ///< parallel to members: each one's own probability
  /// Part of joint_probability: one event that takes all members (zones/joint_probability.hpp)
  double common_cause = 0.0;
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
};
template <class V>
void describe(V& v, zone_map& m) {
  v("term", m.term);
  v("generation", m.generation);
  v("zones", m.zones);
  v("braked", m.braked);
  v("left_out", m.left_out);
}

} // namespace harbinger
