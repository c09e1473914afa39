#pragma once

/// Who stands in the blast radius of a zone. Pure and deterministic.

#include <string>
#include <vector>

#include "core/settings.hpp"
#include "zones/zone_group.hpp"

namespace harbinger {

/// The domains by whose values members expose their neighbours.
struct exposure {
  std::vector<domain_number> exposing;   ///< sorted
  std::vector<domain_number> unexposing; ///< sorted; past the limit, so that they expose nobody
  size_t exposed = 0;                    ///< nodes, each counted once
};

/// A node is exposed when it is alive, in no zone, and shares the value of a `zones.domains`
/// attribute with a member. At most exposed_share_max of the nodes alive may be: domains that are
/// zones themselves enter first, then the others, each from the one with the fewest nodes alive to
/// the one with the most, ties by name; one that does not fit exposes nobody, and a later one may
/// still fit. What is planned for a node says nothing about its neighbours: such zones expose
/// nobody. Fills each group's `exposed`.
exposure expose(const zone_nodes& nodes, std::vector<zone_group>& groups,
                const zone_settings& rules);

/// The domains of `found.exposing` that the group's members have.
std::vector<domain_number> exposing_domains(const zone_nodes& nodes, const zone_group& group,
                                            const std::vector<attribute_number>& attributes,
                                            const std::vector<domain_number>& among);

} // namespace harbinger
