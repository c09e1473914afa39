#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <istream>
#include <ostream>
#include <random>
#include <unordered_map>

#include <dlib/random_forest.h>

#include "predict/scorer.hpp"
#include "predict/trees.hpp"
#include "predict/workers.hpp"

namespace harbinger::predict {
namespace {
constexpr size_t positives_a_tree_max = 3000;
constexpr size_t healthy_a_tree_min = 600;
constexpr size_t healthy_a_tree_max = 40'000;
constexpr uint32_t forest_trees_max = 1000;
constexpr size_t forest_depth_max = 16;
constexpr uint32_t grown_max = steps_a_row_max / forest_depth_max;

/// A missing value while dlib learns: below everything (tree_value is at least -1e30), and so is
/// the middle between it and any value. So it goes left at every split, which is where the flat
/// trees send NaN.
constexpr float missing = -4e30f;

class forest final : public scorer {
public:
  explicit forest(flat_trees trees) : trees_(std::move(trees)) {}
  void scores(std::span<const double> values, size_t rows, std::span<double> out) const override {
    trees_.sums(values, rows, out);
    auto n = static_cast<double>(trees_.size());
    for (size_t i = 0; i < rows; ++i) out[i] /= n;
  }
  bool takes_missing() const override { return true; }
  std::string_view kind() const override { return "forest"; }
  void save(std::ostream& out) const override { trees_.save(out); }

private:
  flat_trees trees_;
};

/// The rows as trees see them, once by rows for walking and once by columns for dlib.
struct table {
  size_t width = 0, size = 0;
  std::vector<float> by_row, by_column;
  std::vector<uint32_t> varying; ///< columns with more than one value: others part nothing
  const float* row(size_t i) const { return by_row.data() + i * width; }

