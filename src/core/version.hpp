#pragma once

#include <compare>
#include <ostream>
#include <string>
#include <vector>

#include "core/ids.hpp"

namespace harbinger {

/// A point in a partition's history. Lexicographic: a later epoch beats any sequence number.
struct version {
  harbinger::epoch epoch{};
  seq_no seq{};
  friend constexpr auto operator<=>(const version&, const version&) = default;
};

inline std::string to_string(const version& v) {
  return std::to_string(v.epoch.value) + ':' + std::to_string(v.seq.value);
}
inline std::ostream& operator<<(std::ostream& out, const version& v) { return out << to_string(v); }

/// Which sequence number was the first of an epoch (as Kafka's leader epochs); ascending in both.
struct epoch_start {
  harbinger::epoch epoch{};
  seq_no first_seq{};
  friend constexpr auto operator<=>(const epoch_start&, const epoch_start&) = default;
};
using epoch_history = std::vector<epoch_start>;

} // namespace harbinger
