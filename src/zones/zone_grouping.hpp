#pragma once

/// Nodes at risk to zones: which of them have one cause? Pure and deterministic.

#include <map>
#include <vector>

#include "zones/comovement.hpp"
#include "zones/zone_group.hpp"

namespace harbinger {

/// What the brake makes of a round.
struct nodes_at_risk {
  std::vector<node_number> risky;   ///< riskiest first, taken or not
  std::vector<node_number> planned; ///< taken
  std::vector<bool> taken;          ///< by node number: may be in a zone
};

/// Rules, in order; a node is in one zone, members are sorted by rank. All nodes at risk are looked
/// at, also those that the brake leaves out: its choice must not look like a cause. At the end
/// those leave their zones.
/// * A planned node is a zone of its own and proves nothing about others.
/// * A domain that is a zone stays one while two or more of it are at risk, the oldest first.
/// * Any other domain with two or more becomes one when so many of those left there are less likely
///   than `concentration_p` by chance (hypergeometric tail), times the number of domains looked at:
///   Bonferroni's correction over all domains of all `zones.domains` that could have been
///   significant (Tarone 1990). The most surprising domain goes first, then by name, and what it
///   takes counts no more for the next. Two unlucky nodes in a rack of forty are no proof: with
///   100 of 10,000 at risk six are needed.
/// * What is left and moves together becomes one zone (comovement.hpp).
/// * What is left then becomes one zone a node.
class zone_grouping {
public:
  /// `standing`: the zones of the round before, by id.
  std::vector<zone_group> group(const zone_nodes& nodes, const nodes_at_risk& found,
                                const std::vector<zone_group>& standing, const zone_settings& rules,
                                comovement& movement);

private:
  using member_lists = std::map<domain_number, std::vector<node_number>>;
  size_t domains_looked_at(const zone_nodes& nodes, const std::vector<attribute_number>& attributes,
                           size_t marked, double concentration_p);
  domain_evidence judge(const zone_nodes& nodes, domain_number d, size_t hits, size_t marked,
                        size_t looked_at);
  void take(const zone_nodes& nodes, domain_number d, const domain_evidence& evidence);
  void take_standing(const zone_nodes& nodes, const std::vector<zone_group>& standing,
                     double concentration_p);
  void take_surprising(const zone_nodes& nodes, double concentration_p);
  std::vector<node_number> left(const std::vector<node_number>& of) const;

  // Of the round under way.
  std::vector<bool> taken_; ///< by node number
  member_lists lists_;      ///< domains with two or more that are not taken
  size_t marked_ = 0;       ///< risky nodes that are not taken
  size_t looked_at_ = 1;
  std::vector<zone_group> made_;

  log_factorials logs_;
  struct {
    uint64_t serial = 0;
    size_t marked = 0;
    double concentration_p = 0;
    std::vector<attribute_number> attributes;
    size_t count = 0;
  } looked_; ///< the last domains_looked_at
};

} // namespace harbinger
