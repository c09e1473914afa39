#pragma once

/// Which nodes lie in Predictive Failure Zones, for clients: small enough to be asked for again and
/// again, which the map is not.

#include "messages/common.hpp"

namespace harbinger {

/// Client to the centre's control socket. Reply: nodes_at_risk.
struct risk_request {
  static constexpr std::string_view wire_name = "risk.get";
  static constexpr size_t max_bytes = control_body_max;
};
template <class V>
void describe(V&, risk_request&) {}

struct nodes_at_risk {
  static constexpr std::string_view wire_name = "risk";
  static constexpr size_t max_bytes = control_body_max;
  harbinger::term term;
  bool known = false;         ///< false: this life of the centre knows no zones yet
  std::vector<node_id> nodes; ///< sorted; members of zones, not who is merely exposed
  uint32_t age_ms = 0;        ///< since the zones were last confirmed, which is done each second
};
template <class V>
void describe(V& v, nodes_at_risk& m) {
  v("term", m.term);
  v("known", m.known);
  v("nodes", m.nodes);
  v("age_ms", m.age_ms);
}

} // namespace harbinger
