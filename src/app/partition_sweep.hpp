#pragma once

/// A client that writes (or reads) once to each of many partitions, hundreds of requests under way
/// at a time, again wherever it was refused or heard nothing, and notes when each was acknowledged:
/// when is everything served? Repetitions are recognised by the service, so each write counts once.

#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "messages/common.hpp"

namespace harbinger {

struct sweep_options {
  std::string control_endpoint;
  std::vector<partition_id> partitions = {};
  bool reads = false; ///< read the key instead: what is served, without the cost of so many writes
  std::string key = "sweep";
  std::string value = {};
  size_t in_flight_max = 512;
  duration map_period = milliseconds(200); ///< the partition map is fetched so often
  duration patience = milliseconds(2000);  ///< for an answer, before the write is repeated
  duration rest = milliseconds(20);        ///< after a refusal
  duration timeout = seconds(60);
};

struct sweep_times {
  time_point begun;
  std::vector<double> ms; ///< of each partition that acknowledged, since `begun`, ascending
  size_t unserved = 0;    ///< partitions that did not within the timeout
};

/// Blocks. io: the centre gave no map in time; cancelled: interrupted.
result<sweep_times> sweep_partitions(const sweep_options& options);

} // namespace harbinger
