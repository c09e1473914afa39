#pragma once

/// The learning machines behind one interface: rows in, a raw score 0..1 out. Calibration comes
/// after. Four kinds: "logistic", "forest", "network" (dlib) and "boosting" (XGBoost).
///
/// What scores belongs to this project alone: trees are walked and sums are made by our own code
/// from our own file format, so a model does not break when a library changes. The libraries
/// learn. Same rows, options and seed give the same bytes, whatever the number of threads.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace harbinger::predict {

/// Safe to use from several threads at once.
class scorer {
public:
  virtual ~scorer() = default;
  /// Of one row; bit for bit what scores() gives it among others.
  double score(std::span<const double> row) const;
  /// `rows` rows one after the other in `values`; their scores go to out[0..rows).
  virtual void scores(std::span<const double> values, size_t rows, std::span<double> out) const = 0;
  /// NaN in a row means "not measured" and is used as such; nothing needs to be filled in. All
  /// kinds of today do; infinite values count as NaN.
  virtual bool takes_missing() const { return false; }
  virtual std::string_view kind() const = 0;
  virtual void save(std::ostream& out) const = 0;
};

/// Rows of `width` values, one after the other; a label 0 or 1 a row.
struct training_rows {
  size_t width = 0;
  std::vector<double> values;
  std::vector<uint8_t> labels;
  std::vector<float> weights = {}; ///< how many real rows each stands for; empty: one each
  size_t size() const { return labels.size(); }
  std::span<const double> row(size_t i) const { return {values.data() + i * width, width}; }
  double weight(size_t i) const { return weights.empty() ? 1.0 : weights[i]; }
};

/// Hyper-parameters by name; what is not named has its usual value. tuning.hpp lists them.
using hyper_values = std::map<std::string, double>;

inline constexpr size_t training_width_max = 4096;
inline constexpr size_t training_rows_max = 4'000'000;

/// In this order every table lists them.
std::span<const std::string_view> scorer_kinds();

struct trained_scorer {
  std::unique_ptr<scorer> machine;
  /// Everything it was made with. Where `validation` stopped boosting or the network early, or
  /// scoring would take too long, "rounds" says where: the number to use when training again on
  /// all rows without validation.
  hyper_values used;
};

/// `validation` (may be null) decides when to stop, by its weighted log-loss. invalid_argument: an
/// unknown kind or hyper-parameter, one outside its range, ragged or too many rows, fewer than 20
/// rows, or one label only. `threads`: how many work at once; 0 counts as 1.
result<trained_scorer> train_scorer(std::string_view kind, const training_rows& rows,
                                    const hyper_values& hyper = {},
                                    const training_rows* validation = nullptr, uint64_t seed = 1,
                                    unsigned threads = 2);
/// The inverse of save. malformed for anything else, unsupported for another kind; never throws.
result<std::unique_ptr<scorer>> load_scorer(std::string_view kind, std::istream& in, size_t width);

struct forest_options {
  uint32_t trees = 60; ///< 1..1000, of which 156 are grown: scoring must stay quick
  uint32_t leaf_rows_min = 20;
  double features_tried = 1; ///< at each split, in square roots of the number that vary
  uint64_t seed = 1;
  double healthy_ratio = 20; ///< healthy rows to one positive in the sample that a tree is grown on
  double smoothing = 1;      ///< rows' worth of the parent in every leaf
  unsigned threads = 2;
};
/// dlib's random forest regression finds the splits, each tree on a sample of some thousand rows
/// in which deaths are more frequent than in life (dlib sorts the rows of a node anew for each
/// feature). What a leaf says then comes from all rows: the share of deaths in it, drawn a little
/// towards its parent. So the score is near a probability, leaves that too few rows support are
/// merged, and NaN, which is less than any value, goes left. Needs both labels among at least 20
/// rows, else invalid_argument.
result<std::unique_ptr<scorer>> train_forest(const training_rows& rows,
                                             const forest_options& options);

struct logistic_options {
  double l2 = 0.01;            ///< of half the squared weights, on the mean loss
  double clip = 5;             ///< standard deviations
  double positive_power = 0.5; ///< see positive_weight
  uint32_t iterations = 100;
  unsigned threads = 2;
};
/// Logistic regression by dlib's L-BFGS on scaled features (scaling.hpp). The same needs.
result<std::unique_ptr<scorer>> train_logistic(const training_rows& rows,
                                               const logistic_options& options = {});

struct network_options {
  uint32_t hidden = 16; ///< units of the first layer
  uint32_t hidden2 = 0; ///< of the second; 0: there is none
  double l2 = 0.003;
  uint32_t rounds = 60; ///< of L-BFGS
  double positive_power = 0.5;
  uint64_t seed = 1;
  unsigned threads = 2;
};
/// A perceptron with one or two layers of tanh units by dlib's L-BFGS on scaled features; of more
/// than 30,000 rows all deaths and a sample of the others. `rounds_used` (may be null) gets where
/// validation stopped.
result<std::unique_ptr<scorer>> train_network(const training_rows& rows,
                                              const network_options& options,
                                              const training_rows* validation = nullptr,
                                              uint32_t* rounds_used = nullptr);

struct boosting_options {
  uint32_t rounds = 150; ///< fewer where rounds x bags x depth exceeds 2,500, for the same reason
  uint32_t bags = 2;     ///< boosters with different seeds, whose margins are averaged
  uint32_t depth = 5;
  double learning_rate = 0.08;
  double leaf_weight_min = 5;
  double row_share = 0.8;     ///< drawn for each tree
  double feature_share = 0.5; ///< drawn for each tree
  double l2 = 2;
  double positive_power = 0.5;
  uint64_t seed = 1;
  unsigned threads = 2;
};
/// XGBoost, gbtree, hist, binary:logistic. Each booster has one thread, since with several the
/// library's sums depend on their number; the bags run side by side. The trees are taken out of
/// the library's JSON; training fails (internal) if they do not then score like the library.
result<std::unique_ptr<scorer>> train_boosting(const training_rows& rows,
                                               const boosting_options& options,
                                               const training_rows* validation = nullptr,
                                               uint32_t* rounds_used = nullptr);

result<std::unique_ptr<scorer>> load_forest(std::istream& in, size_t width);
result<std::unique_ptr<scorer>> load_logistic(std::istream& in, size_t width);
result<std::unique_ptr<scorer>> load_network(std::istream& in, size_t width);
result<std::unique_ptr<scorer>> load_boosting(std::istream& in, size_t width);

/// How much a positive row counts against a healthy one when learning: (healthy/positive) to
/// `power`. 0 leaves things as they are, 1 makes both labels equal. Half-way is usual: unweighted,
/// the few deaths hardly bend a gradient; fully weighted, a handful of them is learned by heart.
/// Calibration comes after, so probabilities are not touched by it.
double positive_weight(const training_rows& rows, double power);
/// What every kind asks of its rows: see train_scorer.
result<void> check_training_rows(const training_rows& rows);

} // namespace harbinger::predict
