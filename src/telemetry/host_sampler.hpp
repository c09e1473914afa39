#pragma once

/// Measures the host and its own process: one row of the catalogue a call. A thin reader around
/// proc_parsers.hpp; what can not be read is NaN. Takes well under a millisecond.

#include <string>
#include <vector>

#include "core/settings.hpp"
#include "core/time.hpp"
#include "telemetry/log_counter.hpp"
#include "telemetry/proc_parsers.hpp"

namespace harbinger::telemetry {

/// What the sampler can not measure itself.
struct outside_readings {
  double lag_ms = missing;    ///< how late the sampler's own timer fired
  double period_ms = missing; ///< of that timer
  double rtt_ms_mean = missing, rtt_ms_max = missing, rtt_ms_min = missing;
  double unanswered_ratio = missing;
  double store_write_ms = missing, store_write_max_ms = missing, store_queue = missing;
};

class host_sampler {
public:
  /// `proc`: where procfs is mounted (a directory of files in tests).
  explicit host_sampler(const telemetry_settings& settings, std::string proc = "/proc");
  /// Values in the order of metric_catalogue().
  std::vector<double> sample(const outside_readings& outside);
  /// The limit that process.rss_ratio is a share of; NaN when nothing is known.
  double memory_limit_bytes() const { return memory_limit_bytes_; }
  uint64_t skipped_log_bytes() const { return logs_.skipped_bytes(); }

private:
  void sample_host(std::vector<double>& row);
  void sample_process(std::vector<double>& row);
  double find_memory_limit(const telemetry_settings& settings) const;

  std::string proc_;
  log_follower logs_;
  cpu_times last_cpu_;
  double cpus_ = 1;
  double memory_limit_bytes_ = missing;
};

} // namespace harbinger::telemetry
