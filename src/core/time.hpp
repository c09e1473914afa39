#pragma once

#include <chrono>
#include <cstdint>

#include "core/strong.hpp"

namespace harbinger {

/// Monotonic time, given to pure code as an argument. Never read here.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Wall-clock time in milliseconds since 1970-01-01 UTC; for records and people, never for deciding
/// what comes first.
using unix_ms = strong<struct unix_ms_tag, int64_t>;

inline double to_seconds(duration d) { return std::chrono::duration<double>(d).count(); }
inline double to_ms(duration d) { return std::chrono::duration<double, std::milli>(d).count(); }
/// Whole milliseconds since the clock's own origin.
inline int64_t to_millis(time_point t) {
  return std::chrono::duration_cast<milliseconds>(t.time_since_epoch()).count();
}
inline duration from_seconds(double s) {
  return std::chrono::duration_cast<duration>(std::chrono::duration<double>(s));
}

} // namespace harbinger
