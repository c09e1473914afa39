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

} // namespace harbinger
