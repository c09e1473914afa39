#pragma once

/// What would be lost or late if these nodes died at this instant: per partition who would serve,
/// after how long (recovery time), how much would be missing (recovery point), when all replicas
/// would be back. From measured times and speeds; where nothing was measured, from stated
/// assumptions. It decides nothing and changes nothing. Pure.

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "recovery/copy_outlook.hpp"

namespace harbinger::recovery {

/// From best to worst.
enum class kill_way : uint8_t {
  stays,         ///< the primary lives; writes wait until the dead have left the sync set
  secondary,     ///< another member of the sync set is promoted
  escalated,     ///< the same; without escalation there would be none
  copy_and_tail, ///< last resort: the best copy, and the log from mass storage
  mass_storage,  ///< last resort: mass storage alone
  nobody,        ///< not before a node is back
};
constexpr auto enum_names(kill_way) {
  return std::array{"stays", "secondary", "escalated", "copy_and_tail", "mass_storage", "nobody"};
}

struct kill_row {
  partition_id partition;
  kill_way way = kill_way::nobody;
  node_id server; ///< who would serve; empty: nobody, or not known yet
  /// Recovery time; nothing: not before a node is back
  std::optional<double> served_ms;
  bool by_hand = false; ///< counted from the operator's word: recovery.rebuild_after_s is 0
  /// Recovery point: acknowledged and missing at most; 0 where a member of the sync set lives;
  /// nothing: not known
  std::optional<uint64_t> lost_batches, lost_bytes;
  std::optional<double> lost_ms;
  std::optional<double> whole_ms; ///< until it has all its replicas; nothing: not before a node is
                                  ///< back
  std::string text;
};

/// What is taken where nothing was measured, and what only settings tell.
struct kill_assumptions {
  double detect_ms = 900.0;      ///< silence to verdict
  double promote_ms = 100.0;     ///< verdict to served
  double join_ms = 100.0;        ///< a ready copy becomes a member
  double bytes_per_s = 64 << 20; ///< of one copy
  double flush_ms = 1000.0;      ///< mass storage lacks so much at most
  uint32_t copies_at_once = 16;  ///< in all
  uint32_t copies_per_node = 4;  ///< as source or as target
  uint32_t rebuild_after_s = 0;  ///< last resort by itself; 0: only by hand
};

struct kill_forecast {
  std::vector<node_id> killed;            ///< that live now, sorted
  size_t partitions = 0;                  ///< that lose a member of their sync set
  size_t at_once = 0, late = 0, lost = 0; ///< sum: partitions
  size_t late_by_hand = 0;
  size_t copies_only = 0; ///< partitions that lose a copy and no member
  std::optional<double> worst_served_ms, worst_lost_ms; ///< nothing: there is none
  uint64_t worst_lost_batches = 0;
  std::vector<kill_row> rows;     ///< worst first
  std::string summary;            ///< one sentence
  std::vector<std::string> notes; ///< what was assumed, and what is not looked at
};

/// Of node names and ATTRIBUTE=VALUE, repeated or not. unknown_node, or not_found for a value that
/// no node has: what there is is named. invalid_argument: no word.
result<std::set<node_id>> nodes_named(const catalog_view& view,
                                      const std::vector<std::string>& words);

/// `copy_bytes_per_s`: measured; nothing: not yet. O(partitions of these nodes).
kill_forecast what_if_killed(const surroundings& now, const std::set<node_id>& nodes,
                             const measured_times& times, std::optional<double> copy_bytes_per_s,
                             const kill_assumptions& assumed);

} // namespace harbinger::recovery
