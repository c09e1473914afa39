#pragma once

/// Recording what trouble looks like: many short lives of a real cluster under load, each with one
/// trouble, one harmless look-alike, or nothing, on a random node at a random time. The telemetry
/// and the moment of death become a recording (src/predict/recordings.hpp) that models are trained
/// on.

#include <functional>
#include <string>
#include <vector>

#include "app/trouble_plan.hpp"
#include "core/result.hpp"

namespace harbinger {

struct campaign_options {
  uint32_t runs = 20;
  uint32_t first = 0;   ///< number of the first run: a campaign may be continued
  std::string out;      ///< directory of the recordings
  std::string programs; ///< where harbingerd is; empty: beside this program
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

/// Runs them one after another; a run that fails is reported, leaves no recording, and the campaign
/// goes on. Returns how many recordings were made; cancelled when interrupted.
result<uint32_t> run_campaign(const campaign_options& options);

} // namespace harbinger
