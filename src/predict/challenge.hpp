#pragma once

/// Learning on: a challenger for the model in use, from what the service has seen since, and
/// whether it is better. Pure and slow (seconds to minutes); deterministic.

#include <optional>
#include <string>

#include "history/history.hpp"
#include "predict/contest.hpp"
#include "predict/training.hpp"

namespace harbinger::predict {

struct challenge_options {
  training_options training;
  contest_options contest;
  /// Of the service's own failures so many are kept to judge by, but at least
  /// contest.failures_min; what comes before the first of them is learned from.
  double judging_share = 0.3;
  size_t rows_max = 300'000; ///< of a history, about: healthy rows are thinned and weighed for
};

struct challenge {
  std::optional<model> challenger;
  std::optional<contest_verdict> verdict; ///< nothing: there was no contest
  bool promote = false;
  std::string words;            ///< what was done, and why it ended so
  int64_t trained_until_ms = 0; ///< newest row of its own that it learned from; 0: none of its own
  std::string trained_on;       ///< for people
};

/// `base`: recorded histories that every model here learns from; may be without nodes. `own`: what
/// the service has kept; may be without nodes.
///
/// Without a champion: a model of all there is, promoted. With one: a challenger learns from base
/// and the older part of own, and both are judged on the newer part; the challenger is promoted
/// only when better beyond noise (contest.hpp). `champion_until_ms`: see trained_until_ms; rows up
/// to then do not count. No challenger, with the words why, when own has too few failures to judge
/// by. Errors of train.
result<challenge> challenge_champion(const history& base, const history& own, const model* champion,
                                     int64_t champion_until_ms, const challenge_options& options,
                                     const study_progress& tell = {});

} // namespace harbinger::predict
