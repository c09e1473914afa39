#include "app/status.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace harbinger {
namespace {

using json = nlohmann::json;

constexpr size_t alerts_shown = 5;

/// A listing's rows by column name.
class listing {
public:
  explicit listing(const std::string& document) : data_(json::parse(document, nullptr, false)) {
    if (!data_.is_object() || !data_.contains("rows") || !data_.contains("columns"))
      data_ = {{"columns", json::array()}, {"rows", json::array()}};
  }
  const json& rows() const { return data_["rows"]; }
  /// null when there is no such column or cell.
  json cell(const json& row, const char* column) const {
    const auto& columns = data_["columns"];
    auto it = std::find(columns.begin(), columns.end(), column);
    auto index = static_cast<size_t>(it - columns.begin());
    return index < row.size() ? row[index] : json(nullptr);
  }
  json count_by(const char* column) const {
    json counts = json::object();
    for (const auto& row : rows()) {
      auto value = cell(row, column);
      auto name = value.is_string() ? value.get<std::string>() : value.dump();
      counts[name] = counts.value(name, 0) + 1;
    }
    return counts;
  }

private:
  json data_;
};

bool empty_cell(const json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

/// ["n1", "n2"], "n1 n2" or "n1, n2": how many.
size_t names_in(const json& value) {
  if (value.is_array()) return value.size();
  if (!value.is_string()) return 0;
  size_t count = 0;
  bool inside = false;
  for (char c : value.get_ref<const std::string&>()) {
    bool part = c != ' ' && c != ',';
    if (part && !inside) ++count;
    inside = part;
  }
  return count;
}

json partitions_of(const listing& list) {
  size_t available = 0, short_of = 0, escalated = 0;
  for (const auto& row : list.rows()) {
    bool has_primary = !empty_cell(list.cell(row, "primary"));
    available += has_primary;
    auto wanted = list.cell(row, "replicas_wanted");
    if (!wanted.is_number()) continue;
    auto members = names_in(list.cell(row, "sync_set"));
    short_of += members < wanted.get<size_t>();
    escalated += members > wanted.get<size_t>();
  }
  return {{"total", list.rows().size()},
          {"available", available},
          {"unavailable", list.rows().size() - available},
          {"short_of_replicas", short_of},
          {"escalated", escalated}};
}

json alerts_of(const listing& list) {
  json alerts = json::array();
  for (const auto& row : list.rows())
    if (list.cell(row, "level") == "alert")
      alerts.push_back({{"id", list.cell(row, "id")},
                        {"time", list.cell(row, "time")},
                        {"text", list.cell(row, "text")}});
  while (alerts.size() > alerts_shown) alerts.erase(alerts.begin());
  return alerts;
}

json zones_of(const listing& list) {
  json zones = json::array();
  for (const auto& row : list.rows()) {
    json zone = json::object();
    for (const char* column : {"id", "zone", "domain", "members", "probability"})
      if (auto value = list.cell(row, column); !value.is_null()) zone[column] = value;
    zones.push_back(std::move(zone));
  }
  return zones;
}

} // namespace

std::vector<std::string> status_topics(bool central) {
  if (central) return {"nodes", "partitions", "zones", "copies", "events"};
  return {"replicas", "events"};
}

std::string assemble_status(const std::string& head,
                            const std::map<std::string, std::string>& listings,
                            const std::vector<std::string>& missing) {
  json status = json::parse(head);
  for (const auto& [topic, document] : listings) {
    listing list(document);
    if (topic == "nodes") status["nodes"] = list.count_by("state");
    if (topic == "partitions") status["partitions"] = partitions_of(list);
    if (topic == "zones") status["zones"] = zones_of(list);
    if (topic == "copies") status["copies"] = list.count_by("state");
    if (topic == "replicas") status["replicas"] = list.count_by("role");
    if (topic == "events") status["alerts"] = alerts_of(list);
  }
  if (!missing.empty()) status["missing"] = missing;
  return status.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace harbinger
