#include "predict/trees.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "predict/bytes.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t rows_a_block = 64;
constexpr size_t lanes = 8;
constexpr float below_all = -std::numeric_limits<float>::infinity();

/// Depth of the deepest leaf; SIZE_MAX for what is no tree.
size_t sound_depth(const tree& t, size_t width) {
  if (t.empty() || t.size() > tree_nodes_max) return SIZE_MAX;
  std::vector<uint32_t> depth(t.size(), 0), parents(t.size(), 0);
  size_t deepest = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    const auto& n = t[i];
    if (i > 0 && parents[i] != 1) return SIZE_MAX;
    if (!std::isfinite(n.threshold) || !std::isfinite(n.value)) return SIZE_MAX;
    deepest = std::max<size_t>(deepest, depth[i]);
    if (n.leaf()) {
      if (n.right != 0) return SIZE_MAX;
      continue;
    }
    if (n.feature >= width) return SIZE_MAX;
    for (uint32_t child : {n.left, n.right}) {
      if (child <= i || child >= t.size()) return SIZE_MAX;
      depth[child] = depth[i] + 1;
      ++parents[child];
    }
  }
  return deepest;
}
} // namespace

uint32_t leaf_of(const tree& t, const float* row) {
  uint32_t at = 0;
  while (!t[at].leaf()) {
    float v = row[t[at].feature];
    bool left = v < t[at].threshold || (v != v && t[at].missing_left);
    at = left ? t[at].left : t[at].right;
  }
  return at;
}

result<flat_trees> flat_trees::make(std::span<const tree> trees, size_t width) {
  if (width == 0 || trees.empty() || trees.size() > trees_max)
    return fail(errc::malformed, "number of trees");
  flat_trees out;
  out.width_ = width;
  for (const auto& t : trees) {
    size_t depth = sound_depth(t, width);
    if (depth > tree_depth_max) return fail(errc::malformed, "a tree that leads nowhere");
    if (out.nodes_.size() + t.size() > tree_nodes_max) return fail(errc::malformed, "trees: size");
    out.add(t);
    out.depths_.push_back(static_cast<uint32_t>(depth));
  }
  return out;
}

/// Breadth first, so that the nodes every row passes lie together.
void flat_trees::add(const tree& t) {
  auto base = static_cast<uint32_t>(nodes_.size());
  roots_.push_back(base);
  std::vector<uint32_t> order{0};
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& n = t[order[i]];
    auto self = static_cast<uint32_t>(base + i);
    if (n.leaf()) {
      nodes_.push_back({std::numeric_limits<float>::infinity(), self, 0, 1});
    } else {
      auto left = static_cast<uint32_t>(base + order.size());
      nodes_.push_back({n.threshold, left, n.feature, n.missing_left});
      all_missing_left_ &= n.missing_left;
      order.push_back(n.left);
      order.push_back(n.right);
    }
    values_.push_back(n.leaf() ? n.value : 0.0f);
  }
}

/// Leaves lead to themselves, so all lanes take as many steps as the deepest row needs.
template <bool nan>
void flat_trees::add_block(const float* rows, size_t count, double* out) const {
  const node* nodes = nodes_.data();
  for (size_t t = 0; t < roots_.size(); ++t) {
    for (size_t first = 0; first < count; first += lanes) {
      std::array<uint32_t, lanes> at;
      at.fill(roots_[t]);
      const float* base = rows + first * width_;
      for (uint32_t step = 0; step < depths_[t]; ++step) {
        uint32_t moved = 0;
        for (size_t k = 0; k < lanes; ++k) {
          const node& n = nodes[at[k]];
          float v = base[k * width_ + n.feature];
          bool right = !(v < n.threshold);
          if constexpr (nan) right &= !((v != v) & (n.missing_left != 0));
          uint32_t next = n.left + right;
          moved |= next ^ at[k];
          at[k] = next;
        }
        if (moved == 0) break;
      }
      for (size_t k = 0; k < lanes && first + k < count; ++k) out[first + k] += values_[at[k]];
    }
  }
}

void flat_trees::sums(std::span<const double> values, size_t rows, std::span<double> out) const {
  std::vector<float> block(rows_a_block * width_, 0.0f); // lanes without a row walk too
  std::fill_n(out.begin(), rows, 0.0);
  for (size_t first = 0; first < rows; first += rows_a_block) {
    size_t count = std::min(rows_a_block, rows - first);
    const double* from = values.data() + first * width_;
    if (count < rows_a_block) std::fill(block.begin(), block.end(), 0.0f);
    bool nan = false;
    for (size_t i = 0; i < count * width_; ++i) {
      float v = tree_value(from[i]);
      nan |= v != v;
      block[i] = v != v && all_missing_left_ ? below_all : v;
    }
    if (nan && !all_missing_left_)
      add_block<true>(block.data(), count, out.data() + first);
    else
      add_block<false>(block.data(), count, out.data() + first);
  }
}

void flat_trees::save(std::ostream& out) const {
  put_number(out, static_cast<uint32_t>(roots_.size()));
  for (size_t t = 0; t < roots_.size(); ++t) {
    size_t end = t + 1 < roots_.size() ? roots_[t + 1] : nodes_.size();
    put_number(out, static_cast<uint32_t>(end - roots_[t]));
    for (size_t i = roots_[t]; i < end; ++i) {
      bool leaf = nodes_[i].left == i;
      put_number(out, leaf ? values_[i] : nodes_[i].threshold);
      put_number(out, leaf ? uint32_t{0} : nodes_[i].left - roots_[t]);
      put_number(out, nodes_[i].feature);
      put_number(out, static_cast<uint8_t>(nodes_[i].missing_left));
    }
  }
}

result<flat_trees> flat_trees::load(std::istream& in, size_t width) {
  auto torn = [] { return fail(errc::malformed, "trees: too short or too many"); };
  uint32_t count = 0;
  if (!take_number(in, count) || count > trees_max) return torn();
  std::vector<tree> trees;
  size_t nodes = 0;
  for (uint32_t t = 0; t < count; ++t) {
    uint32_t size = 0;
    if (!take_number(in, size) || (nodes += size) > tree_nodes_max) return torn();
    tree& fresh = trees.emplace_back();
    for (uint32_t i = 0; i < size; ++i) {
      tree_node n;
      float number = 0;
      uint8_t missing_left = 0;
      if (!take_number(in, number) || !take_number(in, n.left) || !take_number(in, n.feature)
          || !take_number(in, missing_left) || missing_left > 1)
        return torn();
      (n.leaf() ? n.value : n.threshold) = number;
      n.right = n.leaf() ? 0 : n.left + 1;
      n.missing_left = missing_left != 0;
      fresh.push_back(n);
    }
  }
  return make(trees, width);
}

} // namespace harbinger::predict
