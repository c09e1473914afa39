#pragma once

/// The opponent of `bench store`: what a write costs at least that is durable and comes over a
/// network. A RocksDB that is written with the log and sync, so that its own group commit merges
/// writers, and one round trip over loopback TCP before each write, which carries the batch's bytes
/// and is answered by one thread for all writers.

#include <memory>
#include <string>
#include <vector>

#include "app/write_throughput.hpp"

namespace harbinger {

class bare_writes {
public:
  /// `databases`: 1, or 2 written one after the other, as two replicas on two disks would be.
  static result<std::unique_ptr<bare_writes>> open(const std::string& directory, size_t writers,
                                                   size_t databases);
  virtual ~bare_writes() = default;
  /// For measure_writes(); they must not outlive this object.
  virtual std::vector<one_write> writers(const write_shape& shape) = 0;
};

} // namespace harbinger
