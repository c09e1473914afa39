#pragma once

/// A change of primary: seal, choose, propose the row (docs/ARCHITECTURE.md, "Change of primary").
/// Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog_view.hpp"
#include "core/settings.hpp"
#include "recovery/replica_book.hpp"

namespace harbinger::recovery {

/// What decisions look at.
struct surroundings {
  const catalog_view& view;
  const replica_book& book;
  const std::set<node_id>& in_zones;
  time_point now;
  /// Taken for dead whatever the catalog says: "what if" (what_if.hpp)
  const std::set<node_id>* also_dead = nullptr;

  bool alive(const node_id& node) const; ///< in the catalog, not dead
  incarnation life(const node_id& node) const;
  /// The node's replica as told in its present life; null: not known.
  const replica_book::entry* replica(const node_id& node, partition_id partition) const;
  /// The node lives, but its replica does not: reported failed, differing, or missing for
  /// missing_patience_ms.
  bool lost(const node_id& node, partition_id partition) const;
  /// Members of the sync set on nodes that are not dead.
  std::vector<node_id> live_members(const partition_row& row) const;
};

/// A replica must be missing from full reports for so long before it counts as lost: one may have
/// been built in a hurry.
inline constexpr uint32_t missing_patience_ms = 3000;
/// So long all living members of a partition that was never opened are waited for.
inline constexpr auto unopened_patience = seconds(30);

/// A row with no history was never opened: its members are first made secondaries of epoch 1, then
/// it gets its first primary by the same way as any other. Later, a replica that is not there is
/// never created anew, so that an empty disk can not pass for a member.
inline bool unopened(const partition_row& row) { return row.history.empty(); }

/// Why the partition needs a change of primary now, in words; nothing: it does not.
std::optional<std::string> needs_failover(const partition_row& row, const surroundings& around);

/// The epoch to seal with: the row's next, or that of an attempt that sealed and got no further.
epoch next_epoch(const partition_row& row, const surroundings& around);

/// One attempt. The caller sends the seals, tells the answers, and asks for the outcome.
///
/// With a `giver` the primary, which is well, hands over: it is sealed first and alone, and the
/// others when it has answered, so that no lease is waited for and everybody holds the same. If it
/// does not answer, and lives, the attempt has failed; if it dies meanwhile, this is a failover
/// like any other.
class failover {
public:
  failover(epoch target, std::string cause, time_point now, std::optional<node_id> giver = {});

  epoch target() const { return target_; }
  const std::string& cause() const { return cause_; }
  time_point started() const { return started_; }
  size_t answered() const { return answers_.size(); }
  bool hands_over() const { return giver_.has_value(); }
  std::optional<node_id> giver() const { return giver_; }
  bool hand_over_failed(const partition_row& row, const surroundings& around) const;
  /// The giver is gone, or in another life: from now on a failover like any other, for this cause.
  bool overtaken(const partition_row& row, const surroundings& around) const {
    return hands_over() && !giver_reigns(row, around);
  }
  void go_on_as_failover(std::string cause) {
    giver_.reset();
    cause_ = std::move(cause);
  }
  /// What the node said last instead of an answer; empty: nothing.
  std::string why_failed(const node_id& node) const;
  /// What seal_replica::hand_over says to this member.
  bool in_order(const node_id& node, const partition_row& row, const surroundings& around) const;

  /// Members that must be sealed now; counts them as asked.
  std::vector<node_id> to_seal(const partition_row& row, const surroundings& around);
  void on_answer(const node_id& node, incarnation life, const replica_report& report);
  /// Refused, or no answer: it is asked again after `rest`.
  void on_failure(const node_id& node, incarnation life, std::string why, time_point now,
                  duration rest);

  enum class verdict : uint8_t {
    wait,   ///< answers are outstanding
    decide, ///< all reachable members answered, or patience is over and at least one did
    nobody, ///< no member is reachable
  };
  verdict judge(const partition_row& row, const surroundings& around, duration patience) const;

  struct promotion {
    partition_row row;
    node_id winner;
    version winner_version;
    std::map<std::string, std::string>
        reasons; ///< of every member: why it won, stays or leaves (P9)
  };
  /// The row that makes the winner primary: the highest version of all answers (P5) but those whose
  /// digest is known to differ. On a tie: the primary that was meant (unopened rows), in no zone,
  /// fewest primaries, id. Precondition: judge() said decide.
  promotion decide(const partition_row& row, const surroundings& around) const;

private:
  struct answer {
    incarnation life;
    replica_report report;
  };
  struct failure {
    incarnation life;
    std::string why;
    time_point again;
  };
  bool answered(const node_id& node, const surroundings& around) const;
  /// The giver is there, in the life in which it is primary.
  bool giver_reigns(const partition_row& row, const surroundings& around) const;
  /// Its answer is known to differ from the primary's at the same version.
  bool differs(const node_id& node, const surroundings& around) const;
  /// Answered, and fit to be promoted or to stay.
  bool valid(const node_id& node, const surroundings& around) const {
    return answered(node, around) && !differs(node, around);
  }

  epoch target_;
  std::string cause_;
  time_point started_;
  time_point asked_since_; ///< when a member was asked for the first time last
  std::optional<node_id> giver_;
  std::map<node_id, incarnation> asked_;
  std::map<node_id, answer> answers_;
  std::map<node_id, failure> failures_;
};

} // namespace harbinger::recovery
