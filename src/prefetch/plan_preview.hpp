#pragma once

/// What the plan would be under other rules: the real planner on a copy of what is known. Pure.

#include "prefetch/protection_plan.hpp"

namespace harbinger {

struct plan_summary {
  size_t copies = 0;          ///< that shall be made
  size_t partitions = 0;      ///< that lack one or more
  size_t without_target = 0;  ///< partitions of those, for which nobody passes the filters
  size_t late = 0;            ///< copies that come after their deadline
  double bytes = 0.0;         ///< that all of them move
  double finish_s = 0.0;      ///< until the last is done, estimated; of those with a target
  double saved_s = 0.0;       ///< expected seconds of recovery that they save
  double max_over_mean = 1.0; ///< copies on the fullest safe node by the mean, by capacity
};
plan_summary summary_of(const protection_plan& plan);
/// "12 copies of 10 partitions, 1.5 GiB, done in about 24 s ...".
std::string in_words(const plan_summary& summary);

struct plan_preview {
  plan_summary now, then;
  struct change {
    partition_id partition;
    std::string before, after; ///< "to n3, n4", "nothing"
  };
  std::vector<change> changes; ///< partitions whose copies or targets would be others, by id
};
/// The plan anew under `rules`, beside the plan anew under its present ones, so that nothing but
/// the rules differs. `restores`: partitions that recovery lacks replicas of.
plan_preview preview(const fleet& cluster, const zone_map& zones, const plan_rules& now,
                     const plan_rules& then, const std::set<partition_number>& restores,
                     time_point at);

} // namespace harbinger
