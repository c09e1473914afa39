#pragma once

/// Risks and topology in, Predictive Failure Zones out. Pure and deterministic; the order of the
/// input does not matter.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "messages/catalog.hpp"
#include "messages/zones.hpp"

namespace harbinger {

enum class zone_change_kind : uint8_t { formed, changed, dissolved };

struct zone_change {
  zone_change_kind kind = zone_change_kind::formed;
  zone what;        ///< as it is now; for dissolved: as it was last
  std::string text; ///< one sentence
};

struct zone_outcome {
  bool settled = false; ///< enough rounds were seen since the start to say anything; until then
                        ///< keep what you knew
  bool changed = false; ///< something an actor must know is different: members, exposed, brake
  std::vector<zone_change> changes;
  bool brake_began = false; ///< exactly once while the brake holds
  bool brake_ended = false;
  uint64_t refused =
      0; ///< risks that were not numbers in 0..1, or of nodes nobody knows, or came twice
};

/// Rules, in order:
/// * A node becomes risky after `enter_rounds` consecutive rounds with probability >= enter_at. It
/// stops being risky when it
///   has been so for `minimum_stay_s`, probability < leave_at, and probability + uncertainty <
///   enter_at: input that is stale or missing widens the uncertainty, so silence never takes a node
///   out.
/// * Dead nodes are nobody's prediction any more: they leave at once, recovery has them. Suspect
/// ones stay.
/// * Brake: at most max(1, share_max * nodes alive) risky nodes are taken, riskiest first (in steps
/// of 0.05, then those
///   already in a zone, then by id); the others are `left_out`.
/// * A domain (an attribute and its value) becomes one zone when it has two risky members or more
/// and so many of them there
///   are less likely than `concentration_p` by chance (hypergeometric tail). It stays one while it
///   has two. The most surprising domain goes first, each node is in one zone; what is left becomes
///   one zone a node.
/// * Exposed: alive, not risky, and shares the value of a domain attribute with a member.
/// * A zone keeps its id while its domain stays, or else while members stay together.
class zone_tracker {
public:
  static constexpr size_t reasons_max = 8; ///< reasons kept per zone

  /// Ids and generations are given out from these on: the caller makes sure that they grow over
  /// restarts.
  zone_tracker(harbinger::term term, uint64_t first_zone, uint64_t first_generation);

  /// One scoring round. `nodes`: every node in the catalog.
  zone_outcome step(const std::vector<node_risk>& risks, const std::map<node_id, node_row>& nodes,
                    const zone_settings& rules, time_point now);

  /// The zones as of the last step.
  const zone_map& map() const { return map_; }
  /// The id that the next new zone will have; generation of the next change.
  uint64_t next_zone() const { return next_zone_; }
  uint64_t next_generation() const { return next_generation_; }

private:
  struct track {
    uint32_t rounds_above = 0;
    bool risky = false;
    time_point since;
    node_risk last;
  };
  void follow(const std::vector<node_risk>& risks, const std::map<node_id, node_row>& nodes,
              const zone_settings& rules, time_point now, zone_outcome& out);
  std::set<node_id> brake(const zone_settings& rules, size_t alive, zone_map& next) const;
  std::vector<zone> group(std::set<node_id> risky, const std::map<node_id, node_row>& nodes,
                          const zone_settings& rules) const;
  void describe_zone(zone& z, const std::map<node_id, node_row>& nodes,
                     const std::set<node_id>& risky, const zone_settings& rules) const;
  void name_zones(std::vector<zone>& zones);
  void compare(const zone_map& next, zone_outcome& out) const;

  harbinger::term term_;
  uint64_t next_zone_;
  uint64_t next_generation_;
  uint32_t rounds_ = 0;
  std::map<node_id, track> tracks_; ///< one per node in the catalog, not more
  zone_map map_;
};

} // namespace harbinger
