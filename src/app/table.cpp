#include "app/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

#include <nlohmann/json.hpp>

namespace harbinger {
namespace {

using json = nlohmann::json;

std::string printable(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "-";
  char buffer[40];
  bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  std::snprintf(buffer, sizeof buffer, whole ? "%.0f" : "%.4g", value);
  return buffer;
}

std::string time_text(int64_t ms) {
  auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char day[40], all[56];
  std::strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(all, sizeof all, "%s.%03d", day, static_cast<int>(ms % 1000));
  return all;
}

std::string cell_text(const json& value, const std::string& column = {}) {
  if (value.is_null()) return "-";
  if (column == "time" && value.is_number_integer()) return time_text(value.get<int64_t>());
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer()) return value.dump();
  if (value.is_number()) return number_text(value.get<double>());
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += ", ";
    text += value.is_object() ? printable(key) + '=' + cell_text(item, key) : cell_text(item);
  }
  return text;
}

/// Code points, not bytes: columns line up for text in UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

struct column {
  std::string name;
  std::vector<std::string> cells;
  size_t width = 0;
  bool numeric = true;
  bool empty = true;
};

std::vector<column> columns_of(const json& document) {
  std::vector<column> columns;
  const auto& names = document["columns"];
  for (size_t i = 0; i < names.size(); ++i) {
    column c{names[i].is_string() ? names[i].get<std::string>() : names[i].dump(), {}};
    c.width = width_of(c.name);
    for (const auto& row : document["rows"]) {
      auto value = row.is_array() && i < row.size() ? row[i] : json(nullptr);
      c.cells.push_back(cell_text(value, c.name));
      c.width = std::max(c.width, width_of(c.cells.back()));
      c.numeric = c.numeric && (value.is_null() || (value.is_number() && c.name != "time"));
      c.empty = c.empty && (value.is_null() || c.cells.back().empty());
    }
    columns.push_back(std::move(c));
  }
  return columns;
}

void pad(std::string& line, const std::string& text, const column& c, bool last) {
  if (!line.empty()) line += "  ";
  std::string space(c.width - width_of(text), ' ');
  if (c.numeric)
    line += space + text;
  else
    line += last ? text : text + space;
}

std::string render_table(const json& document) {
  auto columns = columns_of(document);
  if (document["rows"].empty()) return "none\n";
  std::erase_if(columns, [](const auto& c) { return c.empty; });
  std::string out;
  for (size_t row = 0; row <= document["rows"].size(); ++row) {
    std::string line;
    for (size_t i = 0; i < columns.size(); ++i)
      pad(line, row == 0 ? columns[i].name : columns[i].cells[row - 1], columns[i],
          i + 1 == columns.size());
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + '\n';
  }
  return out;
}

bool is_table(const json& value) {
  return value.is_object() && value.contains("columns") && value.contains("rows")
         && value["columns"].is_array() && value["rows"].is_array();
}

void render_object(const json& value, size_t depth, std::string& out) {
  std::string indent(2 * depth, ' ');
  for (const auto& [key, item] : value.items()) {
    bool rows = item.is_array() && !item.empty() && item[0].is_object();
    out += indent + printable(key) + ':';
    if (is_table(item))
      out += '\n' + render_table(item);
    else if (item.is_object() && !item.empty())
      out += '\n', render_object(item, depth + 1, out);
    else if (rows) {
      out += '\n';
      for (const auto& each : item) out += indent + "  " + cell_text(each) + '\n';
    } else
      out += ' ' + (item.empty() && !item.is_null() ? std::string{"none"} : cell_text(item, key))
             + '\n';
  }
}

} // namespace

std::string render_document(const std::string& document) {
  auto value = json::parse(document, nullptr, false);
  if (value.is_discarded()) return document + '\n';
  if (is_table(value)) return render_table(value);
  if (!value.is_object()) return cell_text(value) + '\n';
  std::string out;
  if (value.contains("lines") && value["lines"].is_array()) { // sentences for people
    for (const auto& line : value["lines"]) out += cell_text(line) + '\n';
    if (value.contains("table") && is_table(value["table"])) out += render_table(value["table"]);
    return out;
  }
  render_object(value, 0, out);
  return out;
}

std::string render_event_line(const std::string& document, size_t row) {
  auto value = json::parse(document, nullptr, false);
  if (!is_table(value) || row >= value["rows"].size() || value["rows"][row].size() < 6) return {};
  const auto& e = value["rows"][row];
  auto level = cell_text(e[2]);
  level.resize(std::max<size_t>(level.size(), 8), ' ');
  return cell_text(e[1], "time") + "  " + level + cell_text(e[3]) + "  " + cell_text(e[4]) + "  "
         + cell_text(e[5]);
}

} // namespace harbinger
