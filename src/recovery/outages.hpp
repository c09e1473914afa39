#pragma once

/// How long each phase of a recovery took, per node that was lost. Pure.

#include <map>
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
  double promote_ms = 0.0; ///< verdict to the last primary at work; set when unserved became empty
  double redundancy_ms = 0.0; ///< verdict to the last replica restored; set when thin became empty
  bool over() const { return unserved.empty() && thin.empty(); }
};

class outage_log {
public:
  static constexpr size_t finished_max = 64;
  static constexpr size_t open_max = 256; ///< beyond it the oldest is no longer timed

  /// False when this life's outage is in the log already.
  bool open(outage what);
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
  std::vector<outage> open_, finished_;
};

} // namespace harbinger::recovery
