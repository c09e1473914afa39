#pragma once

#include <string>

#include "bench.hpp"

namespace harbinger {

/// The 99th percentile of durable writes on a node that is copied from at prefetch.rate_bytes_per_s
/// and yields, against the same writes without a copy: in turn, in one run. Source, target and
/// writes share one disk. `directory`: empty, is left filled.
result<bench_row> measure_foreground(const bench_options& options, const std::string& directory);

} // namespace harbinger
