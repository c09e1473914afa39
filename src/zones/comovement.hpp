#pragma once

/// Whose telemetry moves together? Pure; bounded memory.
///
/// Of each node at risk, or near it, the newest `rounds` increments of its deviations are kept, a
/// row for each group of metrics: as they are, and less the median increment of all nodes alive in
/// that round. Two nodes move together in a group when Spearman's rank correlation of both kinds of
/// rows is high: a movement of the whole fleet correlates only before the median is taken off, two
/// quiet nodes under a moving median only after it. Increments, because two drifts always correlate
/// (Yule 1926, Granger and Newbold 1974); ranks, because one common spike is no movement.
/// Unrelated noise is kept out by Student's t (chance.hpp) with Bonferroni's correction for every
/// pair and group that was looked at.

#include <array>
#include <map>
#include <vector>

#include "core/settings.hpp"
#include "zones/zone_group.hpp"

namespace harbinger {

class comovement {
public:
  static constexpr size_t rounds = 32;          ///< increments a judgement needs
  static constexpr size_t moves_min = 16;       ///< of them not zero
  static constexpr size_t trails_max = 512;     ///< nodes followed
  static constexpr size_t judged_max = 256;     ///< nodes compared with each other
  static constexpr size_t median_of_max = 1024; ///< of more nodes every second, third ... is asked
  /// Two that are one zone already stay so while they correlate this much less.
  static constexpr double stays_below = 0.2;

  /// A scoring round begins; `nodes`: numbers given so far.
  void begin_round(size_t nodes);
  /// Once a node alive.
  void add(node_number n, const group_deviations& deviations);
  /// All were added. Follows `watched` (by rank; past trails_max nobody new) and forgets others.
  /// A node that missed a round starts over.
  void end_round(const std::vector<node_number>& watched);

  /// Groups of two or more of `nodes` (riskiest first: past judged_max the others are alone) that
  /// are linked by moving together; members in no order. `before[n]`: place of the co-moving zone
  /// that the node was in, or no_number.
  std::vector<zone_group> groups(const std::vector<node_number>& nodes,
                                 const std::vector<uint32_t>& before, const zone_settings& rules);

private:
  using row = std::array<float, rounds>;
  struct trail {
    uint64_t round = 0;
    std::array<uint32_t, metric_groups> filled{};
    std::array<row, metric_groups> raw{}, own{}; ///< oldest first; `own`: less the median
  };
  struct ranked {
    std::array<bool, metric_groups> known{};
    std::array<row, metric_groups> raw, own;
    std::array<double, metric_groups> raw_lag, own_lag;
  };
  struct link {
    double correlation = 0.0, chance = 1.0;
    metric_group what = metric_group::cpu;
    bool known = false;  ///< there was a group to compare
    bool enough = false; ///< more than what was asked for
  };
  static void push(trail& t, size_t group, float raw, float own);
  static ranked rank(const trail& t);
  static link compare(const ranked& a, const ranked& b, double least);

  uint64_t round_ = 0;
  std::vector<group_deviations> now_, before_;
  std::vector<uint64_t> seen_, seen_before_; ///< round in which now_ was written
  std::map<node_number, trail> trails_;
};

} // namespace harbinger
