#include <cmath>
#include <istream>
#include <ostream>

#include <nlohmann/json.hpp>
#include <xgboost/c_api.h>

#include "predict/bytes.hpp"
#include "predict/scorer.hpp"
#include "predict/trees.hpp"
#include "predict/workers.hpp"

namespace harbinger::predict {
namespace {
constexpr uint32_t rounds_max = 2000;
constexpr uint32_t bags_max = 16;

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

class boosting final : public scorer {
public:
  boosting(flat_trees trees, double bias, double bags)
      : trees_(std::move(trees)), bias_(bias), bags_(bags) {}
  void scores(std::span<const double> values, size_t rows, std::span<double> out) const override {
    trees_.sums(values, rows, out);
    for (size_t i = 0; i < rows; ++i) out[i] = sigmoid(bias_ + out[i] / bags_);
  }
  bool takes_missing() const override { return true; }
  std::string_view kind() const override { return "boosting"; }
  void save(std::ostream& out) const override {
    put_number(out, bias_);
    put_number(out, bags_);
    trees_.save(out);
  }

private:
  flat_trees trees_;
  double bias_; ///< of the margin
  double bags_; ///< boosters that the trees are of
};

void need(int code) {
  if (code != 0) throw std::runtime_error(XGBGetLastError());
}

/// Rows inside the library.
class matrix {
public:
  matrix(const training_rows& rows, double positive) : labels_(rows.labels) {
    std::vector<float> values(rows.values.size()), labels, weights;
    for (size_t i = 0; i < values.size(); ++i) values[i] = tree_value(rows.values[i]);
    for (size_t i = 0; i < rows.size(); ++i) {
      labels.push_back(rows.labels[i]);
      weights.push_back(static_cast<float>(rows.weight(i) * (rows.labels[i] ? positive : 1)));
      total_ += weights.back();
      dead_ += rows.labels[i] ? weights.back() : 0;
    }
    weights_ = weights;
    need(XGDMatrixCreateFromMat(values.data(), rows.size(), rows.width,
                                std::numeric_limits<float>::quiet_NaN(), &handle_));
    need(XGDMatrixSetFloatInfo(handle_, "label", labels.data(), labels.size()));
    need(XGDMatrixSetFloatInfo(handle_, "weight", weights.data(), weights.size()));
  }
  ~matrix() { XGDMatrixFree(handle_); }
  matrix(const matrix&) = delete;
  matrix& operator=(const matrix&) = delete;
  DMatrixHandle handle() const { return handle_; }
  double base_rate() const { return dead_ / total_; }
  double log_loss(const std::vector<float>& margins) const {
    double sum = 0;
    for (size_t i = 0; i < margins.size(); ++i) {
      double m = labels_[i] ? margins[i] : -margins[i];
      sum += weights_[i] * (m > 0 ? std::log1p(std::exp(-m)) : std::log1p(std::exp(m)) - m);
    }
    return sum / total_;
  }

private:
  DMatrixHandle handle_ = nullptr;
  std::vector<uint8_t> labels_;
  std::vector<float> weights_;
  double total_ = 0, dead_ = 0;
};

class booster {
public:
  booster(const matrix& rows, const boosting_options& options, uint64_t seed) {
    DMatrixHandle known[] = {rows.handle()};
    need(XGBoosterCreate(known, 1, &handle_));
    set("verbosity", 0);
    set("nthread", 1);
    set("seed", static_cast<int>(seed & 0x7fffffff));
    need(XGBoosterSetParam(handle_, "booster", "gbtree"));
    need(XGBoosterSetParam(handle_, "tree_method", "hist"));
    need(XGBoosterSetParam(handle_, "objective", "binary:logistic"));
    set("base_score", std::clamp(rows.base_rate(), 1e-6, 1 - 1e-6));
    set("max_depth", options.depth);
    set("learning_rate", options.learning_rate);
    set("min_child_weight", options.leaf_weight_min);
    set("subsample", options.row_share);
    set("colsample_bytree", options.feature_share);
    set("lambda", options.l2);
    // Keeps leaves finite where hardly any weight is: deaths are rare.
    set("max_delta_step", 4);
  }
  ~booster() { XGBoosterFree(handle_); }
  booster(const booster&) = delete;
  booster& operator=(const booster&) = delete;

  void grow(const matrix& rows, uint32_t round) {
    need(XGBoosterUpdateOneIter(handle_, static_cast<int>(round), rows.handle()));
  }
  std::vector<float> margins(const matrix& rows) const {
    constexpr const char* config = R"({"type": 1, "training": false, "iteration_begin": 0,
      "iteration_end": 0, "strict_shape": false})";
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* out = nullptr;
    need(XGBoosterPredictFromDMatrix(handle_, rows.handle(), config, &shape, &dimensions, &out));
    return {out, out + (dimensions ? shape[0] : 0)};
  }
  nlohmann::json json() const {
    const char* bytes = nullptr;
    bst_ulong size = 0;
    need(XGBoosterSaveModelToBuffer(handle_, R"({"format": "json"})", &size, &bytes));
    return nlohmann::json::parse(bytes, bytes + size);
  }

private:
  template <class T>
  void set(const char* name, T value) {
    need(XGBoosterSetParam(handle_, name, std::to_string(value).c_str()));
  }
  BoosterHandle handle_ = nullptr;
};

