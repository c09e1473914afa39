#pragma once

/// The frame of every page that is made here: one style sheet, light and dark, no scripts, nothing
/// fetched. Pure.

#include <string>

namespace harbinger::predict {

/// `title` is escaped, `body` is HTML.
std::string page(const std::string& title, const std::string& body);

} // namespace harbinger::predict
