#pragma once

/// When a partition's log is looked at, to be trimmed: all of them with each checkpoint, those that
/// grow fast every few seconds. Pure.

#include <map>
#include <utility>

#include "core/time.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

class trim_pace {
public:
  static constexpr auto period = seconds(5);
  static constexpr uint64_t entries_min = 64; ///< new ones, for a look between checkpoints

  /// A round over the partitions begins; `checkpoint`: one is due.
  void begin(bool checkpoint, time_point now) {
    all_ = checkpoint;
    due_ = checkpoint || now >= next_at_;
    if (!due_) return;
    next_at_ = now + period;
    before_ = std::exchange(lengths_, {}); // partitions that are gone are forgotten
  }
  /// Once a round for each partition.
  bool look(const partition_head& head) {
    if (!due_) return false;
    auto& length = lengths_[head.partition] = before_[head.partition];
    if (!all_ && head.version.seq.value < length.value + entries_min) return false;
    length = head.version.seq;
    return true;
  }

private:
  std::map<partition_id, seq_no> lengths_, before_; ///< of the logs when they were last looked at
  time_point next_at_{};
  bool all_ = false, due_ = false;
};

} // namespace harbinger
