#pragma once

/// The stated rule for want of a model. Never calibrated.
///
/// Each symptom gives a probability; together 1 - product(1 - p):
///   memory or address space will reach its limit within the horizon at its present growth:  0.5 ..
///   0.9, by how soon either is above 95 % of its limit: 0.7 the node's own timer is late by two
///   periods or more on average and far above its past:   0.6 more than ten error lines in the
///   short window:                                           0.4 half of the pings or more stay
///   unanswered:                                               0.5
/// and 0.01 without any.

#include <span>

#include "messages/risk.hpp"
#include "predict/model.hpp"

namespace harbinger::predict {

prediction heuristic_risk(std::span<const double> row);
/// The symptoms that were found, heaviest first.
std::vector<risk_reason> heuristic_reasons(std::span<const double> row, const time_scales& scales);

} // namespace harbinger::predict
