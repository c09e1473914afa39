#include "app/demo_report.hpp"

#include <cstdio>

#include "app/demo_report_parts.hpp"

namespace harbinger {

namespace {

/// "1245 ms, 388 ms of it after the verdict (5.1 times as long)": detection is the same for all
/// ways, so the part after it is what tells them apart.
std::string recovery(const std::optional<double>& way, const demo_report& r) {
  if (!way || !r.detect_ms || !r.recovery_prefetched_ms) return ms_text(way);
  double after = *way - *r.detect_ms, prefetched = *r.recovery_prefetched_ms - *r.detect_ms;
  char text[128];
  int length =
      std::snprintf(text, sizeof text, "%.0f ms, %.0f ms of it after the verdict", *way, after);
  if (*way != *r.recovery_prefetched_ms && prefetched > 0)
    std::snprintf(text + length, sizeof text - static_cast<size_t>(length), " (%.1f times as long)",
                  after / prefetched);
  return text;
}

} // namespace

std::string to_json(const demo_report& r) {
  nlohmann::ordered_json json;
  json["trouble"] = r.trouble;
  json["seed"] = r.seed;
  json["node"] = r.node;
  json["death"] = r.death;
  json["warning_lead_s"] = number_or_null(r.warning_lead_s);
  add_writes(json, r);
  json["partitions_at_risk"] = r.partitions_at_risk;
  json["partitions_prefetched"] = r.partitions_prefetched;
  json["bytes_prefetched"] = r.bytes_prefetched;
  json["detect_ms"] = number_or_null(r.detect_ms);
  json["promote_ms"] = number_or_null(r.promote_ms);
  json["first_read_ms"] = number_or_null(r.first_read_ms);
  json["first_write_ms"] = number_or_null(r.first_write_ms);
  json["all_reads_ms"] = number_or_null(r.all_reads_ms);
  json["all_writes_ms"] = number_or_null(r.all_writes_ms);
  json["recovery_prefetched_ms"] = number_or_null(r.recovery_prefetched_ms);
  json["recovery_checkpoint_tail_ms"] = number_or_null(r.recovery_checkpoint_tail_ms);
  json["recovery_full_rebuild_ms"] = number_or_null(r.recovery_full_rebuild_ms);
  json["drill_checkpoint_tail_ms"] = number_or_null(r.drill_checkpoint_tail_ms);
  json["drill_full_rebuild_ms"] = number_or_null(r.drill_full_rebuild_ms);
  json["metadata_mib_per_partition"] = r.metadata_mib_per_partition;
  json["nodes_falsely_in_zone"] = r.nodes_falsely_in_zone;
  json["total_s"] = number_or_null(r.total_s);
  return json.dump(2) + '\n';
}

std::string to_table(const demo_report& r) {
  char text[128];
  std::string table;
  table += report_row("trouble", r.trouble + " on " + r.node + ", which ended with " + r.death);
  std::snprintf(text, sizeof text, "%.1f s before the death", r.warning_lead_s.value_or(0));
  table += report_row("warning", std::string{r.warning_lead_s ? text : "none"});
  std::snprintf(text, sizeof text, "%llu of %llu, %.1f MiB",
                static_cast<unsigned long long>(r.partitions_prefetched),
                static_cast<unsigned long long>(r.partitions_at_risk),
                static_cast<double>(r.bytes_prefetched) / (1 << 20));
  table += report_row("partitions at risk that were prefetched in time", std::string{text});
  table += report_row("death to verdict", r.detect_ms);
  table += report_row("verdict to the last promotion", r.promote_ms);
  table += report_row("death to the first read served", r.first_read_ms);
  table += report_row("death to the first write served", r.first_write_ms);
  table += lost_row(r);
  table += "\n  recovery: from the death until every affected partition is served and has all its "
           "replicas\n";
  table += report_row("  from the prefetched copies", recovery(r.recovery_prefetched_ms, r));
  table += report_row("  without them, by checkpoint + tail",
                      recovery(r.recovery_checkpoint_tail_ms, r));
  table += report_row("  without them, by full rebuild", recovery(r.recovery_full_rebuild_ms, r));
  return table;
}

std::vector<std::string> broken_promises(const demo_report& r) {
  std::vector<std::string> broken;
  if (!r.warning_lead_s || *r.warning_lead_s <= 0)
    broken.push_back("there was no warning before the death");
  add_broken_promises(broken, r);
  if (r.partitions_at_risk == 0) broken.push_back("no partition was at risk");
  if (r.partitions_prefetched < r.partitions_at_risk)
    broken.push_back("not every partition at risk had a copy in time");
  if (!r.recovery_prefetched_ms) broken.push_back("recovery did not finish");
  if (!r.recovery_checkpoint_tail_ms || !r.recovery_full_rebuild_ms)
    broken.push_back("the comparison with mass storage did not finish");
  if (r.recovery_prefetched_ms && r.recovery_checkpoint_tail_ms
      && *r.recovery_prefetched_ms >= *r.recovery_checkpoint_tail_ms)
    broken.push_back("recovery from copies was not faster than by checkpoint + tail");
  if (r.recovery_prefetched_ms && r.recovery_full_rebuild_ms
      && *r.recovery_prefetched_ms >= *r.recovery_full_rebuild_ms)
    broken.push_back("recovery from copies was not faster than by full rebuild");
  return broken;
}

} // namespace harbinger
