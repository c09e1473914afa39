#pragma once

/// Runs of a campaign as one history: every node of run R is "R/n3", in fleet R, with attributes
/// run, trouble, faulty (1: it had the trouble), seed, sample_ms and what else is known of the run.
/// They are knowledge of whoever made the run, so none is named as a feature.

#include <map>
#include <optional>
#include <string>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "history/history.hpp"

namespace harbinger {

/// What the campaign itself knows of a run. Times are unix milliseconds of the centre's clock.
struct campaign_run {
  std::string name;             ///< "1-000-memory_leak"
  std::string trouble = "none"; ///< kind: "memory_leak" ..., or of a harmless look-alike
  node_id node;                 ///< who had it; empty: nobody
  std::optional<int64_t> trouble_start_ms;
  std::optional<int64_t> death_ms; ///< when `node` died; nothing: everybody lived to the end
  int64_t end_ms = 0;              ///< until here it is known who lives
  uint32_t sample_ms = 0;
  uint64_t seed = 0;
  std::map<std::string, std::string> attributes; ///< free: load, plan of the trouble ...
};

/// The nodes that the centre kept, as those of the run. Its verdicts and the end of the cluster
/// make way for what is known: `node` failed at its death, of the trouble, everybody else was
/// watched to the end. A note "injected" stands where the trouble began; at every node when nobody
/// had it.
history history_of_run(history kept, const campaign_run& run);

/// The history in the directory, or an empty one when there is none; conflict when something else
/// is there.
result<history> campaign_so_far(const std::string& directory);
/// Whether the run is in it.
bool has_run(const history& campaign, const std::string& run);
/// Adds a run in one step (write_history). conflict: it is there already; io, no_space, oversize.
result<> add_run(const std::string& directory, history run);

} // namespace harbinger
