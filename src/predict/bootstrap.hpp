#pragma once

/// Percentile bootstrap (Efron 1979) over independent units, not over rows: the rows of one machine
/// tell the same story over and over, and resampling them would give intervals far too narrow.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "predict/judgement.hpp"

namespace harbinger::predict {

/// The unit of each machine, dense and by name, so that the order of the machines does not matter.
struct unit_map {
  std::vector<uint32_t> of; ///< by machine; 0 for one that is not counted
  size_t count = 0;
};
enum class counted_machines : uint8_t {
  judged, ///< those with a row of any weight
  all,
};
unit_map units_of(const judged_rows& given, resampling unit,
                  counted_machines whom = counted_machines::judged);

/// Each replicate draws as many units as there are, with replacement (mt19937_64 from the seed, so
/// alike on every platform; at most 2^32 units), and gives the figures under these
/// multiplicities. For each figure the 2.5 % and 97.5 % quantiles of its defined values; NaN where
/// fewer than half of the replicates define it, or with fewer than two units.
std::vector<figure>
bootstrap(size_t units, uint32_t replicates, uint64_t seed,
          const std::function<std::vector<double>(std::span<const double> multiplicity)>& measure);

/// What bootstrap_settings::replicates = 0 comes to.
uint32_t replicates_for(size_t rows);

} // namespace harbinger::predict
