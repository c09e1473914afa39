#pragma once

/// A copy from store to store without processes or actors: copy_source over one, copy_pull over the
/// other, a reactor and a working thread each, loopback between them. What `harbinger bench
/// prefetch` times beside a raw disk and a raw socket.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/result.hpp"
#include "prefetch/copy_pull.hpp"
#include "store/partition_store.hpp"

namespace harbinger {

struct copy_fill {
  uint64_t bytes = 256 << 20;  ///< of values
  uint32_t value_bytes = 4096; ///< incompressible
  uint64_t seed = 1;
};

struct copy_throughput_options {
  std::string directory;   ///< for the target's store; must be empty, is left filled
  bool sync_writes = true; ///< fsync where the node would
  copy_limits limits;
  uint64_t rate_bytes_per_s = 0; ///< 0: as fast as it goes
  /// What foreground_yield would say: asked at each step with the bytes that came since, answers
  /// bytes a second, 0 for no limit. Empty: no limit.
  std::function<uint64_t(uint64_t)> allowed;
  double timeout_s = 120;
  std::function<bool()> stop; ///< asked often: true ends it with `cancelled`; empty: never
};

struct copy_throughput {
  uint64_t bytes = 0;      ///< keys and values that arrived
  double seconds = 0.0;    ///< from snapshot.open to a copy whose digest was checked and is durable
  uint64_t wire_bytes = 0; ///< chunks as sent
};

/// Makes the partition that measure_copy() copies, as its primary. What the store fails with.
result<void> fill_for_copy(partition_store& store, const copy_fill& fill);

/// Copies it and checks the digest. timeout, cancelled, io, or what the stores fail with.
result<copy_throughput> measure_copy(partition_store& source,
                                     const copy_throughput_options& options);

} // namespace harbinger
