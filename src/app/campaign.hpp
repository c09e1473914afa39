#pragma once

/// Recording what trouble looks like: many short lives of a real cluster under load, each with one
/// trouble, one harmless look-alike, or nothing, on a random node at a random time. What the centre
/// kept and the moment of death become part of one history (app/campaign_history.hpp) that models
/// are trained on.

#include <functional>
#include <string>
#include <vector>

#include "app/trouble_plan.hpp"
#include "core/result.hpp"

namespace harbinger {

struct campaign_options {
  uint32_t runs = 20;
  uint32_t first = 0;                ///< number of the first run: a campaign may be continued
  std::string out = "data/campaign"; ///< directory of the history; made, or continued
  std::string programs;              ///< where harbingerd is; empty: beside this program
  uint64_t seed = 1;
  uint32_t nodes = 6;
  double warm_up_min_s = 12, warm_up_max_s = 22;
  double tail_s = 6;               ///< recorded after the death, or after a look-alike has passed
  double length_min_s = 45;        ///< of a run
  std::vector<trouble_kind> kinds; ///< empty: the usual mixture
  std::function<void(const std::string&)> say;
};

/// What run number `index` of a campaign is; about two of three end in a death.
trouble_kind campaign_kind(const campaign_options& options, uint32_t index);

/// Runs them one after another and adds each at its end; a run that fails, or is there already, is
/// reported and adds nothing, and the campaign goes on. Returns how many were added; cancelled when
/// interrupted, conflict when `out` is something else than a history.
result<uint32_t> run_campaign(const campaign_options& options);

} // namespace harbinger
