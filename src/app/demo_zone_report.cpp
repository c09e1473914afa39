#include <cstdio>

#include "app/demo_report_parts.hpp"
#include "app/demo_zone.hpp"

namespace harbinger {

namespace {

using nlohmann::ordered_json;

template <class... Values>
std::string row(const char* name, const char* format, Values... values) {
  char cell[160];
  std::snprintf(cell, sizeof cell, format, values...);
  return report_row(name, std::string{cell});
}

unsigned long long plain(uint64_t n) { return n; }

std::string names(const zone_demo_report& r) {
  std::string text;
  for (const auto& name : r.nodes) text += (text.empty() ? "" : " and ") + name;
  return text;
}

} // namespace

std::string to_json(const zone_demo_report& r) {
  ordered_json json;
  json["scenario"] = "zone";
  json["trouble"] = r.trouble;
  json["seed"] = r.seed;
  json["rack"] = r.rack;
  json["nodes"] = r.nodes;
  json["warning_lead_s"] = number_or_null(r.warning_lead_s);
  json["partitions"] = r.partitions;
  json["partitions_at_risk"] = r.partitions_at_risk;
  json["partitions_whole_in_rack"] = r.partitions_whole;
  json["partitions_escalated"] = r.partitions_escalated;
  json["escalation_s"] = number_or_null(r.escalation_s);
  json["apart_ms"] = number_or_null(r.apart_ms);
  add_writes(json, r);
  json["detect_ms"] = number_or_null(r.detect_ms);
  json["served_ms"] = number_or_null(r.served_ms);
  json["all_reads_ms"] = number_or_null(r.all_reads_ms);
  json["all_writes_ms"] = number_or_null(r.all_writes_ms);
  json["restored_ms"] = number_or_null(r.restored_ms);
  json["total_s"] = number_or_null(r.total_s);
  return json.dump(2) + '\n';
}

std::string to_table(const zone_demo_report& r) {
  std::string table;
  table += row("lost at one instant", "%s (%s), both in trouble: %s", names(r).c_str(),
               r.rack.c_str(), r.trouble.c_str());
  table += r.warning_lead_s ? row("warning", "%.1f s before the deaths", *r.warning_lead_s)
                            : row("warning", "%s", "none");
  table += row("partitions with a replica in the rack", "%llu of %llu", plain(r.partitions_at_risk),
               plain(r.partitions));
  table += row("  with primary and secondary in it", "%llu", plain(r.partitions_whole));
  table += row("  of these escalated before the deaths", "%llu", plain(r.partitions_escalated));
  if (r.escalation_s) table += row("first zone to the last escalation", "%.1f s", *r.escalation_s);
  table += report_row("deaths to the last verdict", r.detect_ms);
  table += report_row("deaths until every partition has a primary", r.served_ms);
  table += report_row("  and serves reads", r.all_reads_ms);
  table += report_row("  and takes writes", r.all_writes_ms);
  table += report_row("  and has all its replicas again", r.restored_ms);
  table += lost_row(r);
  table += row("partitions not served without escalation", "%llu, until a node comes back",
               plain(r.partitions_whole));
  return table;
}

std::vector<std::string> broken_promises(const zone_demo_report& r) {
  std::vector<std::string> broken;
  if (!r.warning_lead_s || *r.warning_lead_s <= 0)
    broken.push_back("there was no warning before the deaths");
  if (r.partitions_whole == 0) broken.push_back("no partition was whole in the rack");
  if (r.partitions_escalated < r.partitions_whole)
    broken.push_back("not every partition that was whole in the rack was escalated in time");
  add_broken_promises(broken, r);
  if (!r.served_ms || !r.all_reads_ms || !r.all_writes_ms)
    broken.push_back("not every partition was served again");
  if (!r.restored_ms) broken.push_back("not every partition got all its replicas back");
  return broken;
}

} // namespace harbinger
