#pragma once

/// What training and judging are both asked about the rows of a history.

#include <cstdint>
#include <string>

namespace harbinger::predict {

struct row_options {
  int64_t every_ms = 0; ///< between two decisions about a node; 0: for the one who takes it to say
  int64_t phase_ms = 0; ///< when in that time, from its beginning
  double healthy_share = 1; ///< of the rows far from a failure that is kept; others are weighed for
  std::string group;        ///< attribute that names a group; empty: the fleet
  std::string machine;      ///< attribute whose nodes stay together; empty: each node for itself
};

} // namespace harbinger::predict
