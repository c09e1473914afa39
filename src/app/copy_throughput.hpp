#pragma once

/// Measures a copy without processes or actors: copy_source over one store, copy_pull over another,
/// two reactors on loopback. What `harbinger bench prefetch` times against a raw disk and a raw
/// socket.

#include <cstdint>
#include <string>

#include "core/result.hpp"

namespace harbinger {

struct copy_throughput_options {
  std::string directory;       ///< for the two stores; must be empty, is left filled
  uint64_t bytes = 256 << 20;  ///< of values
  uint32_t value_bytes = 4096; ///< incompressible
  uint64_t seed = 1;
  bool sync_writes = true; ///< fsync where the node would
  double timeout_s = 120;
};

struct copy_throughput {
  uint64_t bytes = 0;      ///< keys and values that arrived
  double seconds = 0.0;    ///< from snapshot.open to a copy whose digest was checked and is durable
  uint64_t wire_bytes = 0; ///< chunks as sent
};

/// Fills a store, copies it, checks the digest. timeout, io, or what the stores fail with.
result<copy_throughput> measure_copy(const copy_throughput_options& options);

} // namespace harbinger
