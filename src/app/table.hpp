#pragma once

#include <string>

namespace harbinger {

/// A document of the console for people. {"columns", "rows"}: aligned columns, numbers to the
/// right, columns without any content left out; an object with "lines": these, then its "table";
/// another: one "name: value" line each, nested ones indented. Text that is no JSON is given back
/// as it is. Columns named "time" hold milliseconds since 1970 and are shown as UTC; control
/// characters are shown as
/// '?'.
std::string render_document(const std::string& document);

/// One event row of `events` in one line: "2026-01-02 03:04:05.678  alert    node_dead  n3  text".
std::string render_event_line(const std::string& document, size_t row);

} // namespace harbinger
