#pragma once

/// Whom the rows of a history belong to, as splits.hpp wants to know it.

#include <string>
#include <vector>

#include "history/history.hpp"
#include "predict/examples.hpp"
#include "predict/splits.hpp"

namespace harbinger::predict {

/// Owns the names that `rows` views: may be moved, not copied.
struct dealing {
  std::vector<std::string> machine, group; ///< by node
  std::vector<split_row> rows;             ///< by example
};

/// `machine`: the attribute that names what must stay together; a node without it stands for
/// itself. `group`: the attribute that names a group; a node without it belongs to that of its
/// fleet.
dealing deal(const history& from, const examples& rows, const std::string& machine,
             const std::string& group);

} // namespace harbinger::predict
