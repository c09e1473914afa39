#pragma once

/// Which zone of this round is which of the round before, and what happened in between. Pure and
/// deterministic.

#include <string>
#include <vector>

#include "messages/zones.hpp"
#include "zones/zone_group.hpp"

namespace harbinger {

enum class zone_change_kind : uint8_t {
  formed,    ///< new
  changed,   ///< other members, or another domain
  dissolved, ///< its members are not at risk any more
  split,     ///< new, of members of a zone that goes on
  merged,    ///< its members are in another zone now
};

struct zone_change {
  zone_change_kind kind = zone_change_kind::formed;
  zone what;        ///< as it is now; for dissolved and merged: as it was last
  std::string text; ///< one sentence
};

/// "rack=r1", "moves together", "node=n3".
std::string domain_name(const zone_nodes& nodes, const zone_group& group);
/// "n1, n2 and 40 more".
std::string few_names(const zone_nodes& nodes, const std::vector<node_number>& of);

/// Gives `now` its ids and `since`, and sorts it by id. An id goes where most members of the old
/// zone went and most of the new one came from: pairs in order of their common members, then those
/// with the same domain, then the smaller id, then the larger new zone, then by the first member;
/// so the larger part of a split zone keeps the id, and a merged zone that of its largest part, the
/// oldest on a tie. A domain that is one zone again without a common member keeps its id too.
/// Others get `next_zone` and count it up: those of several nodes first, then by the first member.
void name_groups(const zone_nodes& nodes, const std::vector<zone_group>& before,
                 std::vector<zone_group>& now, uint64_t& next_zone, time_point time);

/// What the zones of `before` became; both by id. `old_zones` and `new_zones` are the same as
/// messages, place by place. Changes in the order of ids, those that ended last.
std::vector<zone_change> compare_groups(const zone_nodes& nodes,
                                        const std::vector<zone_group>& before,
                                        const std::vector<zone>& old_zones,
                                        const std::vector<zone_group>& now,
                                        const std::vector<zone>& new_zones);

} // namespace harbinger
