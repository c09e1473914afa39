#pragma once

/// The report as one self-contained page: inline SVG and style, no scripts, nothing fetched, light
/// and dark. All text that comes from data is escaped.

#include <string>

#include "predict/report.hpp"

namespace harbinger::predict {

std::string report_html(const report& r);

} // namespace harbinger::predict
