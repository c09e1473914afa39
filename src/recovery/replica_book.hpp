#pragma once

/// What nodes say of the replicas they hold. Only the newest life of a node counts. Pure.

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/time.hpp"
#include "messages/control.hpp"

namespace harbinger::recovery {

class replica_book {
public:
  struct entry {
    replica_report report;
    bool digest_differs = false; ///< from the primary's at the same version
  };

  /// Everything the node holds. Returns the partitions for which something changed that matters
  /// here (role, state, epoch, revision, copy, who has caught up, presence). An older life than the
  /// one known is ignored.
  std::set<partition_id> take_all(const node_id& node, incarnation life,
                                  const std::vector<replica_report>& replicas, time_point now);
  /// One replica, e.g. from the reply to a command, or part of a hello: says nothing of the others.
  bool take(const node_id& node, incarnation life, const replica_report& report, time_point now);
  void set_digest_differs(const node_id& node, partition_id partition, bool differs);
  /// The node gave the replica up.
  void erase(const node_id& node, partition_id partition, time_point now);

  /// Null: not reported in this life.
  const entry* find(const node_id& node, incarnation life, partition_id partition) const;
  /// Since when the node's full reports lack the replica; nothing when it is there, or no full
  /// report came in this life.
  std::optional<time_point> missing_since(const node_id& node, incarnation life,
                                          partition_id partition) const;
  /// Replicas of the node's newest life.
  const std::map<partition_id, entry>& of(const node_id& node) const;
  /// The life the book holds for the node; zero: none.
  incarnation life(const node_id& node) const;

private:
  struct shelf {
    incarnation life;
    std::map<partition_id, entry> replicas;
    std::optional<time_point> complete_since;
    std::map<partition_id, time_point> gone_at;
  };
  shelf* open(const node_id& node, incarnation life);
  static bool put(shelf& shelf, const replica_report& report);

  std::map<node_id, shelf> shelves_;
};

/// Whether a replica at `held` is a prefix of the log that `history` describes. Unknown (older than
/// the history) is no.
bool prefix_of(const epoch_history& history, const version& held);

} // namespace harbinger::recovery
