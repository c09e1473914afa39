#pragma once

/// Keeps the history of the nodes in <state_dir>/history (src/history/journal.hpp decides), so that
/// models can be trained on it: samples that were accepted, and how lives of nodes ended. After a
/// restart it goes on in a new segment; what came meanwhile is counted as dropped. A disk that
/// refuses never holds up the service: rows are dropped and counted, and one event says so.

#include <memory>

#include "actors/context.hpp"
#include "catalog/catalog_view.hpp"
#include "history/journal.hpp"

namespace harbinger {

/// Messages of samples that may wait for the keeper (context::history_waiting); more are dropped.
inline constexpr int64_t history_waiting_max = 1000;
inline constexpr auto history_dropped_total = "harbinger_history_dropped_total";
inline constexpr auto history_dropped_help = "rows that were accepted and are not in the history";

struct history_keeper_state {
  static constexpr const char* name = "history_keeper";
  std::unique_ptr<journal> kept; ///< null: switched off, or it can not be opened now
  catalog_view catalog;
  std::string trouble;     ///< of opening it or writing; empty: none
  uint64_t unopened = 0;   ///< rows dropped because it was not open
  journal_status exported; ///< what the metrics have been told
  uint64_t round = 0;
};

/// Show: "history" (an object).
history_keeper_actor::behavior_type
history_keeper(history_keeper_actor::stateful_pointer<history_keeper_state> self, context_ptr ctx);

} // namespace harbinger
