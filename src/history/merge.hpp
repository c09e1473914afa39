#pragma once

/// Several histories as one.

#include <string>
#include <vector>

#include "history/history.hpp"

namespace harbinger {

struct merge_part {
  history data;
  std::string prefix; ///< for ids and fleets that would clash; empty: the history's name
};

/// A part of which one id is also in another part gets its prefix before all ids ("PREFIX/ID"); the
/// same for fleets, where the empty one becomes "PREFIX", so that nobody is compared with
/// strangers. Metrics, and attributes that are features, are those of all parts; a sample has
/// nothing of what its part did not measure. Times stay as they are. The order of the parts is that
/// of the nodes. invalid_argument: a metric means something else in two parts, samples come on
/// change in one and not in another, a prefix that is needed is empty or used twice; oversize:
/// check.hpp.
result<history> merge_histories(std::vector<merge_part> parts, const std::string& name);

} // namespace harbinger
