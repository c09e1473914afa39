#pragma once

/// What the reports of both demos say in the same way. For demo*_report.cpp alone.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/demo_report.hpp"

namespace harbinger {

/// To a thousandth; null: not reached.
nlohmann::ordered_json number_or_null(const std::optional<double>& value);
void add_writes(nlohmann::ordered_json& document, const demo_writes& writes);
void add_broken_promises(std::vector<std::string>& broken, const demo_writes& writes);

std::string ms_text(const std::optional<double>& ms); ///< "-": not reached
/// A line of the table.
std::string report_row(const char* name, const std::string& cell);
std::string report_row(const char* name, const std::optional<double>& ms);
std::string lost_row(const demo_writes& writes);

} // namespace harbinger
