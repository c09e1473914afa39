#include "predict/retraining.hpp"

#include <algorithm>

namespace harbinger::predict {

std::optional<std::string> retraining_plan::due(int64_t now_ms) const {
  if (asked_) return "somebody asked for it";
  auto since_ms = now_ms - trained_ms_;
  if (since_ms < options_.pause_ms) return std::nullopt;
  if (options_.after_failures > 0 && failures_ >= options_.after_failures)
    return failures_ == 1 ? "a node failed" : std::to_string(failures_) + " nodes failed";
  if (options_.every_ms > 0 && since_ms >= options_.every_ms) return "by schedule";
  return std::nullopt;
}

void retraining_plan::begun(int64_t now_ms) {
  trained_ms_ = now_ms;
  failures_ = 0;
  asked_ = false;
}

std::optional<int64_t> retraining_plan::next_ms() const {
  bool failed = options_.after_failures > 0 && failures_ >= options_.after_failures;
  if (failed) return trained_ms_ + options_.pause_ms;
  if (options_.every_ms == 0) return std::nullopt;
  return trained_ms_ + std::max(options_.every_ms, options_.pause_ms);
}

} // namespace harbinger::predict
