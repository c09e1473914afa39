#include "predict/dataset.hpp"

#include <algorithm>

#include "core/digest.hpp"

namespace harbinger::predict {

std::span<const double> dataset::row(size_t i) const {
  auto width = service_schema()->width();
  return {values.data() + i * width, width};
}

std::map<std::string, run_outcome> dataset::outcomes() const {
  std::map<std::string, run_outcome> out;
  for (const auto& r : runs) out[r.run] = {r.node, r.death_ms, r.trouble};
  return out;
}

std::optional<uint8_t> label_of(const run_info& run, const node_id& node, int64_t time_ms,
                                double horizon_s) {
  auto horizon_ms = static_cast<int64_t>(horizon_s * 1000);
  bool dies = run.death_ms && node == run.node;
  if (dies && time_ms >= *run.death_ms) return std::nullopt;
  if (dies) return *run.death_ms - time_ms <= horizon_ms ? uint8_t{1} : uint8_t{0};
  if (time_ms + horizon_ms > run.end_ms) return std::nullopt;
  return uint8_t{0};
}

void add_run(dataset& to, const run_info& run, const std::vector<recorded_rows>& rows,
             const time_scales& scales, int64_t step_ms) {
  if (rows.empty() || step_ms <= 0) return;
  auto index = static_cast<uint32_t>(to.runs.size());
  to.runs.push_back(run);
  feature_engine engine(scales);
  feature_table table;
  int64_t tick = rows.front().received_ms + step_ms;
  auto take = [&] {
    engine.table(tick, table);
    for (size_t i = 0; i < table.nodes.size(); ++i) {
      auto label = label_of(run, table.nodes[i], tick, scales.horizon_s);
      to.censored += !label;
      if (!label) continue;
      to.values.insert(to.values.end(), table.row(i).begin(), table.row(i).end());
      to.labels.push_back(*label);
      to.run.push_back(index);
      to.node.push_back(table.nodes[i]);
      to.time_ms.push_back(tick);
      to.weight.push_back(1);
    }
    tick += step_ms;
  };
  for (const auto& one : rows) {
    if (one.received_ms - tick > 1000 * step_ms)
      tick = one.received_ms; // a hole in the recording: nothing to learn there
    while (one.received_ms > tick) take();
    engine.add(one.rows, one.received_ms);
  }
}

result<dataset> load_dataset(const std::string& directory, const std::vector<std::string>& exclude,
                             const time_scales& scales, int64_t step_ms) {
  auto names = list_runs(directory);
  if (!names) return tl::unexpected<error>(names.error());
  dataset out;
  for (const auto& name : *names) {
    if (std::find(exclude.begin(), exclude.end(), name) != exclude.end()) continue;
    auto info = read_run_info(directory, name);
    if (!info) {
      out.skipped.push_back(to_string(info.error()));
      continue;
    }
    auto rows = read_recording(directory, name, out.bad_lines);
    if (!rows) {
      out.skipped.push_back(to_string(rows.error()));
      continue;
    }
    add_run(out, *info, *rows, scales, step_ms);
  }
  if (out.size() == 0) return fail(errc::not_found, "no usable run in " + directory);
  return out;
}

subsample choose_rows(const dataset& from, const std::vector<size_t>& candidates, size_t rows_max) {
  std::vector<std::pair<uint64_t, size_t>> kinds[2];
  for (size_t i : candidates) {
    auto name = from.runs[from.run[i]].run + '/' + from.node[i].value + '/'
                + std::to_string(from.time_ms[i]);
    kinds[from.labels[i]].emplace_back(checksum64(name), i);
  }
  size_t positives = std::min(
      kinds[1].size(), std::max(rows_max / 2, rows_max - std::min(rows_max, kinds[0].size())));
  size_t quota[2] = {std::min(kinds[0].size(), rows_max - positives), positives};
  std::vector<std::pair<size_t, double>> chosen;
  for (int label = 0; label < 2; ++label) {
    auto& all = kinds[label];
    std::sort(all.begin(), all.end());
    for (size_t k = 0; k < quota[label]; ++k)
      chosen.emplace_back(all[k].second, from.weight[all[k].second]
                                             * static_cast<double>(all.size())
                                             / static_cast<double>(quota[label]));
  }
  std::sort(chosen.begin(), chosen.end());
  subsample out;
  for (const auto& [row, weight] : chosen) {
    out.rows.push_back(row);
    out.weight.push_back(weight);
  }
  return out;
}

} // namespace harbinger::predict
