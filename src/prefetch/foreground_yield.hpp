#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/time.hpp"

namespace harbinger {

struct yield_limits {
  /// Commits may take so many times their quiet time, in the mean and at tail_share; 0: never yield
  double rise = 1.25;
  uint64_t floor_bytes_per_s = 4 << 20; ///< copies always get this: one at risk has to finish
  uint64_t ceiling_bytes_per_s = 1 << 30;
};

/// Durable writes of clients and replication since the node began; only grows.
struct commit_totals {
  /// Steps of time, each longer by a fifth than the one before: from 0.05 ms on to nearly 3 s.
  static constexpr size_t steps = 64;

  uint64_t commits = 0;
  double total_ms = 0.0; ///< from being handed over to being durable
  std::array<uint64_t, steps> by_time{};

  void add(double ms);
  static size_t step_of(double ms);
  static double begin_ms(size_t step); ///< the least time of a step
};

/// How long commits took, the newer the heavier: what is older by `memory` periods counts 1/e.
class commit_times {
public:
  explicit commit_times(double memory) : kept_(1.0 - 1.0 / memory) {}
  /// One period's commits: those that `later` has and `earlier` has not.
  void add(const commit_totals& earlier, const commit_totals& later);
  double weight() const { return weight_; } ///< of all commits
  /// The time that a share of `share` take longer than. Only with a weight.
  double slowest_ms(double share) const;
  /// Weight of those that took longer than `ms`.
  double beyond(double ms) const;

private:
  double kept_;
  double weight_ = 0.0;
  std::array<double, commit_totals::steps> by_time_{};
};

/// How fast a node may copy so that its foreground does not notice: additive increase,
/// multiplicative decrease (as in TCP), by the time that durable writes take: their mean, and how
/// many of them take as long as only tail_share do while it is quiet. (A copy that comes in steps
/// slows a few writes much, and the mean hardly.)
///
/// What is quiet is learned while nothing, or no more than the floor, is copied; so a node whose
/// writes became slower for another reason goes down to the floor, learns there that it is not the
/// copies, and comes back. Without foreground writes there is nobody to give way to: the ceiling.
class foreground_yield {
public:
  static constexpr auto period = milliseconds(100); ///< between two decisions
  static constexpr double tail_share = 0.02;

  explicit foreground_yield(yield_limits limits);

  /// Bytes that were copied, as source or as target.
  void count(uint64_t bytes) { copied_bytes_ += bytes; }
  /// Bytes a second that may be copied now; 0: no limit. Decides anew when a period has passed;
  /// `waiting`: writes that wait for the disk now.
  uint64_t rate(const commit_totals& totals, uint64_t waiting, time_point now);

  /// Of durable writes: while quiet, and lately. Absent: not known.
  std::optional<double> quiet_ms() const { return quiet_ms_; }
  std::optional<double> lately_ms() const { return lately_ms_; }
  /// What tail_share of the durable writes take longer than while quiet. Absent: not known.
  std::optional<double> quiet_tail_ms() const;
  uint64_t backoffs() const { return backoffs_; } ///< how often it lowered the rate

private:
  void learn(const commit_totals& totals, double copied_per_s);
  bool slow() const;
  void decide(double copied_per_s, bool stuck);

  yield_limits limits_;
  double rate_;
  uint64_t copied_bytes_ = 0;
  commit_totals seen_;
  std::optional<time_point> decided_at_;
  std::optional<time_point> busy_at_; ///< when there were foreground writes last
  std::optional<double> quiet_ms_, lately_ms_;
  uint64_t quiet_commits_ = 0; ///< that quiet_ms_ was learned from
  commit_times lately_{20.0}, quiet_{100.0};
  uint64_t backoffs_ = 0;
};

} // namespace harbinger
