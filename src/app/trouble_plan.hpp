#pragma once

/// What a trouble, or a harmless look-alike of one, does to a node over time. Pure: everything
/// random is drawn from the seed when the plan is made. Carried out by app/trouble_driver.hpp, from
/// outside the service's own logic.

#include <cstdint>
#include <string>
#include <vector>

#include "messages/common.hpp"

namespace harbinger {

enum class trouble_kind : uint8_t {
  none,
  // these end in death
  memory_leak,    ///< memory grows until the process's own limit
  cpu_starvation, ///< gets less and less of the processor until its watchdog gives it up
  error_storm,    ///< the disk gets slower and errors more frequent until the storage software is
                  ///< killed
  // look-alikes: these pass
  load_burst,     ///< several times the usual load
  memory_plateau, ///< memory grows, stays, is freed
  short_stalls,   ///< a few hiccups
  few_errors,     ///< some errors in the log
  bulk_load,      ///< a new volume is filled; the campaign does it, nothing is done to a node
};
constexpr auto enum_names(trouble_kind) {
  return std::array{"none",           "memory_leak",  "cpu_starvation", "error_storm", "load_burst",
                    "memory_plateau", "short_stalls", "few_errors",     "bulk_load"};
}
constexpr bool is_fatal(trouble_kind kind) {
  return kind == trouble_kind::memory_leak || kind == trouble_kind::cpu_starvation
         || kind == trouble_kind::error_storm;
}

/// The state of the trouble at one moment.
struct trouble_effect {
  uint64_t hold_bytes = 0;      ///< memory leaked so far
  double stopped_share = 0.0;   ///< share of the time in which the process does not run, 0..1
  double log_lines_per_s = 0.0; ///< errors
  uint32_t sync_delay_ms = 0;   ///< each fsync takes so much longer
  double load_factor = 1.0;     ///< of the usual client load
  bool kill = false;            ///< its environment gives it up (kill -9)
  bool over = false;            ///< a look-alike has passed
};

class trouble_plan {
public:
  /// `room_bytes`: memory the node may still take before its limit. The times to death lie between
  /// about 12 and 40 s.
  trouble_plan(trouble_kind kind, uint64_t seed, uint64_t room_bytes);

  trouble_kind kind() const { return kind_; }
  /// `t_s`: seconds since the onset.
  trouble_effect at(double t_s) const;
  /// One error line of the storage software; `n` counts from 0.
  std::string log_line(uint64_t n) const;
  /// Every number of the plan, for the recording: "duration_s=21.3 curve=1.4".
  std::string describe_numbers() const;

private:
  double noise(double t_s) const; ///< -1..1, smooth, deterministic

  trouble_kind kind_;
  uint64_t seed_;
  double room_bytes_;
  double duration_s_ = 0.0; ///< nominal time to the end (death or passing)
  double curve_ = 1.0;      ///< exponent of the growth
  double peak_ = 0.0;       ///< what the kind reaches at the end
  double noise_ = 0.0;      ///< relative
  double phase_ = 0.0;
};

} // namespace harbinger
