#include "app/demo_report_parts.hpp"

#include <cmath>

namespace harbinger {

using nlohmann::ordered_json;

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(std::round(*value * 1000.0) / 1000.0) : ordered_json(nullptr);
}

void add_writes(ordered_json& document, const demo_writes& writes) {
  document["acknowledged_writes"] = writes.acknowledged_writes;
  document["acknowledged_writes_lost"] = writes.acknowledged_writes_lost;
  document["stale_reads"] = writes.stale_reads;
  document["unreadable_partitions"] = writes.unreadable_partitions;
  document["write_p50_ms"] = number_or_null(writes.write_p50_ms);
  document["write_p99_ms"] = number_or_null(writes.write_p99_ms);
  document["write_max_ms"] = number_or_null(writes.write_max_ms);
}

void add_broken_promises(std::vector<std::string>& broken, const demo_writes& writes) {
  if (writes.acknowledged_writes == 0) broken.push_back("no write was acknowledged");
  if (writes.acknowledged_writes_lost != 0) broken.push_back("acknowledged writes were lost");
  if (writes.stale_reads != 0) broken.push_back("reads missed writes acknowledged before");
  if (writes.unreadable_partitions != 0) broken.push_back("some partitions could not be read back");
}

std::string report_row(const char* name, const std::string& cell) {
  char text[256];
  std::snprintf(text, sizeof text, "  %-52s %s\n", name, cell.c_str());
  return text;
}

std::string ms_text(const std::optional<double>& ms) {
  if (!ms) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.0f ms", *ms);
  return text;
}

std::string report_row(const char* name, const std::optional<double>& ms) {
  return report_row(name, ms_text(ms));
}

std::string lost_row(const demo_writes& writes) {
  return report_row("acknowledged writes lost", std::to_string(writes.acknowledged_writes_lost)
                                                    + " of "
                                                    + std::to_string(writes.acknowledged_writes));
}

} // namespace harbinger
