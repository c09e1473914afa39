#pragma once

/// A cluster in virtual time: failures come, predictions come, the decision code of the service
/// (zone_tracker, protection_plan, placer) decides, and what it decides is carried out by a model
/// of the nodes. Pure and deterministic; docs/SIMULATION.md has the model in prose.

#include <functional>
#include <memory>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "simulate/accounts.hpp"
#include "simulate/oracle_predictor.hpp"
#include "simulate/site.hpp"

namespace harbinger::simulate {

/// How long things take that are not decided by a budget. Defaults: measured, README.md "How fast".
struct timing {
  double detect_s = 0.912;        ///< a node's death to the verdict
  double promote_s = 0.1;         ///< verdict to the first served write of the first partition
  double promotions_per_s = 4500; ///< partitions of one node, one after the other
  double hand_over_s = 0.03;      ///< not served while its primary hands over: tools/bench failover
  double copy_fixed_s = 0.05;     ///< a copy takes so long besides its bytes
  double copy_bytes_per_s = 200e6;                            ///< of a copy without a limit
  double rebuild_bytes_per_s = 170e6, rebuild_fixed_s = 0.25; ///< from mass storage
  uint32_t rebuilds_at_once = 16;                             ///< from mass storage, in all
};

struct simulation_options {
  site_options site;
  double days = 30;
  uint64_t seed = 1;
  /// Of these: zones, prefetch, placement, prediction.horizon_s and scoring_ms,
  /// recovery.rebuild_after_s
  settings rules;
  timing takes;
  double plan_every_s = 1; ///< the plan is brought up to date so often at most
  double sample_every_s = 3600;
};

/// Told now and then: how far it is, 0..1. False: stop.
using progress = std::function<bool(double done)>;

/// Plays `failures` once, with what is predicted of them (nothing: without Harbinger's zones; what
/// a failed node held is then restored by the same plan, under the same budgets).
/// cancelled: `tell` said so; invalid_argument: a site that can not be.
result<accounts> simulate(const simulation_options& options, const std::vector<failure>& failures,
                          const prediction& predicted, const progress& tell = {});

} // namespace harbinger::simulate