/// A tree of the library's model file, document "Introduction to Model IO", JSON schema 1.x: a
/// leaf's value stands where inner nodes have their threshold. The library numbers children after
/// their parents, so the order can stay.
tree from_json(const nlohmann::json& in) {
  const auto &left = in.at("left_children"), &right = in.at("right_children"),
             &number = in.at("split_conditions"), &feature = in.at("split_indices"),
             &missing_left = in.at("default_left");
  tree out;
  for (size_t i = 0; i < left.size(); ++i) {
    tree_node n;
    if (left[i].get<int64_t>() < 0) {
      n.value = number.at(i).get<float>();
    } else {
      n.threshold = number.at(i).get<float>();
      n.left = left[i].get<uint32_t>();
      n.right = right.at(i).get<uint32_t>();
      n.feature = feature.at(i).get<uint16_t>();
      n.missing_left = missing_left.at(i).get<int>() != 0;
    }
    out.push_back(n);
  }
  return out;
}

struct grown_bag {
  std::vector<tree> trees;
  double bias = 0;
  uint32_t rounds = 0;
  std::vector<float> margins; ///< of the training rows, by the library
};

/// One booster, cut where validation did best.
grown_bag grow_bag(const matrix& rows, const matrix* validation, const boosting_options& options,
                   uint64_t seed) {
  constexpr uint32_t patience = 25, every = 5;
  booster machine(rows, options, seed);
  grown_bag out;
  double best = std::numeric_limits<double>::infinity();
  uint32_t rounds = 0;
  while (rounds < options.rounds) {
    machine.grow(rows, rounds++);
    if (!validation || (rounds % every != 0 && rounds != options.rounds)) continue;
    double loss = validation->log_loss(machine.margins(*validation));
    if (loss < best) {
      best = loss;
      out.rounds = rounds;
    }
    if (rounds - out.rounds >= patience) break;
  }
  out.margins = machine.margins(rows);
  auto file = machine.json();
  const auto& learner = file.at("learner");
  double base = std::stod(learner.at("learner_model_param").at("base_score").get<std::string>());
  out.bias = std::log(base / (1 - base));
  for (const auto& t : learner.at("gradient_booster").at("model").at("trees"))
    out.trees.push_back(from_json(t));
  if (!validation) out.rounds = rounds;
  return out;
}

/// Do our trees say what the library's say? On the first rows, before any are cut off.
bool same_scores(const grown_bag& bag, const training_rows& rows) {
  constexpr size_t compared_max = 1000;
  // The library adds up floats, so more trees differ by more.
  double tolerance = 1e-6 * std::max(1.0, static_cast<double>(bag.trees.size()) / 100);
  auto flat = flat_trees::make(bag.trees, rows.width);
  if (!flat) return false;
  size_t n = std::min(rows.size(), compared_max);
  std::vector<double> sums(n);
  flat->sums(rows.values, n, sums);
  for (size_t i = 0; i < n; ++i)
    if (!(std::fabs(sigmoid(bag.bias + sums[i]) - sigmoid(bag.margins[i])) <= tolerance))
      return false;
  return true;
}
} // namespace

result<std::unique_ptr<scorer>> train_boosting(const training_rows& rows,
                                               const boosting_options& wanted,
                                               const training_rows* validation,
                                               uint32_t* rounds_used) {
  if (auto good = check_training_rows(rows); !good) return tl::unexpected<error>(good.error());
  if (wanted.rounds == 0 || wanted.rounds > rounds_max || wanted.bags == 0 || wanted.bags > bags_max
      || wanted.depth == 0 || wanted.depth > 12)
    return fail(errc::invalid_argument, "boosting: an option outside its range");
  auto options = wanted;
  options.rounds = std::min(wanted.rounds, steps_a_row_max / (wanted.bags * wanted.depth));
  try {
    double positive = positive_weight(rows, options.positive_power);
    std::vector<grown_bag> bags(options.bags);
    run_pieces(bags.size(), options.threads, [&](size_t b) {
      matrix learned(rows, positive); // one a bag: the library keeps things in it
      std::unique_ptr<matrix> judged;
      if (validation && validation->size())
        judged = std::make_unique<matrix>(*validation, positive);
      bags[b] = grow_bag(learned, judged.get(), options, options.seed * bags_max + b);
    });
    std::vector<tree> trees;
    uint32_t rounds = 0;
    for (auto& bag : bags) {
      if (!same_scores(bag, rows))
        return fail(errc::internal, "XGBoost: its trees are not to be read as before");
      bag.trees.resize(bag.rounds);
      rounds = std::max(rounds, bag.rounds);
      std::move(bag.trees.begin(), bag.trees.end(), std::back_inserter(trees));
    }
    if (rounds_used) *rounds_used = rounds;
    auto flat = flat_trees::make(trees, rows.width);
    if (!flat) return fail(errc::internal, "boosting: " + flat.error().detail);
    return std::make_unique<boosting>(std::move(*flat), bags[0].bias,
                                      static_cast<double>(bags.size()));
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("XGBoost: ") + e.what());
  }
}

result<std::unique_ptr<scorer>> load_boosting(std::istream& in, size_t width) {
  double bias = 0, bags = 0;
  if (!take_number(in, bias) || !take_number(in, bags) || !std::isfinite(bias)
      || !(bags >= 1 && bags <= bags_max))
    return fail(errc::malformed, "boosting: head");
  auto trees = flat_trees::load(in, width);
  if (!trees) return fail(errc::malformed, "boosting: " + trees.error().detail);
  return std::make_unique<boosting>(std::move(*trees), bias, bags);
}

} // namespace harbinger::predict
