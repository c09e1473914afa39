#pragma once

/// The fast way in for telemetry.batch: decodes the body straight into flat arrays, and reuses the
/// metric list as long as its bytes do not change. Accepts and refuses exactly what
/// wire::decode<telemetry_batch> does (a test holds them together), and in addition refuses rows
/// whose number of values is not that of the metrics.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "messages/telemetry.hpp"

namespace harbinger::wire {

inline constexpr size_t batch_metrics_max = 256;
inline constexpr size_t batch_rows_max = 1024;

/// One a thread: it remembers schemas.
class telemetry_reader {
public:
  static constexpr size_t schemas_max = 32; ///< remembered; the oldest is forgotten

  /// malformed, oversize, or invalid_argument (a metric named twice or not at all; too many metrics
  /// or rows; a row of another length). Never throws.
  result<telemetry_rows> read(std::string_view body);

private:
  struct schema {
    std::string bytes; ///< the encoded metric list
    std::shared_ptr<const std::vector<metric_spec>> metrics;
  };
  std::vector<schema> schemas_;
  size_t last_ = 0; ///< the one that fitted last
  size_t oldest_ = 0;
  friend struct telemetry_parser;
};

} // namespace harbinger::wire
