#pragma once

/// Warnings and failures along the time of each machine. Part of judgement.hpp; no checks of its
/// own.

#include <vector>

#include "predict/judgement.hpp"

namespace harbinger::predict {

struct alarm_record {
  std::vector<judged_failure> failures; ///< by machine, then time
  std::vector<false_alarm> false_alarms;
  std::vector<double> watched_ms; ///< by machine; weighted rows x step
};

alarm_record follow_alarms(const judged_rows& given, const question& asked);

} // namespace harbinger::predict
