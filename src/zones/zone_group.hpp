#pragma once

/// A zone while it is being made, by node numbers, and why it is one.

#include <vector>

#include "core/ids.hpp"
#include "core/time.hpp"
#include "messages/risk.hpp"
#include "zones/chance.hpp"
#include "zones/zone_nodes.hpp"

namespace harbinger {

enum class zone_cause : uint8_t {
  single,     ///< a node of its own
  planned,    ///< a node of its own, because somebody said so
  domain,     ///< more of a domain than chance explains
  comovement, ///< telemetry that moves together
};

/// How sure it is that a domain is to blame.
struct domain_evidence {
  concentration seen;
  double chance = 1.0;  ///< of so many hits or more
  size_t looked_at = 1; ///< domains that could have been significant, all of which were looked at
  bool proven = true;   ///< false: it was one zone before and stays one, chance could explain it
};

/// The pair of members that moved together most.
struct movement_evidence {
  node_number one = no_number, other = no_number;
  metric_group what = metric_group::cpu;
  double correlation = 0.0;
  double chance = 1.0;  ///< of such a correlation between two that have nothing to do with it
  size_t looked_at = 1; ///< pairs times groups of metrics
};

struct zone_group {
  zone_id id;
  zone_cause cause = zone_cause::single;
  domain_number domain;             ///< of zone_cause::domain
  std::vector<node_number> members; ///< by rank
  std::vector<node_number> exposed; ///< by rank
  domain_evidence concentrated;
  movement_evidence moving;
  time_point since; ///< it has this id
};

} // namespace harbinger
