#pragma once

/// Follows what is committed in partitions of the cluster, from a version of each on, across
/// failovers: nothing is missed, nothing comes twice. Blocking, one object a thread.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/client.hpp"

namespace harbinger {

/// One committed batch that changed something: its operations, applied in order and all at once.
struct feed_change {
  partition_id partition;
  applied_batch batch;
};

class change_feed {
public:
  /// `from` says after which version each partition is followed; those that it does not name are
  /// followed from now on. Asks `cluster` for the map; `cluster` stays where it is meanwhile.
  static result<change_feed> open(client& cluster, const std::vector<partition_id>& partitions,
                                  const std::map<partition_id, version>& from = {});
  /// All partitions of the volume.
  static result<change_feed> open(client& cluster, const std::string& volume,
                                  const std::map<partition_id, version>& from = {});
  change_feed(change_feed&&) noexcept;
  change_feed& operator=(change_feed&&) noexcept;
  ~change_feed();

  /// What was committed, in order within each partition; nothing when nothing came within `wait`,
  /// be it that a primary is lost: then it goes on at the next one. log_trimmed, diverged: changes
  /// of the partition that lost() names can not be followed from its version any more: scan it and
  /// go on after the first page's version. Others are errors of the service for good.
  result<std::vector<feed_change>> next(duration wait);
  /// The partition that next() failed for, as long as go_on() was not called for it.
  std::optional<partition_id> lost() const;
  void go_on(partition_id partition, version after);

  /// Up to where each partition's changes have been handed out: what `from` takes.
  std::map<partition_id, version> positions() const;

private:
  struct impl;
  explicit change_feed(std::unique_ptr<impl> impl);
  std::unique_ptr<impl> impl_;
};

} // namespace harbinger
