#include <cmath>
#include <istream>
#include <ostream>

#include <dlib/matrix.h>
#include <dlib/optimization.h>

#include "predict/bytes.hpp"
#include "predict/scaling.hpp"
#include "predict/scorer.hpp"
#include "predict/workers.hpp"

namespace harbinger::predict {
namespace {
using column = dlib::matrix<double, 0, 1>;

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

class logistic final : public scorer {
public:
  /// `weights`: one an input, then the bias.
  logistic(scaling inputs, std::vector<double> weights)
      : inputs_(std::move(inputs)), weights_(std::move(weights)) {}
  void scores(std::span<const double> values, size_t rows, std::span<double> out) const override {
    std::vector<double> x(inputs_.inputs());
    for (size_t r = 0; r < rows; ++r) {
      inputs_.apply(values.subspan(r * inputs_.width(), inputs_.width()), x);
      double sum = weights_.back();
      for (size_t i = 0; i < x.size(); ++i) sum += weights_[i] * x[i];
      out[r] = sigmoid(sum);
    }
  }
  bool takes_missing() const override { return true; }
  std::string_view kind() const override { return "logistic"; }
  void save(std::ostream& out) const override {
    inputs_.save(out);
    put_numbers(out, weights_);
  }

private:
  scaling inputs_;
  std::vector<double> weights_;
};

/// Mean weighted log-loss and its gradient, made of pieces of fixed size that are summed in order.
class logistic_loss {
public:
  logistic_loss(const training_rows& rows, const scaling& inputs, const logistic_options& options)
      : n_(inputs.inputs()),
        labels_(rows.labels),
        options_(options),
        x_(rows.size() * n_),
        weights_(rows.size()) {
    double positive = positive_weight(rows, options.positive_power);
    run_pieces(pieces(), options.threads, [&](size_t piece) {
      for (size_t i = begin(piece); i < begin(piece + 1); ++i)
        inputs.apply(rows.row(i), {x_.data() + i * n_, n_});
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      weights_[i] = rows.weight(i) * (rows.labels[i] ? positive : 1);
      total_ += weights_[i];
    }
  }

  double value(const column& w) const {
    std::vector<double> sums(pieces());
    run_pieces(pieces(), options_.threads, [&](size_t piece) {
      for (size_t i = begin(piece); i < begin(piece + 1); ++i) {
        double margin = labels_[i] ? output(w, i) : -output(w, i);
        sums[piece] +=
            weights_[i]
            * (margin > 0 ? std::log1p(std::exp(-margin)) : std::log1p(std::exp(margin)) - margin);
      }
    });
    double sum = 0;
    for (double s : sums) sum += s;
    for (size_t c = 0; c < n_; ++c) sum += 0.5 * options_.l2 * total_ * square(w(long(c)));
    return sum / total_;
  }

  column gradient(const column& w) const {
    std::vector<std::vector<double>> sums(pieces(), std::vector<double>(n_ + 1));
    run_pieces(pieces(), options_.threads, [&](size_t piece) {
      double* out = sums[piece].data();
      for (size_t i = begin(piece); i < begin(piece + 1); ++i) {
        double d = weights_[i] * (sigmoid(output(w, i)) - labels_[i]);
        const double* x = x_.data() + i * n_;
        for (size_t c = 0; c < n_; ++c) out[c] += d * x[c];
        out[n_] += d;
      }
    });
    column out = dlib::zeros_matrix<double>(long(n_ + 1), 1);
    for (const auto& s : sums)
      for (size_t c = 0; c <= n_; ++c) out(long(c)) += s[c] / total_;
    for (size_t c = 0; c < n_; ++c) out(long(c)) += options_.l2 * w(long(c));
    return out;
  }

private:
  static constexpr size_t piece_rows = 4096;
  static double square(double v) { return v * v; }
  size_t pieces() const { return (labels_.size() + piece_rows - 1) / piece_rows; }
  size_t begin(size_t piece) const { return std::min(labels_.size(), piece * piece_rows); }
  double output(const column& w, size_t i) const {
    const double *x = x_.data() + i * n_, *k = w.begin();
    double sum = k[n_];
    for (size_t c = 0; c < n_; ++c) sum += k[c] * x[c];
    return sum;
  }

  size_t n_;
  const std::vector<uint8_t>& labels_;
  const logistic_options& options_;
  std::vector<double> x_, weights_;
  double total_ = 0;
};
} // namespace

result<std::unique_ptr<scorer>> train_logistic(const training_rows& rows,
                                               const logistic_options& options) {
  if (auto good = check_training_rows(rows); !good) return tl::unexpected<error>(good.error());
  try {
    auto inputs = scaling::learn(rows, options.clip);
    logistic_loss loss(rows, inputs, options);
    column w = dlib::zeros_matrix<double>(long(inputs.inputs() + 1), 1);
    dlib::find_min(
        dlib::lbfgs_search_strategy(10),
        dlib::objective_delta_stop_strategy(1e-7, options.iterations),
        [&](const column& at) { return loss.value(at); },
        [&](const column& at) { return loss.gradient(at); }, w, -1);
    return std::make_unique<logistic>(std::move(inputs), std::vector<double>(w.begin(), w.end()));
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("dlib: ") + e.what());
  }
}

result<std::unique_ptr<scorer>> load_logistic(std::istream& in, size_t width) {
  auto inputs = scaling::load(in, width);
  if (!inputs) return tl::unexpected<error>(inputs.error());
  std::vector<double> weights;
  if (!take_numbers(in, weights, inputs->inputs() + 1) || weights.size() != inputs->inputs() + 1)
    return fail(errc::malformed, "logistic: number of weights");
  for (double w : weights)
    if (!std::isfinite(w)) return fail(errc::malformed, "logistic: a weight that is no number");
  return std::make_unique<logistic>(std::move(*inputs), std::move(weights));
}

} // namespace harbinger::predict
