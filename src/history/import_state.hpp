#pragma once

/// Inside of the import: what has been gathered so far. For import*.cpp alone.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "history/import.hpp"
#include "history/import_schema.hpp"

namespace harbinger {

/// Of a node, beside what the history keeps; parallel to history::nodes.
struct node_facts {
  std::optional<int64_t> first_ms, last_ms; ///< as a nodes table says
  std::optional<int64_t> origin_ms;
  // of a roster
  std::string prefix; ///< the id without its number
  int64_t number = 0;
  int64_t roster_count = 0; ///< 0: no roster
};

struct sample_key {
  uint32_t node = 0;
  int64_t time_ms = 0;
  friend bool operator==(const sample_key&, const sample_key&) = default;
};
struct sample_key_hash {
  size_t operator()(const sample_key& k) const {
    // Fibonacci hashing: times are multiples of a minute or a day.
    return (static_cast<uint64_t>(k.time_ms) * 31 + k.node) * 0x9E3779B97F4A7C15ULL >> 7;
  }
};

struct import_state {
  import_schema schema;
  imported out;
  std::vector<node_facts> facts;
  std::unordered_map<std::string, uint32_t> index;
  std::unordered_map<sample_key, size_t, sample_key_hash> samples; ///< where in out.data.samples
  std::vector<size_t> sample_table; ///< parallel to the samples: the table that last wrote it

  /// Adds it when it is new. Nothing: nodes_max.
  std::optional<uint32_t> add_node(const std::string& id);
};

/// Reads one table of the schema into the state.
result<> import_table(import_state& state, size_t table, const std::string& directory,
                      const std::function<void(uint64_t)>& bytes_read);

/// Adds the nodes that no row names: each is as the node with the nearest number beside it.
result<> complete_rosters(import_state& state);
/// Decides from when to when each node was watched.
result<> decide_watched(import_state& state);

} // namespace harbinger
