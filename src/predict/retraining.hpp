#pragma once

/// When a service trains again: on a schedule, after failures, and when somebody asks. Pure; times
/// are the caller's, of one clock that does not go back.

#include <cstdint>
#include <optional>
#include <string>

namespace harbinger::predict {

struct retraining_options {
  int64_t every_ms = 0;        ///< since the last training; 0: not by schedule
  uint64_t after_failures = 1; ///< seen since the last training; 0: not because of failures
  int64_t pause_ms = 0;        ///< at least so long between two trainings nobody asked for
};

class retraining_plan {
public:
  /// There is a model that was trained or loaded at `now_ms`.
  retraining_plan(retraining_options options, int64_t now_ms)
      : options_(options), trained_ms_(now_ms) {}

  void failure_seen() { ++failures_; }
  void ask() { asked_ = true; }
  /// Why it is time to train; nothing: it is not.
  std::optional<std::string> due(int64_t now_ms) const;
  /// Training began, whatever comes of it.
  void begun(int64_t now_ms);

  uint64_t failures() const { return failures_; }
  /// When it is due without further failures or questions; nothing: never.
  std::optional<int64_t> next_ms() const;

private:
  retraining_options options_;
  int64_t trained_ms_;
  uint64_t failures_ = 0;
  bool asked_ = false;
};

} // namespace harbinger::predict
