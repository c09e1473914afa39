#pragma once

/// Which rows a model may learn from, which choose between models and thresholds, and which judge.
/// Pure and stable: a row's part depends on its own key and on the question, never on the order
/// in which rows are given.

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

/// One row to be dealt. `machine` names what must stay together: the node, or, where the nodes of
/// one run are not independent, the run. `group` is what is held out as a whole (a run, a model of
/// drive, a kind of fault); a machine is in one group. The views must outlive the call.
struct split_row {
  std::string_view machine;
  std::string_view group;
  int64_t time_ms = 0;
};

enum class part : uint8_t {
  left_out, ///< in a gap, or of a machine that this part may not have
  train,
  validation,
  test,
};
constexpr auto enum_names(part) { return std::array{"left_out", "train", "validation", "test"}; }

/// Where one part ends and the next begins. A row whose horizon reaches over the beginning of the
/// next part is left out, so no label of an earlier part was decided inside a later one.
struct time_cuts {
  int64_t validation_from_ms = 0;
  int64_t test_from_ms = 0;
};
/// Shares of the whole; what they leave is for training.
struct split_shares {
  double validation = 0.2;
  double test = 0.2;
};

/// Cuts at those quantiles of the rows' times. errc::invalid_argument: no rows, shares that leave
/// nothing to train on, or times so alike that a part would be empty.
result<time_cuts> cuts_by_share(std::span<const split_row> rows, split_shares shares);

/// Train, then a gap of one horizon, then validation, a gap, test. Parallel to `rows`.
/// errc::invalid_argument: a negative horizon, or cuts in the wrong order.
result<std::vector<part>> split_by_time(std::span<const split_row> rows, time_cuts cuts,
                                        int64_t horizon_ms);

/// The side of a machine by a hash of its name and the seed (xxh3): the same whatever other
/// machines there are. Shares hold only on average.
part side_of(std::string_view machine, split_shares shares, uint64_t seed);

/// Whole machines to each part, by side_of.
result<std::vector<part>> split_by_machine(std::span<const split_row> rows, split_shares shares,
                                           uint64_t seed);

/// Later time and other machines at once: a row is kept where both agree. With no share of
/// machines for validation, the training machines' later rows are used for it.
result<std::vector<part>> split_by_time_and_machine(std::span<const split_row> rows, time_cuts cuts,
                                                    int64_t horizon_ms, split_shares machines,
                                                    uint64_t seed);

/// One group held out.
struct group_fold {
  std::string group;
  std::vector<part> parts; ///< parallel to the rows
};
/// At most so many groups, each with a whole vector of parts.
constexpr size_t group_folds_max = 1000;

/// One fold a group, by name: the group is the test, of the other groups' machines the nearest
/// whole number to `validation_share`, but at least one, validates (those with the smallest
/// hashes). errc::invalid_argument: a machine in two groups, fewer than two groups, or so few
/// machines that none is left to train on; errc::oversize: more than group_folds_max.
result<std::vector<group_fold>> leave_one_group_out(std::span<const split_row> rows,
                                                    double validation_share, uint64_t seed);

/// What came of a split, for people.
struct part_summary {
  uint64_t rows = 0;
  uint64_t machines = 0;
  int64_t first_ms = std::numeric_limits<int64_t>::max(); ///< undefined without rows
  int64_t last_ms = std::numeric_limits<int64_t>::min();
};
/// By part, in the order of the enumeration.
std::array<part_summary, 4> summarize(std::span<const split_row> rows, std::span<const part> parts);

} // namespace harbinger::predict
