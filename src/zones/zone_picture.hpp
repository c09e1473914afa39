#pragma once

/// What each node is in the zones that stand, by its number. Pure.

#include "fleet/topology.hpp"
#include "messages/zones.hpp"

namespace harbinger {

struct node_standing {
  uint32_t zone = no_number; ///< place in the map's zones; no_number: a member of none
  double risk = 0.0;         ///< its own probability, for members
  double own = 0.0; ///< what is left of it once the zone's common cause is taken out
  uint32_t exposed_by = no_number; ///< place in the map's zones
  bool left_out = false;           ///< at risk, but the brake left it out
  /// In no zone and exposed by none; whether it is up is another question.
  bool safe() const { return zone == no_number && exposed_by == no_number; }
  friend bool operator==(const node_standing&, const node_standing&) = default;
};

class zone_picture {
public:
  zone_picture() = default;
  /// Names that the topology does not know are passed over.
  zone_picture(const zone_map& zones, const topology& nodes);

  /// Nodes that came later are safe.
  const node_standing& of(node_number n) const;
  size_t zones() const { return zones_.size(); }
  zone_id id(uint32_t zone) const { return zones_[zone].id; }
  double common_cause(uint32_t zone) const { return zones_[zone].common_cause; }
  const std::vector<node_number>& members(uint32_t zone) const { return zones_[zone].members; }
  /// Nodes whose part in none_alive, or whose safety, is another than in `before`.
  std::vector<node_number> differing(const zone_picture& before) const;

private:
  struct entry {
    zone_id id;
    double common_cause = 0.0;
    std::vector<node_number> members;
  };
  std::vector<node_standing> standings_;
  std::vector<entry> zones_;
};

} // namespace harbinger
