#pragma once

/// The pieces of the page, each HTML without headings. Part of report_html.hpp.

#include <string>

#include "predict/charts.hpp"
#include "predict/report.hpp"

namespace harbinger::predict {

std::string figure_section(const std::vector<report_model>& models);
std::string curve_section(const std::vector<report_model>& models);
std::string reliability_section(const judgement& j);
std::string lead_section(const judgement& j);
std::string importance_section(std::vector<report_importance> importances);
/// `none`: what to say without cases.
std::string case_section(const std::vector<report_case>& cases, const judgement& j, bool unix_time,
                         const std::string& none);

} // namespace harbinger::predict
