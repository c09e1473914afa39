#include "predict/crowd.hpp"

#include <algorithm>
#include <string>

#include "predict/history_metrics.hpp"

namespace harbinger::predict {
namespace {
/// Samples of each node that has any, in their order.
std::vector<std::vector<const history_sample*>> lives_of(const history& from) {
  std::vector<std::vector<const history_sample*>> out(from.nodes.size());
  for (const auto& s : from.samples) out[s.node].push_back(&s);
  std::erase_if(out, [](const auto& life) { return life.empty(); });
  return out;
}

/// The newest `count` samples of a life, at the times they have when the last one is now.
telemetry_rows rows_of(const std::vector<const history_sample*>& life, size_t count,
                       int64_t now_ms) {
  telemetry_rows out;
  auto moved = now_ms - life.back()->time_ms;
  for (size_t i = life.size() - std::min(count, life.size()); i < life.size(); ++i) {
    out.times.push_back(unix_ms{life[i]->time_ms + moved});
    out.values.insert(out.values.end(), life[i]->values.begin(), life[i]->values.end());
  }
  return out;
}
} // namespace

result<std::vector<telemetry_rows>> crowd_of(const history& lives, const crowd_options& options) {
  if (options.nodes > crowd_nodes_max)
    return fail(errc::oversize, "a crowd has at most 100,000 nodes");
  auto samples = lives_of(lives);
  if (samples.empty() || options.nodes == 0 || options.samples_each == 0)
    return fail(errc::invalid_argument, "a crowd needs nodes, and lives with samples");
  auto metrics = specs_of(lives);
  std::vector<telemetry_rows> out;
  for (size_t i = 0; i < options.nodes; ++i) {
    out.push_back(rows_of(samples[i % samples.size()], options.samples_each, options.now_ms));
    out.back().metrics = metrics;
    out.back().node = node_id{"n" + std::to_string(i)};
    out.back().life = incarnation{1};
  }
  return out;
}

telemetry_rows newest_again(const telemetry_rows& rows, int64_t later_ms) {
  telemetry_rows out{rows.node, rows.life, rows.seq + 1, rows.metrics, {}, {}};
  out.times.push_back(unix_ms{rows.times.back().value + later_ms});
  auto newest = rows.row(rows.times.size() - 1);
  out.values.assign(newest.begin(), newest.end());
  return out;
}

} // namespace harbinger::predict
