#pragma once

/// Data that comes with the programs.

#include <string>

#include "core/result.hpp"

namespace harbinger {

/// The path of a directory that the source tree names so ("data/campaign", "config/histories"): in
/// the tree that this program was built in, else as it is installed beside it
/// (share/harbinger/campaign). not_found: in neither.
result<std::string> shipped_directory(const std::string& name);

} // namespace harbinger
