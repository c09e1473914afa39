#include <cmath>
#include <istream>
#include <ostream>

#include <dlib/matrix.h>
#include <dlib/optimization.h>

#include "predict/scorer.hpp"

namespace harbinger::predict {
namespace {
using column = dlib::matrix<double, 0, 1>;

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

class logistic final : public scorer {
public:
  logistic(std::vector<double> weights, double bias) : weights_(std::move(weights)), bias_(bias) {}
  double score(std::span<const double> row) const override {
    double sum = bias_;
    for (size_t i = 0; i < weights_.size(); ++i) sum += weights_[i] * row[i];
    return sigmoid(sum);
  }
  std::string_view kind() const override { return "logistic"; }
  void save(std::ostream& out) const override {
    dlib::serialize(weights_, out);
    dlib::serialize(bias_, out);
  }

private:
  std::vector<double> weights_; ///< for features as they are: the standardisation is folded in
  double bias_;
};

struct standardised {
  std::vector<double> mean, scale;
  std::vector<column> x;
};

standardised standardise(const training_rows& rows) {
  standardised out{std::vector<double>(rows.width), std::vector<double>(rows.width, 1.0), {}};
  auto n = static_cast<double>(rows.size());
  for (size_t c = 0; c < rows.width; ++c) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < rows.size(); ++i) sum += rows.row(i)[c];
    out.mean[c] = sum / n;
    for (size_t i = 0; i < rows.size(); ++i) squares += std::pow(rows.row(i)[c] - out.mean[c], 2);
    if (squares > 1e-18 * n) out.scale[c] = std::sqrt(squares / n);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& x = out.x.emplace_back(static_cast<long>(rows.width + 1));
    for (size_t c = 0; c < rows.width; ++c)
      x(static_cast<long>(c)) = (rows.row(i)[c] - out.mean[c]) / out.scale[c];
    x(static_cast<long>(rows.width)) = 1; // bias
  }
  return out;
}
} // namespace

result<std::unique_ptr<scorer>> train_logistic(const training_rows& rows) {
  auto positives = std::count(rows.labels.begin(), rows.labels.end(), uint8_t{1});
  if (rows.size() < 20 || positives == 0 || positives == static_cast<ptrdiff_t>(rows.size()))
    return fail(errc::invalid_argument, "logistic regression needs 20 rows and both labels");
  constexpr double penalty = 0.01; // of half the squared weights, on the mean loss
  try {
    auto data = standardise(rows);
    auto n = static_cast<double>(rows.size());
    auto loss = [&](const column& w) {
      double sum = 0.5 * penalty * dlib::dot(w, w) * n;
      for (size_t i = 0; i < data.x.size(); ++i) {
        double margin = (rows.labels[i] ? 1 : -1) * dlib::dot(w, data.x[i]);
        sum += margin > 0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin;
      }
      return sum / n;
    };
    auto gradient = [&](const column& w) {
      column out = penalty * w;
      for (size_t i = 0; i < data.x.size(); ++i)
        out += (sigmoid(dlib::dot(w, data.x[i])) - rows.labels[i]) / n * data.x[i];
      return out;
    };
    column w = dlib::zeros_matrix<double>(static_cast<long>(rows.width + 1), 1);
    dlib::find_min(dlib::lbfgs_search_strategy(10), dlib::objective_delta_stop_strategy(1e-5, 60),
                   loss, gradient, w, -1);
    std::vector<double> weights(rows.width);
    double bias = w(static_cast<long>(rows.width));
    for (size_t c = 0; c < rows.width; ++c) {
      weights[c] = w(static_cast<long>(c)) / data.scale[c];
      bias -= weights[c] * data.mean[c];
    }
    return std::make_unique<logistic>(std::move(weights), bias);
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("dlib: ") + e.what());
  }
}

result<std::unique_ptr<scorer>> load_logistic(std::istream& in, size_t width) {
  try {
    std::vector<double> weights;
    double bias = 0;
    dlib::deserialize(weights, in);
    dlib::deserialize(bias, in);
    if (weights.size() != width) return fail(errc::malformed, "logistic: number of weights");
    return std::make_unique<logistic>(std::move(weights), bias);
  } catch (const std::exception& e) {
    return fail(errc::malformed, std::string("logistic: ") + e.what());
  }
}

} // namespace harbinger::predict
