#pragma once

/// Decision trees as flat arrays, whoever grew them: forest and boosting score with this. Ten
/// thousand rows take milliseconds on one core, because eight rows walk a tree side by side.

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <span>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

/// As trees are built and changed. Children come after their parent.
struct tree_node {
  float threshold = 0; ///< below goes left
  float value = 0;     ///< of a leaf
  uint32_t left = 0;   ///< 0: a leaf
  uint32_t right = 0;
  uint16_t feature = 0;
  bool missing_left = true;
  bool leaf() const { return left == 0; }
};
using tree = std::vector<tree_node>;

inline constexpr size_t tree_depth_max = 40;
/// Trees times their depth: 10,000 rows must be scored in 50 ms on one core, and a step takes a
/// nanosecond or two.
inline constexpr uint32_t steps_a_row_max = 2500;
inline constexpr size_t trees_max = 8192;
inline constexpr size_t tree_nodes_max = size_t{1} << 22; ///< of all trees together

/// A value as trees see it: float, bounded, NaN for what is not finite.
inline float tree_value(double v) {
  constexpr double limit = 1e30;
  if (!(v <= std::numeric_limits<double>::max() && v >= std::numeric_limits<double>::lowest()))
    return std::numeric_limits<float>::quiet_NaN();
  return static_cast<float>(v < -limit ? -limit : v > limit ? limit : v);
}

class flat_trees {
public:
  /// malformed: no root, children not after their parent, deeper than tree_depth_max, a feature
  /// outside `width`, numbers that are not finite, or more than the limits allow.
  static result<flat_trees> make(std::span<const tree> trees, size_t width);

  size_t size() const { return roots_.size(); }
  size_t width() const { return width_; }
  /// Sum over all trees of the leaves that each row comes to. `out` has room for the rows.
  void sums(std::span<const double> values, size_t rows, std::span<double> out) const;

  void save(std::ostream& out) const;
  static result<flat_trees> load(std::istream& in, size_t width);

private:
  /// The right child stands behind the left one. A leaf is its own left child, for every value.
  struct node {
    float threshold;
    uint32_t left;
    uint16_t feature;
    uint16_t missing_left;
  };
  void add(const tree& t);
  template <bool nan>
  void add_block(const float* rows, size_t count, double* out) const;

  size_t width_ = 0;
  std::vector<node> nodes_;
  std::vector<float> values_; ///< parallel to nodes_
  std::vector<uint32_t> roots_;
  std::vector<uint32_t> depths_; ///< parallel to roots_
  bool all_missing_left_ = true;
};

/// Index of the leaf that a row of tree_value()s comes to.
uint32_t leaf_of(const tree& t, const float* row);

} // namespace harbinger::predict