  explicit table(const training_rows& rows)
      : width(rows.width),
        size(rows.size()),
        by_row(rows.values.size()),
        by_column(rows.values.size()) {
    for (size_t i = 0; i < size; ++i)
      for (size_t c = 0; c < width; ++c) {
        float v = tree_value(rows.row(i)[c]);
        by_row[i * width + c] = v;
        by_column[c * size + i] = v != v ? missing : v;
      }
    for (uint32_t c = 0; c < width; ++c) {
      auto from = by_column.begin() + static_cast<ptrdiff_t>(c * size);
      auto until = from + static_cast<ptrdiff_t>(size);
      if (std::adjacent_find(from, until, std::not_equal_to<>()) != until) varying.push_back(c);
    }
    if (varying.empty()) varying.push_back(0);
  }
};

/// dlib reads the table through this: its samples are row numbers.
class table_extractor {
public:
  using feature = uint32_t;
  using sample_type = uint32_t;
  table_extractor() = default;
  explicit table_extractor(const table& t) : table_(&t) {}
  void setup(const std::vector<sample_type>&, const std::vector<double>&) {}
  size_t max_num_feats() const { return table_->varying.size(); }
  double extract_feature_value(sample_type row, feature f) const {
    return table_->by_column[f * table_->size + row];
  }
  void get_random_features(dlib::rand& random, size_t count, std::vector<feature>& out) const {
    out = table_->varying;
    count = std::min(count, out.size());
    for (size_t i = 0; i < count; ++i)
      std::swap(out[i], out[static_cast<size_t>(random.get_integer_in_range(
                            static_cast<long long>(i), static_cast<long long>(out.size())))]);
    out.resize(count);
  }

private:
  const table* table_ = nullptr;
};

/// Equal rows get equal numbers (by hash; two different rows that share one are only rarer).
std::vector<uint64_t> row_hashes(const training_rows& rows, const table& t) {
  std::vector<uint64_t> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    uint64_t hash = 1469598103934665603u + rows.labels[i];
    for (size_t c = 0; c < t.width; ++c) {
      uint32_t bits = 0;
      std::memcpy(&bits, t.row(i) + c, sizeof bits);
      hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    out[i] = hash;
  }
  return out;
}

/// Draws what a tree is grown on. Of equal rows no more than a leaf's worth is taken: dlib, which
/// never stops at rows it can not part, peels them off one by one, and what a leaf says comes from
/// all rows anyway.
class sampler {
public:
  sampler(const training_rows& rows, const table& t, const forest_options& options)
      : hashes_(row_hashes(rows, t)), equal_max_(std::max(2u, options.leaf_rows_min)) {
    for (size_t i = 0; i < rows.size(); ++i)
      by_label_[rows.labels[i]].push_back(static_cast<uint32_t>(i));
    auto positives = std::min(by_label_[1].size(), positives_a_tree_max);
    wanted_ = {
        static_cast<size_t>(std::clamp(options.healthy_ratio * static_cast<double>(positives),
                                       double{healthy_a_tree_min}, double{healthy_a_tree_max})),
        positives};
  }
  std::vector<uint32_t> draw(std::mt19937_64& engine) const {
    std::vector<uint32_t> out;
    std::unordered_map<uint64_t, uint32_t> seen;
    for (size_t label : {1u, 0u}) {
      auto from = by_label_[label];
      size_t taken = 0;
      for (size_t k = 0; k < from.size() && taken < wanted_[label]; ++k) {
        std::swap(from[k], from[k + engine() % (from.size() - k)]);
        if (seen[hashes_[from[k]]]++ >= equal_max_) continue;
        out.push_back(from[k]);
        ++taken;
      }
    }
    return out;
  }

private:
  std::vector<uint64_t> hashes_;
  uint32_t equal_max_;
  std::array<std::vector<uint32_t>, 2> by_label_;
  std::array<size_t, 2> wanted_{};
};

tree from_dlib(const dlib::random_forest_regression_function<table_extractor>& grown) {
  const auto& nodes = grown.get_internal_tree_nodes().at(0);
  const auto& leaves = grown.get_tree_leaves().at(0);
  tree out;
  for (const auto& n : nodes)
    out.push_back({n.split_threshold, 0, n.left, n.right, static_cast<uint16_t>(n.split_feature)});
  for (float value : leaves) out.push_back({0, value, 0, 0, 0});
  return out;
}

struct counts {
  double rows = 0, weight = 0, positive = 0;
};

/// What of all rows comes through each node.
std::vector<counts> count_through(const tree& t, const training_rows& rows, const table& values) {
  std::vector<counts> out(t.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& leaf = out[leaf_of(t, values.row(i))];
    double weight = rows.weight(i);
    leaf.rows += 1;
    leaf.weight += weight;
    leaf.positive += rows.labels[i] ? weight : 0;
  }
  for (size_t i = t.size(); i-- > 0;) {
    if (t[i].leaf()) continue;
    for (uint32_t child : {t[i].left, t[i].right}) {
      out[i].rows += out[child].rows;
      out[i].weight += out[child].weight;
      out[i].positive += out[child].positive;
    }
  }
  return out;
}

/// The tree without splits that too few rows support (the other side takes the split's place) and
/// without those below nodes of one label only.
class pruner {
public:
  pruner(const tree& from, const std::vector<counts>& through, double rows_min)
      : from_(from), through_(through), rows_min_(rows_min) {}
  tree run() {
    out_.emplace_back();
    put(0, 0, 0);
    return std::move(out_);
  }

private:
  uint32_t skip(uint32_t at) const {
    while (!from_[at].leaf()) {
      uint32_t left = from_[at].left, right = from_[at].right;
      if (through_[left].rows >= rows_min_ && through_[right].rows >= rows_min_) break;
      at = through_[left].rows >= through_[right].rows ? left : right;
    }
    return at;
  }
  bool ends(uint32_t at, size_t depth) const {
    const auto& c = through_[at];
    return from_[at].leaf() || depth >= forest_depth_max || c.positive <= 0
           || c.positive >= c.weight;
  }
  void put(uint32_t at, uint32_t to, size_t depth) { // no deeper than forest_depth_max
    at = skip(at);
    if (ends(at, depth)) return;
    auto left = static_cast<uint32_t>(out_.size());
    out_.emplace_back();
    out_.emplace_back();
    out_[to] = from_[at];
    out_[to].left = left;
    out_[to].right = left + 1;
    put(from_[at].left, left, depth + 1);
    put(from_[at].right, left + 1, depth + 1);
  }
  const tree& from_;
  const std::vector<counts>& through_;
  double rows_min_;
  tree out_;
};

void set_leaves(tree& t, const std::vector<counts>& through, double smoothing) {
  std::vector<double> share(t.size());
  share[0] = through[0].positive / through[0].weight;
  for (size_t i = 0; i < t.size(); ++i) {
    t[i].value = t[i].leaf() ? static_cast<float>(share[i]) : 0;
    if (t[i].leaf()) continue;
    for (uint32_t child : {t[i].left, t[i].right})
      share[child] =
          (through[child].positive + smoothing * share[i]) / (through[child].weight + smoothing);
  }
}

/// Splits by dlib. Its splitter goes on inside nodes of one label, where all splits are alike and
/// it would take the first, a row at a time; a tilt far too small to matter elsewhere lets it cut
/// such nodes in the middle instead.
tree grow(const table& values, const training_rows& rows, const sampler& from,
          const forest_options& options, std::mt19937_64& engine) {
  constexpr double tilt = 1e-5;
  auto x = from.draw(engine);
  std::vector<double> y;
  for (uint32_t i : x) y.push_back(rows.labels[i] + (engine() & 1 ? tilt : -tilt));
  dlib::random_forest_regression_trainer<table_extractor> trainer;
  trainer.set_feature_extractor(table_extractor(values));
  trainer.set_num_trees(1);
  trainer.set_min_samples_per_leaf(options.leaf_rows_min);
  auto columns = static_cast<double>(values.varying.size());
  trainer.set_feature_subsampling_fraction(
      std::clamp(options.features_tried / std::sqrt(columns), 1 / columns, 1.0));
  trainer.set_seed(std::to_string(engine()));
  return from_dlib(trainer.train(x, y));
}
} // namespace

result<std::unique_ptr<scorer>> train_forest(const training_rows& rows,
                                             const forest_options& options) {
  if (auto good = check_training_rows(rows); !good) return tl::unexpected<error>(good.error());
  if (options.trees == 0 || options.trees > forest_trees_max || options.leaf_rows_min == 0
      || !(options.features_tried > 0) || !(options.healthy_ratio > 0) || !(options.smoothing >= 0))
    return fail(errc::invalid_argument, "forest: an option outside its range");
  try {
    table values(rows);
    sampler from(rows, values, options);
    std::vector<tree> trees(std::min(options.trees, grown_max));
    run_pieces(trees.size(), options.threads, [&](size_t t) {
      std::seed_seq seed{static_cast<uint32_t>(options.seed),
                         static_cast<uint32_t>(options.seed >> 32), static_cast<uint32_t>(t)};
      std::mt19937_64 engine(seed);
      auto grown = grow(values, rows, from, options, engine);
      auto through = count_through(grown, rows, values);
      trees[t] = pruner(grown, through, options.leaf_rows_min).run();
      set_leaves(trees[t], count_through(trees[t], rows, values), options.smoothing);
    });
    auto flat = flat_trees::make(trees, rows.width);
    if (!flat) return fail(errc::internal, "forest: " + flat.error().detail);
    return std::make_unique<forest>(std::move(*flat));
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("dlib: ") + e.what());
  }
}

result<std::unique_ptr<scorer>> load_forest(std::istream& in, size_t width) {
  auto trees = flat_trees::load(in, width);
  if (!trees) return fail(errc::malformed, "forest: " + trees.error().detail);
  return std::make_unique<forest>(std::move(*trees));
}

} // namespace harbinger::predict
