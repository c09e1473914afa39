#pragma once

/// How long each phase of a recovery took, per node that was lost. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "core/time.hpp"

namespace harbinger::recovery {

struct outage {
  node_id node;
  incarnation life;
  std::string cause;
  time_point began;
  double detect_ms = 0.0;          ///< silence before the verdict
  size_t partitions = 0;           ///< that had a sync member there
  size_t primaries = 0;            ///< of these, that had their primary there
  std::set<partition_id> unserved; ///< without a configured primary still
  std::set<partition_id> thin;     ///< without their wanted number of replicas still
  // Phases, each from the verdict to when the last partition was through with it.
  double seal_ms = 0.0;       ///< its members are sealed, as many as are needed
  double decide_ms = 0.0;     ///< its new primary is in the catalog
  double promote_ms = 0.0;    ///< that primary is at work; set when unserved became empty
  double redundancy_ms = 0.0; ///< verdict to the last replica restored; set when thin became empty
  /// Verdict to the first read a client got from a partition that had lost its primary, and to the
  /// first write acknowledged; nothing: no client came yet.
  std::optional<double> first_read_ms, first_write_ms;
  std::map<partition_id, time_point> waits_for_clients; ///< served again since then
  bool over() const { return unserved.empty() && thin.empty(); }
};

class outage_log {
public:
  static constexpr size_t finished_max = 64;
  static constexpr size_t open_max = 256; ///< beyond it the oldest is no longer timed

  /// False when this life's outage is in the log already.
  bool open(outage what);
  /// A partition that is not served yet has its members sealed, and its new primary in the catalog.
  void sealed(partition_id partition, time_point now);
  void decided(partition_id partition, time_point now);
  /// Its primary served clients first so long after it took office; 0: not yet.
  void used(partition_id partition, double first_read_ms, double first_write_ms);
  /// The partition is served again, or has all its replicas: the phases that ended with it.
  struct progress {
    const outage* of;
    bool last; ///< the outage is over
    double ms; ///< since the verdict
  };
  std::vector<progress> served(partition_id partition, time_point now);
  std::vector<progress> restored(partition_id partition, time_point now);
  /// Forget what is over; keep the newest few for show.
  void tidy();
  /// Newest first.
  std::vector<outage> rows() const;

private:
  std::vector<progress> settle(partition_id partition, time_point now,
                               std::set<partition_id> outage::*which, double outage::*total);
  void note(partition_id partition, time_point now, double outage::*phase);
  std::vector<outage> open_, finished_;
};

} // namespace harbinger::recovery
