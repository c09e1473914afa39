#pragma once

/// What the journal of the catalog says of a changed row, so that it can be told later how the row
/// was at a time. Pure.

#include <map>
#include <string>

#include "messages/catalog.hpp"

namespace harbinger::catalog {

/// epoch, primary, sync_set, joiners, copies ("n3 n4(copying)"); lists by blanks; what is empty is
/// left out, but for the primary.
std::map<std::string, std::string> row_fields(const partition_row& row);
/// state, incarnation.
std::map<std::string, std::string> row_fields(const node_row& row);

} // namespace harbinger::catalog
