#pragma once

#include <vector>

#include "store/entry_effect.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

/// How a write ended.
struct store_written {
  partition_head head;                      ///< after it
  std::vector<entry_outcome> outcomes = {}; ///< of the entries that were new, in order
};

/// How a tail was taken back.
struct store_rewound {
  partition_head head;     ///< after it
  harbinger::version fork; ///< where the log left the true history: its version now
  uint64_t undone = 0;     ///< entries taken back
  uint64_t journalled = 0; ///< of them, new in the conflict journal
};

} // namespace harbinger
