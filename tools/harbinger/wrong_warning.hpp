#pragma once

/// A cluster in which one node is said to fail and does not: its error log fills, so that the
/// stated rule (predict/heuristic.hpp) puts it into a zone, and copies of its partitions are made
/// and followed elsewhere. For the benchmarks.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/client.hpp"
#include "app/cluster.hpp"

namespace harbinger {

class wrong_warning {
public:
  static constexpr const char* volume = "bench";
  static constexpr size_t blamed = 0; ///< index of the node that the warning is about

  struct options {
    uint32_t nodes = 3;
    uint32_t partitions = 4;
    bool predicting = true; ///< false: no risk is high enough, no copies are made
  };
  /// Starts the cluster, with the volume fully replicated.
  static result<std::unique_ptr<wrong_warning>> start(const options& wanted);
  ~wrong_warning();

  /// From now on the node's log fills.
  void warn();
  /// Until every partition with a replica at the blamed node has a ready copy.
  result<void> wait_for_copies(duration timeout);
  /// Partitions for which this holds, by the newest map.
  result<std::vector<partition_id>>
  partitions(const std::function<bool(const partition_row&)>& which);

  harbinger::cluster& cluster() { return *cluster_; }
  node_id name_of(size_t node) const { return node_id{cluster_->nodes().at(node).name}; }

private:
  wrong_warning() = default;
  std::unique_ptr<harbinger::cluster> cluster_;
  std::atomic<bool> stop_{false};
  std::thread warning_;
};

/// Whether the node holds a replica of the partition.
bool holds(const partition_row& row, const node_id& node);

} // namespace harbinger
