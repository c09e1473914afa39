#include "telemetry/gate.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "telemetry/metrics.hpp"

namespace harbinger::telemetry {

void gate::set_nodes(const std::vector<node_row>& nodes, bool whole) {
  if (whole) {
    std::set<node_id> known;
    for (const auto& n : nodes) known.insert(n.id);
    std::erase_if(sources_, [&](const auto& s) { return !known.contains(s.first); });
  }
  for (const auto& n : nodes)
    if (auto& s = sources_[n.id]; s.life != n.life) s = source{n.life};
}

bool gate::acceptable(const telemetry_rows& batch, const source& from) {
  auto refuse = [](uint64_t& why) {
    ++why;
    return false;
  };
  if (batch.life != from.life) return refuse(counters_.stale_life);
  if (!batch.metrics || batch.metrics->empty()) return refuse(counters_.malformed);
  if (batch.metrics->size() > limits_.metrics_max || batch.times.size() > limits_.rows_max)
    return refuse(counters_.oversize);
  if (batch.values.size() != batch.times.size() * batch.metrics->size() || batch.seq == 0)
    return refuse(counters_.malformed);
  if (batch.seq <= from.seq) return refuse(counters_.duplicates);
  return true;
}

std::optional<telemetry_rows> gate::admit(telemetry_rows batch, unix_ms wall_now) {
  ++counters_.batches;
  auto found = sources_.find(batch.node);
  if (found == sources_.end()) {
    ++counters_.unknown_node;
    return std::nullopt;
  }
  auto& from = found->second;
  if (!acceptable(batch, from)) return std::nullopt;
  // The first batch that is heard of a life does not count what went before: the centre may have
  // started later.
  if (from.seq > 0) counters_.batches_lost += batch.seq - from.seq - 1;
  from.seq = batch.seq;

  size_t width = batch.metrics->size(), kept = 0;
  for (size_t i = 0; i < batch.times.size(); ++i) {
    auto time = batch.times[i].value;
    if (time > wall_now.value + limits_.future_max_ms) {
      ++counters_.rows_future;
    } else if (time <= from.newest_ms) {
      ++counters_.rows_unordered;
    } else {
      from.newest_ms = time;
      if (kept != i) {
        batch.times[kept] = batch.times[i];
        std::copy_n(batch.values.begin() + static_cast<ptrdiff_t>(i * width), width,
                    batch.values.begin() + static_cast<ptrdiff_t>(kept * width));
      }
      ++kept;
    }
  }
  batch.times.resize(kept);
  batch.values.resize(kept * width);
  for (auto& value : batch.values)
    if (std::fabs(value) > limits_.value_max) { // infinite ones too; false for NaN
      value = missing;
      ++counters_.infinite_values;
    }
  if (kept == 0) return std::nullopt;
  counters_.rows_accepted += kept;
  return batch;
}

} // namespace harbinger::telemetry
