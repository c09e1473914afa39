#include "recovery/copy_outlook.hpp"

#include <algorithm>
#include <cmath>

#include "recovery/redundancy.hpp"

namespace harbinger::recovery {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

/// Who would be promoted: a member of the sync set other than the primary, alive, with its replica.
node_id heir_of(const partition_row& row, const surroundings& around) {
  node_id best;
  version held;
  for (const auto& id : around.live_members(row)) {
    const auto* entry = around.replica(id, row.id);
    if (id == row.primary || !entry || around.lost(id, row.id)) continue;
    if (!best.value.empty() && entry->report.version <= held) continue;
    best = id;
    held = entry->report.version;
  }
  return best;
}

void take_report(copy_outlook& out, const replica_book::entry& entry,
                 const replica_book::entry* primary) {
  const auto& r = entry.report;
  out.state = name_of(r.state);
  out.version = r.version;
  out.lag_ms = r.lag_ms;
  out.digest_ok = !entry.digest_differs;
  out.size_bytes = r.size_bytes;
  out.copied_bytes = r.copied_bytes;
  out.source = r.source;
  out.failure = r.failure;
  if (!primary) return;
  auto head = primary->report.version.seq.value, mine = r.version.seq.value;
  out.batches_behind = head > mine ? head - mine : 0;
  out.bytes_behind = static_cast<uint64_t>(
      std::llround(static_cast<double>(*out.batches_behind) * primary->report.batch_bytes));
}

std::string in_ms(std::optional<double> ms) {
  return ms ? "in about " + std::to_string(std::llround(*ms)) + " ms"
            : "in a time not measured yet";
}

std::string words_for(const copy_outlook& c, const node_id& primary, bool usable) {
  auto restores = !usable ? std::string("; this copy restores nothing: ")
                                + (c.digest_ok ? "it is " + c.state : "its digest differs")
                          : "; this copy is the new replica " + in_ms(c.whole_ms);
  if (primary.value.empty()) return "has no primary now" + restores;
  if (!c.heir.value.empty())
    return c.heir.value + " serves " + in_ms(c.served_ms) + ", nothing lost" + restores;
  auto lacks = c.batches_behind ? std::to_string(*c.batches_behind) + " batches"
                                : std::string("what it lacks is not known");
  return "nobody else is in the sync set: not served until " + primary.value
         + " is back; the copy holds all but " + lacks;
}

} // namespace

measured_times measured(const std::vector<outage>& outages) {
  std::vector<double> detect, promote, redundancy, primaries;
  for (const auto& o : outages) {
    if (!o.over() || o.primaries == 0) continue;
    detect.push_back(o.detect_ms);
    promote.push_back(o.promote_ms);
    redundancy.push_back(o.redundancy_ms);
    primaries.push_back(static_cast<double>(o.primaries));
  }
  return {detect.size(), median(detect), median(promote), median(redundancy), median(primaries)};
}

std::vector<copy_outlook> copy_outlooks(const surroundings& around, const measured_times& times) {
  std::vector<copy_outlook> list;
  for (const auto& [id, row] : around.view.partitions()) {
    if (row.copies.empty()) continue;
    auto heir = heir_of(row, around);
    const auto* primary = available(row, around) ? around.replica(row.primary, id) : nullptr;
    for (const auto& copy : row.copies) {
      if (!around.alive(copy.node)) continue;
      copy_outlook out;
      out.partition = id;
      out.node = copy.node;
      out.state = "ordered";
      out.ready = copy.ready;
      out.joining = std::binary_search(row.joiners.begin(), row.joiners.end(), copy.node);
      const auto* entry = around.replica(copy.node, id);
      if (entry) take_report(out, *entry, primary);
      out.heir = heir;
      bool known = times.outages > 0;
      if (!heir.value.empty() && known) out.served_ms = times.detect_ms + times.promote_ms;
      bool usable = entry && !entry->digest_differs && entry->report.state != replica_state::copying
                    && entry->report.state != replica_state::failed;
      if (usable && known && !heir.value.empty())
        out.whole_ms = times.detect_ms + times.redundancy_ms;
      out.lost_batches = heir.value.empty() ? out.batches_behind : std::optional<uint64_t>(0);
      out.outlook = words_for(out, row.primary, usable);
      list.push_back(std::move(out));
    }
  }
  return list;
}

} // namespace harbinger::recovery
