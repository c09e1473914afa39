#include "replica/node_reports.hpp"

#include <algorithm>
#include <set>

namespace harbinger {

namespace {

void take_store(replica_report& r, const partition_head& h) {
  r.digest = h.digest.total();
  r.records = h.records;
  r.size_bytes = h.size_bytes;
}

replica_report stored_report(const partition_head& h) {
  replica_report r;
  r.partition = h.partition;
  r.role = h.role;
  r.state = h.state;
  r.epoch = h.epoch;
  r.revision = h.revision;
  r.version = h.version;
  r.copy = h.copy;
  r.failure = h.failure;
  take_store(r, h);
  return r;
}

void take_copy(replica_report& r, const copy_table::row& row, time_point now) {
  r.copied_bytes = row.copied_bytes;
  r.source = row.source;
  r.lag_ms = row.lag_ms + std::max(0.0, to_ms(now - row.as_of));
  if (!row.failure.empty()) r.failure = row.failure;
  if (!row.following && r.state == replica_state::following) r.state = replica_state::detached;
}

replica_report unstored_report(partition_id partition, const copy_table::row& row) {
  replica_report r;
  r.partition = partition;
  r.copy = row.copy;
  r.copied_bytes = row.copied_bytes;
  r.source = row.source;
  r.failure = row.failure;
  if (!row.failure.empty()) r.state = replica_state::failed;
  return r;
}

} // namespace

std::vector<replica_report> node_reports(node_replicas replicas, time_point now) {
  std::vector<replica_report> out;
  std::set<partition_id> stored;
  for (const auto& h : replicas.heads) {
    stored.insert(h.partition);
    auto known = replicas.known.find(h.partition);
    auto copy = replicas.copies.find(h.partition);
    if (known != replicas.known.end()) {
      out.push_back(std::move(known->second));
      // The scrubber may have set them right.
      if (out.back().version == h.version) take_store(out.back(), h);
    } else {
      out.push_back(stored_report(h));
      if (copy != replicas.copies.end() && copy->second.copy == h.copy)
        take_copy(out.back(), copy->second, now);
      else if (h.state == replica_state::following)
        out.back().state = replica_state::detached; // nobody pulls for it in this life
    }
    auto damage = replicas.damage.find(h.partition);
    if (out.back().failure.empty() && damage != replicas.damage.end())
      out.back().failure = damage->second;
  }
  for (const auto& [partition, row] : replicas.copies)
    if (!stored.contains(partition) && !replicas.known.contains(partition))
      out.push_back(unstored_report(partition, row));
  return out;
}

} // namespace harbinger
