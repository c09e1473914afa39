#pragma once

/// Samples host, process and store each sample_ms and publishes what was sampled each publish_ms.
/// Measures its own lateness and, by pings, the way to its peers. What it could not send while
/// restarting is lost and counted as such by the centre.

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "actors/context.hpp"
#include "net/reactor.hpp"
#include "telemetry/host_sampler.hpp"
#include "telemetry/peer_pings.hpp"

namespace harbinger {

struct telemetry_publisher_state {
  static constexpr const char* name = "telemetry_publisher";
  static constexpr size_t rows_max =
      256; ///< waiting for the next publication; beyond it the oldest is dropped

  std::unique_ptr<telemetry::host_sampler> sampler;
  std::unique_ptr<net::reactor> reactor;
  size_t socket = 0;
  telemetry::peer_pings pings;
  telemetry::outside_readings readings;
  std::vector<metric_spec> metrics;
  std::deque<sample_row> rows;
  std::vector<double> newest; ///< row, for show
  uint64_t round = 0;
  uint64_t rows_dropped = 0, readings_unknown = 0;
  time_point due, publish_due;
  /// Rows are dated by the monotonic clock from here on, so that a step of the wall clock does not
  /// disorder them.
  time_point started;
  unix_ms started_wall;
  ~telemetry_publisher_state() {
    if (reactor) reactor->stop();
  }
};

/// Ends with an exception when the endpoint makes no sense; an absent centre is no error.
/// Show: "telemetry" (the newest row, as an object of metric to value).
telemetry_publisher_actor::behavior_type
telemetry_publisher(telemetry_publisher_actor::stateful_pointer<telemetry_publisher_state> self,
                    context_ptr ctx);

} // namespace harbinger
