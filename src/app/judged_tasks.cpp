#include "app/judged_tasks.hpp"

#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

namespace harbinger {

namespace {

using json = nlohmann::ordered_json;
using predict::figure_format;

struct column {
  const char* title;
  const char* figure;
  figure_format format;
  bool needed;
};
constexpr std::array<column, 9> columns{{
    {"rows", "rows", figure_format::count, true},
    {"base_rate", "base_rate", figure_format::small, true},
    {"pr_auc", "pr_auc", figure_format::share, true},
    {"roc_auc", "roc_auc", figure_format::share, true},
    {"f1", "f1", figure_format::share, true},
    {"brier", "brier", figure_format::small, true},
    {"brier_of_base_rate", "base_brier", figure_format::small, true},
    {"calibration_error", "calibration_error", figure_format::small, true},
    {"roc_auc_before_injection", "roc_auc_before_injected", figure_format::share, false},
}};

double number(const json& value) {
  return value.is_number() ? value.get<double>() : predict::undefined;
}

/// Throws json::exception for anything but a figure of the report.
predict::figure figure_in(const json& from) {
  return {number(from.at("value")), number(from.at("low")), number(from.at("high"))};
}

judged_kind kind_in(const std::string& task, const json& from) {
  judged_kind out{task, from.at("name").get<std::string>(), from.at("chosen").get<bool>(), {}};
  for (const auto& [name, value] : from.at("figures").items()) out.figures[name] = figure_in(value);
  return out;
}

} // namespace

predict::figure judged_kind::of(const std::string& figure) const {
  auto found = figures.find(figure);
  return found == figures.end() ? predict::figure{} : found->second;
}

result<std::vector<judged_kind>> read_judged(const std::string& task,
                                             std::string_view report_json) {
  std::vector<judged_kind> out;
  try {
    auto document = json::parse(report_json);
    for (const auto& model : document.at("models")) out.push_back(kind_in(task, model));
  } catch (const json::exception& e) {
    return fail(errc::malformed, "report of " + task + ": " + e.what());
  }
  if (out.empty()) return fail(errc::malformed, "report of " + task + ": it judges nothing");
  for (const auto& kind : out)
    for (const auto& c : columns)
      if (c.needed && !kind.figures.contains(c.figure))
        return fail(errc::malformed, "report of " + task + ": no " + c.figure);
  return out;
}

std::string judged_table(const std::vector<judged_kind>& all) {
  json titles{"task", "model", "chosen"}, rows = json::array();
  for (const auto& c : columns) titles.push_back(c.title);
  for (const auto& kind : all) {
    json row{kind.task, kind.kind, kind.chosen ? "yes" : ""};
    for (const auto& c : columns) {
      auto figure = kind.of(c.figure);
      // One interval is enough for the eye: all are in the document.
      if (std::string_view(c.figure) != "pr_auc") figure.low = predict::undefined;
      row.push_back(c.needed || kind.figures.contains(c.figure) ? predict::to_text(figure, c.format)
                                                                : "");
    }
    rows.push_back(std::move(row));
  }
  return json{{"columns", titles}, {"rows", rows}}.dump();
}

} // namespace harbinger
