#include "predict/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>

namespace harbinger::predict {
namespace {

void draw(std::vector<double>& multiplicity, std::mt19937_64& random) {
  std::fill(multiplicity.begin(), multiplicity.end(), 0.0);
  // Not std::uniform_int_distribution, which differs between libraries. The bias is below 2^-32.
  for (size_t i = 0; i < multiplicity.size(); ++i)
    multiplicity[(random() >> 32) * multiplicity.size() >> 32] += 1;
}

} // namespace

unit_map units_of(const judged_rows& given, resampling unit, counted_machines whom) {
  std::map<std::string, uint32_t> known;
  std::vector<bool> used(given.machines.size(), whom == counted_machines::all);
  for (const auto& r : given.rows) used[r.machine] = used[r.machine] || r.weight > 0;
  auto name = [&](const judged_machine& m) -> const std::string& {
    return unit == resampling::groups ? m.group : m.node;
  };
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) known.emplace(name(given.machines[i]), 0);
  uint32_t next = 0;
  for (auto& [text, index] : known) index = next++;
  unit_map out{std::vector<uint32_t>(given.machines.size()), known.size()};
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) out.of[i] = known.at(name(given.machines[i]));
  return out;
}

std::vector<figure>
bootstrap(size_t units, uint32_t replicates, uint64_t seed,
          const std::function<std::vector<double>(std::span<const double> multiplicity)>& measure) {
  std::vector<double> multiplicity(units, 1.0);
  std::vector<figure> out;
  for (double value : measure(multiplicity)) out.push_back({value, undefined, undefined});
  if (units < 2 || replicates == 0) return out;
  std::vector<std::vector<double>> values(out.size());
  std::seed_seq seeds{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  std::mt19937_64 random(seeds);
  for (uint32_t r = 0; r < replicates; ++r) {
    draw(multiplicity, random);
    auto measured = measure(multiplicity);
    for (size_t i = 0; i < measured.size(); ++i)
      if (!std::isnan(measured[i])) values[i].push_back(measured[i]);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (std::isnan(out[i].value) || values[i].size() * 2 < replicates) continue;
    std::sort(values[i].begin(), values[i].end());
    out[i].low = quantile(values[i], 0.025);
    out[i].high = quantile(values[i], 0.975);
  }
  return out;
}

uint32_t replicates_for(size_t rows) {
  return static_cast<uint32_t>(
      std::clamp<size_t>(400'000'000 / std::max<size_t>(rows, 1), 200, 1000));
}

} // namespace harbinger::predict
