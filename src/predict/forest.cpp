#include <algorithm>
#include <istream>
#include <ostream>

#include <dlib/random_forest.h>

#include "predict/scorer.hpp"

namespace harbinger::predict {
namespace {
using dlib_forest = dlib::random_forest_regression_function<>;
using column = dlib::matrix<double, 0, 1>;

column to_column(std::span<const double> row) {
  column out(static_cast<long>(row.size()));
  for (size_t i = 0; i < row.size(); ++i) out(static_cast<long>(i)) = row[i];
  return out;
}

/// Several small forests; the score is the mean over all trees.
class forest final : public scorer {
public:
  explicit forest(std::vector<dlib_forest> parts) : parts_(std::move(parts)) {
    for (const auto& part : parts_) trees_ += part.get_num_trees();
  }
  /// The walk of dlib's operator(), without its copy of the row.
  double score(std::span<const double> row) const override {
    double sum = 0;
    for (const auto& part : parts_) {
      const auto& trees = part.get_internal_tree_nodes();
      const auto& leaves = part.get_tree_leaves();
      for (size_t t = 0; t < trees.size(); ++t) {
        const auto& tree = trees[t];
        size_t at = 0;
        while (at < tree.size())
          at = row[tree[at].split_feature] < tree[at].split_threshold ? tree[at].left
                                                                      : tree[at].right;
        sum += static_cast<double>(leaves[t][at - tree.size()]);
      }
    }
    return sum / static_cast<double>(trees_);
  }
  std::string_view kind() const override { return "forest"; }
  void save(std::ostream& out) const override {
    dlib::serialize(static_cast<uint64_t>(parts_.size()), out);
    for (const auto& part : parts_) serialize(part, out);
  }

private:
  std::vector<dlib_forest> parts_;
  size_t trees_ = 0;
};

/// Which rows each part learns from. dlib's time grows with the square of the rows, so many parts
/// of few rows are cheap; each has its own share of the healthy rows and all of the positives, as
/// far as they fit.
std::vector<std::vector<size_t>> deal_rows(const training_rows& rows, size_t parts) {
  constexpr size_t positives_max = 350;
  std::vector<std::vector<size_t>> out(parts);
  size_t positives =
      static_cast<size_t>(std::count(rows.labels.begin(), rows.labels.end(), uint8_t{1}));
  size_t stride = std::min(parts, (positives + positives_max - 1)
                                      / positives_max); // each positive is in one of so many parts
  size_t seen[2] = {0, 0};
  for (size_t i = 0; i < rows.size(); ++i) {
    size_t turn = seen[rows.labels[i]]++;
    for (size_t part = 0; part < parts; ++part)
      if (rows.labels[i] ? turn % stride == part % stride : turn % parts == part)
        out[part].push_back(i);
  }
  return out;
}

/// What would make scoring read out of bounds is refused: a file may have a right checksum and
/// wrong content.
bool sound(const dlib_forest& f, size_t width) {
  const auto& trees = f.get_internal_tree_nodes();
  const auto& leaves = f.get_tree_leaves();
  if (trees.empty() || leaves.size() != trees.size()) return false;
  for (size_t t = 0; t < trees.size(); ++t) {
    if (leaves[t].empty()) return false;
    size_t end = trees[t].size() + leaves[t].size();
    for (size_t i = 0; i < trees[t].size(); ++i) {
      const auto& node = trees[t][i];
      if (node.split_feature >= width || node.left >= end || node.right >= end || node.left <= i
          || node.right <= i)
        return false;
    }
  }
  return true;
}
} // namespace

result<std::unique_ptr<scorer>> train_forest(const training_rows& rows,
                                             const forest_options& options) {
  auto positives = std::count(rows.labels.begin(), rows.labels.end(), uint8_t{1});
  if (rows.size() < 20 || positives == 0 || positives == static_cast<ptrdiff_t>(rows.size()))
    return fail(errc::invalid_argument, "a forest needs 20 rows and both labels");
  constexpr size_t healthy_rows_a_part = 600;
  size_t parts =
      std::clamp<size_t>((rows.size() - static_cast<size_t>(positives)) / healthy_rows_a_part, 1,
                         std::max(1u, options.trees / 2));
  std::vector<dlib_forest> out;
  try {
    for (const auto& chosen : deal_rows(rows, parts)) {
      std::vector<column> x;
      std::vector<double> y;
      for (size_t i : chosen) {
        x.push_back(to_column(rows.row(i)));
        y.push_back(rows.labels[i]);
      }
      dlib::random_forest_regression_trainer<dlib::dense_feature_extractor> trainer;
      trainer.set_num_trees((options.trees + parts - 1) / parts);
      trainer.set_min_samples_per_leaf(options.leaf_rows_min);
      trainer.set_feature_subsampling_fraction(options.feature_share);
      trainer.set_seed(std::to_string(options.seed) + '.' + std::to_string(out.size()));
      out.push_back(trainer.train(x, y));
    }
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("dlib: ") + e.what());
  }
  return std::make_unique<forest>(std::move(out));
}

result<std::unique_ptr<scorer>> load_forest(std::istream& in, size_t width) {
  constexpr uint64_t parts_max = 1000;
  try {
    uint64_t parts = 0;
    dlib::deserialize(parts, in);
    if (parts == 0 || parts > parts_max) return fail(errc::malformed, "forest: number of parts");
    std::vector<dlib_forest> out(parts);
    for (auto& part : out) {
      deserialize(part, in);
      if (!sound(part, width)) return fail(errc::malformed, "forest: a tree that leads nowhere");
    }
    return std::make_unique<forest>(std::move(out));
  } catch (const std::exception& e) {
    return fail(errc::malformed, std::string("forest: ") + e.what());
  }
}

} // namespace harbinger::predict
