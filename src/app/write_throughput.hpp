#pragma once

/// Writers side by side, each waiting for its own write before the next: how many a second, and how
/// long each took. For the benchmarks: both opponents are driven by this.

#include <functional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/client.hpp"

namespace harbinger {

/// What one writer writes at once.
struct write_shape {
  size_t records = 1;
  size_t value_bytes = 256;
  uint32_t keys = 4096; ///< of each writer; one after the other, then over again
};

/// The batch number `number` of writer `writer`, always the same.
std::vector<record_op> shaped_batch(const write_shape& shape, size_t writer, uint64_t number);

/// The value that `percent` of all are not above; 0 when there are none.
double percentile(std::vector<double> values, size_t percent);

struct write_figures {
  double per_s = 0.0; ///< writes (batches) that ended well
  double p50_ms = 0.0, p99_ms = 0.0;
  uint64_t writes = 0; ///< of the warm-up, too
};

/// Does one write and waits until it is durable; called by one thread. `number` counts from 0.
using one_write = std::function<result<void>(uint64_t number)>;

/// Every writer in a thread of its own, for `warm_up` and then `span`, which alone is counted.
/// Numbers go on from `first`. The first failure of any writer is the result. cancelled: an
/// interrupt.
result<write_figures> measure_writes(const std::vector<one_write>& writers, uint64_t& first,
                                     duration warm_up, duration span);

} // namespace harbinger
