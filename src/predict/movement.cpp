#include "predict/movement.hpp"

#include <cmath>
#include <optional>
#include <string_view>

namespace harbinger::predict {
namespace {

struct prefix_row {
  std::string_view prefix;
  metric_group group;
};
constexpr prefix_row prefixes[] = {
    {"process.cpu", metric_group::cpu},
    {"process.run_wait", metric_group::cpu},
    {"process.switches", metric_group::cpu},
    {"loop.", metric_group::cpu},
    {"process.rss", metric_group::memory},
    {"process.vsize", metric_group::memory},
    {"process.faults", metric_group::memory},
    {"process.write", metric_group::io},
    {"store.", metric_group::io},
    {"host.tcp", metric_group::network},
    {"net.", metric_group::network},
};

std::optional<metric_group> group_of(const feature_spec& f) {
  if (f.metric == "log.errors")
    return f.what == statistic::count_short ? std::optional(metric_group::errors) : std::nullopt;
  if (f.what != statistic::baseline) return std::nullopt;
  for (const auto& row : prefixes)
    if (std::string_view(f.metric).starts_with(row.prefix)) return row.group;
  return std::nullopt;
}

} // namespace

movement_reader::movement_reader(const schema& of) {
  for (size_t i = 0; i < of.features.size(); ++i)
    if (auto group = group_of(of.features[i])) features_[static_cast<size_t>(*group)].push_back(i);
}

group_deviations movement_reader::read(std::span<const double> row) const {
  auto out = no_deviations;
  for (size_t g = 0; g < metric_groups; ++g) {
    double sum = 0;
    size_t known = 0;
    for (auto i : features_[g])
      if (std::isfinite(row[i])) sum += row[i], ++known;
    if (known > 0) out[g] = static_cast<float>(sum / static_cast<double>(known));
  }
  return out;
}

} // namespace harbinger::predict
