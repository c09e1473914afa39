#pragma once

/// Risks, plans and topology in, Predictive Failure Zones out. Pure and deterministic; the order of
/// the input does not matter.

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/zones.hpp"
#include "zones/zone_exposure.hpp"
#include "zones/zone_grouping.hpp"
#include "zones/zone_naming.hpp"

namespace harbinger {

/// A node that somebody will take down.
struct planned_event {
  node_id node;
  double within_s = 0; ///< until it begins; 0 or less: it has
  std::string reason;  ///< "maintenance in 30m: new disks"
};

struct zone_outcome {
  bool settled = false; ///< enough rounds were seen since the start to say anything; until then
                        ///< keep what you knew
  bool changed = false; ///< something an actor must know is different: members, exposed, brake
  std::vector<zone_change> changes;
  bool brake_began = false; ///< exactly once while the brake holds
  bool brake_ended = false;
  bool exposure_limited = false; ///< exactly once while domains expose nobody
  bool exposure_whole = false;   ///< and once when that is over
  uint64_t refused =
      0; ///< risks that were not numbers in 0..1, or of nodes nobody knows, or came twice
};

/// What the brake and the limit of exposure left out, of those alive.
struct held_back {
  size_t nodes = 0; ///< at risk, and in no zone
  double share = 0, capacity_share = 0;
};

/// Rules, in order:
/// * A node becomes risky after `enter_rounds` consecutive rounds with probability >= enter_at. It
/// stops being risky when it
///   has been so for `minimum_stay_s` (at once when it is in no zone), probability < leave_at, and
///   probability + uncertainty < enter_at: input that is stale or missing widens the uncertainty,
///   so silence never takes a node out.
/// * A planned event is certain risk (P = 1) from the moment it is known until it is over.
/// * Dead nodes are nobody's prediction any more: they leave at once, recovery has them. Suspect
/// ones stay.
/// * Brake: at most max(1, share_max * nodes alive) nodes, and no more than capacity_share_max of
///   their capacity (but one node in any case), are taken: planned ones first, then the riskiest
///   (in steps of 0.05, then those already in a zone, then by id). One that does not fit is
///   `left_out`; smaller ones after it may still fit.
/// * Who is one zone: zone_grouping.hpp. Who is exposed: zone_exposure.hpp. Which zone is which:
///   zone_naming.hpp.
/// Bounded: one small record a node of the catalog, and what comovement.hpp keeps.
class zone_tracker {
public:
  static constexpr size_t reasons_max = 8; ///< reasons kept per zone

  /// Ids and generations are given out from these on: the caller makes sure that they grow over
  /// restarts.
  zone_tracker(harbinger::term term, uint64_t first_zone, uint64_t first_generation);

  /// What is planned from now on; later steps use it. Unknown and dead nodes are passed over while
  /// they are so.
  void plan(std::vector<planned_event> events) { planned_ = std::move(events); }

  /// One scoring round. `nodes`: every node in the catalog.
  zone_outcome step(const std::vector<node_risk>& risks, const std::map<node_id, node_row>& nodes,
                    const zone_settings& rules, time_point now);
  /// The same between two rounds: after plan(), or when nodes or rules are others. Always counts as
  /// a change of the map: how soon a planned event begins may be all that is different.
  zone_outcome refresh(const std::map<node_id, node_row>& nodes, const zone_settings& rules,
                       time_point now);

  /// The zones as of the last step.
  const zone_map& map() const { return map_; }
  const held_back& left() const { return left_; }
  /// One sentence on left() and the domains that expose nobody; empty: nothing is held back.
  std::string held_back_in_words() const;
  /// The zone in sentences: members, why they are one, who is exposed by what, what is likely.
  /// not_found: no such zone stands.
  result<std::vector<std::string>> explain(zone_id id, const zone_settings& rules,
                                           time_point now) const;
  /// The id that the next new zone will have; generation of the next change.
  uint64_t next_zone() const { return next_zone_; }
  uint64_t next_generation() const { return next_generation_; }

private:
  struct track {
    uint32_t rounds_above = 0;
    bool risky = false;
    bool planned = false;
    double probability = 0; ///< as last heard
    time_point since;       ///< it is risky
  };
  void follow_nodes(const std::map<node_id, node_row>& nodes);
  void follow_risk(const node_risk& risk, node_number n, const zone_settings& rules,
                   time_point now);
  void follow_plan();
  void follow_movement(const std::vector<const node_risk*>& news, const zone_settings& rules);
  nodes_at_risk brake(const zone_settings& rules, zone_map& next);
  zone_outcome settle(const zone_settings& rules, time_point now, bool anew);
  bool expose_groups(std::vector<zone_group>& groups, const zone_settings& rules);
  zone render(const zone_group& group) const;
  node_risk risk_of(node_number n) const;
  std::vector<std::string> why_one(const zone_group& group) const;
  std::vector<std::string> why_in_words(const zone_group& group, const zone_settings& rules) const;
  std::vector<std::string> exposed_in_words(const zone_group& group,
                                            const zone_settings& rules) const;
  std::string left_in_words() const;

  harbinger::term term_;
  uint64_t next_zone_;
  uint64_t next_generation_;
  uint32_t rounds_ = 0; ///< up to enter_rounds
  zone_nodes nodes_;
  std::vector<bool> inside_;                         ///< by node number: a member of one of groups_
  std::vector<track> tracks_;                        ///< by node number
  std::unordered_map<node_number, node_risk> heard_; ///< the newest risk of those at risk
  std::vector<planned_event> planned_;
  std::unordered_map<node_number, size_t> planned_of_; ///< of nodes alive: place in planned_
  comovement movement_;
  zone_grouping grouping_;
  std::vector<zone_group> groups_; ///< by id; map_.zones is the same, place by place
  exposure exposure_;
  struct {
    uint64_t serial = 0;
    std::vector<std::string> domains;
    double share_max = -1;
  } exposed_for_; ///< what exposure_ was made of, beside groups_
  held_back left_;
  zone_map map_;
};

} // namespace harbinger
