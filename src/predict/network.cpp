#include <array>
#include <cmath>
#include <istream>
#include <ostream>
#include <random>

#include <dlib/matrix.h>
#include <dlib/optimization.h>

#include "predict/bytes.hpp"
#include "predict/scaling.hpp"
#include "predict/scorer.hpp"
#include "predict/workers.hpp"

namespace harbinger::predict {
namespace {
using column = dlib::matrix<double, 0, 1>;
constexpr size_t units_max = 64;
constexpr size_t rows_max = 30'000;
constexpr double clip = 5;

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
double squash(double x) { // tanh, by one exp
  double e = std::exp(-2 * std::fabs(x));
  return std::copysign((1 - e) / (1 + e), x);
}

/// Where the weights of which layer stand in one array: a layer's weights input by input, then its
/// biases. The last layer has one unit.
struct shape {
  size_t inputs = 0, hidden = 0, hidden2 = 0;
  size_t last() const { return hidden2 ? hidden2 : hidden; }
  size_t second() const { return (inputs + 1) * hidden; }
  size_t output() const { return second() + (hidden2 ? (hidden + 1) * hidden2 : 0); }
  size_t size() const { return output() + last() + 1; }
};

struct activations {
  std::array<double, units_max> first, second;
  double margin = 0;
};

/// out = squash(bias + weights * in)
void layer(const double* w, const double* in, size_t n_in, double* out, size_t n_out) {
  const double* bias = w + n_in * n_out;
  for (size_t k = 0; k < n_out; ++k) out[k] = bias[k];
  for (size_t i = 0; i < n_in; ++i) {
    const double v = in[i], *row = w + i * n_out;
    if (v == 0) continue;
    for (size_t k = 0; k < n_out; ++k) out[k] += row[k] * v;
  }
  for (size_t k = 0; k < n_out; ++k) out[k] = squash(out[k]);
}

void forward(const shape& s, const double* w, const double* x, activations& a) {
  layer(w, x, s.inputs, a.first.data(), s.hidden);
  if (s.hidden2) layer(w + s.second(), a.first.data(), s.hidden, a.second.data(), s.hidden2);
  const double *last = s.hidden2 ? a.second.data() : a.first.data(), *v = w + s.output();
  a.margin = v[s.last()];
  for (size_t k = 0; k < s.last(); ++k) a.margin += v[k] * last[k];
}

/// Adds a layer's gradient to `g`, given that of its units' outputs in `d` (changed to that of
/// their sums); to `d_in`, if wanted, goes that of its inputs.
void layer_back(const double* w, double* g, const double* in, size_t n_in, const double* out,
                double* d, size_t n_out, double* d_in) {
  for (size_t k = 0; k < n_out; ++k) {
    d[k] *= 1 - out[k] * out[k];
    g[n_in * n_out + k] += d[k];
  }
  for (size_t i = 0; i < n_in; ++i) {
    const double v = in[i];
    double* row = g + i * n_out;
    if (v != 0)
      for (size_t k = 0; k < n_out; ++k) row[k] += d[k] * v;
    if (!d_in) continue;
    d_in[i] = 0;
    for (size_t k = 0; k < n_out; ++k) d_in[i] += w[i * n_out + k] * d[k];
  }
}

void backward(const shape& s, const double* w, const double* x, const activations& a, double d,
              double* g) {
  const double *last = s.hidden2 ? a.second.data() : a.first.data(), *v = w + s.output();
  double* gv = g + s.output();
  std::array<double, units_max> d_last, d_first;
  for (size_t k = 0; k < s.last(); ++k) {
    gv[k] += d * last[k];
    d_last[k] = d * v[k];
  }
  gv[s.last()] += d;
  if (s.hidden2)
    layer_back(w + s.second(), g + s.second(), a.first.data(), s.hidden, a.second.data(),
               d_last.data(), s.hidden2, d_first.data());
  layer_back(w, g, x, s.inputs, a.first.data(), s.hidden2 ? d_first.data() : d_last.data(),
             s.hidden, nullptr);
}

class network final : public scorer {
public:
  network(scaling inputs, shape s, std::vector<double> weights)
      : inputs_(std::move(inputs)), shape_(s), weights_(std::move(weights)) {}
  void scores(std::span<const double> values, size_t rows, std::span<double> out) const override {
    std::vector<double> x(inputs_.inputs());
    activations a;
    for (size_t r = 0; r < rows; ++r) {
      inputs_.apply(values.subspan(r * inputs_.width(), inputs_.width()), x);
      forward(shape_, weights_.data(), x.data(), a);
      out[r] = sigmoid(a.margin);
    }
  }
  bool takes_missing() const override { return true; }
  std::string_view kind() const override { return "network"; }
  void save(std::ostream& out) const override {
    inputs_.save(out);
    put_number(out, static_cast<uint32_t>(shape_.hidden));
    put_number(out, static_cast<uint32_t>(shape_.hidden2));
    put_numbers(out, weights_);
  }

private:
  scaling inputs_;
  shape shape_;
  std::vector<double> weights_;
};

double unit(std::mt19937_64& engine) { // the standard's distributions differ between libraries
  return static_cast<double>(engine() >> 11) * 0x1p-53;
}

/// Scaled rows with their weights.
struct scaled_rows {
  size_t inputs = 0;
  std::vector<double> x, weights;
  std::vector<uint8_t> labels;
  double total = 0;
  size_t size() const { return labels.size(); }

  void add(const training_rows& rows, size_t i, const scaling& s, double weight) {
    inputs = s.inputs();
    x.resize(x.size() + inputs);
    s.apply(rows.row(i), {x.data() + x.size() - inputs, inputs});
    labels.push_back(rows.labels[i]);
    weights.push_back(weight);
    total += weight;
  }
};

/// All deaths, as far as they fill half, and as many others as fit: those stand for the rest.
scaled_rows choose(const training_rows& rows, const scaling& s, double positive, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::array<std::vector<size_t>, 2> by_label;
  for (size_t i = 0; i < rows.size(); ++i) by_label[rows.labels[i]].push_back(i);
  size_t deaths = by_label[1].size();
  if (rows.size() > rows_max) deaths = std::min(deaths, rows_max / 2);
  std::array<size_t, 2> wanted{std::min(by_label[0].size(), rows_max - deaths), deaths};
  scaled_rows out;
  out.x.reserve((wanted[0] + wanted[1]) * s.inputs());
  for (size_t label : {1u, 0u}) {
    auto& from = by_label[label];
    double each = static_cast<double>(from.size()) / static_cast<double>(wanted[label])
                  * (label ? positive : 1.0);
    for (size_t k = 0; k < wanted[label]; ++k) {
      if (wanted[label] < from.size()) std::swap(from[k], from[k + engine() % (from.size() - k)]);
      out.add(rows, from[k], s, each * rows.weight(from[k]));
    }
  }
  return out;
}

double log_loss(double margin, uint8_t label) {
  double m = label ? margin : -margin;
  return m > 0 ? std::log1p(std::exp(-m)) : std::log1p(std::exp(m)) - m;
}

/// The mean loss and its gradient, in pieces of fixed size summed in order. Both come from one
/// pass, since dlib asks for them at the same place.
class network_loss {
public:
  network_loss(const shape& s, const scaled_rows& rows, double l2, unsigned threads)
      : shape_(s), rows_(rows), l2_(l2), threads_(threads) {}

  double value(const column& w) { return look(w), value_; }
  const column& gradient(const column& w) { return look(w), gradient_; }

  /// Loss alone, without penalty.
  double plain(const column& w) const {
    std::vector<double> sums(pieces());
    run_pieces(pieces(), threads_, [&](size_t p) {
      activations a;
      for (size_t i = begin(p); i < begin(p + 1); ++i) {
        forward(shape_, w.begin(), rows_.x.data() + i * shape_.inputs, a);
        sums[p] += rows_.weights[i] * log_loss(a.margin, rows_.labels[i]);
      }
    });
    double sum = 0;
    for (double s : sums) sum += s;
    return sum / rows_.total;
  }

private:
  static constexpr size_t piece_rows = 1024;
  size_t pieces() const { return (rows_.size() + piece_rows - 1) / piece_rows; }
  size_t begin(size_t piece) const { return std::min(rows_.size(), piece * piece_rows); }

  void look(const column& w) {
    if (at_.size() == w.size() && std::equal(w.begin(), w.end(), at_.begin())) return;
    at_ = w;
    std::vector<std::vector<double>> sums(pieces(), std::vector<double>(shape_.size() + 1));
    run_pieces(pieces(), threads_, [&](size_t p) {
      activations a;
      for (size_t i = begin(p); i < begin(p + 1); ++i) {
        const double* x = rows_.x.data() + i * shape_.inputs;
        forward(shape_, w.begin(), x, a);
        double d = rows_.weights[i] * (sigmoid(a.margin) - rows_.labels[i]);
        backward(shape_, w.begin(), x, a, d, sums[p].data());
        sums[p].back() += rows_.weights[i] * log_loss(a.margin, rows_.labels[i]);
      }
    });
    value_ = 0;
    gradient_ = l2_ * w;
    gradient_(w.size() - 1) = 0; // the output's bias is free
    for (const auto& s : sums) {
      for (long c = 0; c < w.size(); ++c) gradient_(c) += s[static_cast<size_t>(c)] / rows_.total;
      value_ += s.back() / rows_.total;
    }
    for (long c = 0; c + 1 < w.size(); ++c) value_ += 0.5 * l2_ * w(c) * w(c);
  }

  const shape& shape_;
  const scaled_rows& rows_;
  double l2_;
  unsigned threads_;
  column at_, gradient_;
  double value_ = 0;
};

/// dlib's stop strategy: keeps the weights that did best on validation, stops some rounds after.
class stop_by_validation {
public:
  stop_by_validation(uint32_t rounds, const network_loss* validation)
      : rounds_(rounds), validation_(validation) {}

  template <class T>
  bool should_continue_search(const T& w, double value, const T&) {
    constexpr uint32_t patience = 12;
    double judged = validation_ ? validation_->plain(w) : value;
    if (best_at_ == 0 || judged < best_value_) {
      best_value_ = judged;
      best_ = w;
      best_at_ = round_ + 1;
    }
    ++round_;
    bool still = before_ - value > 1e-7 || round_ == 1;
    before_ = value;
    return still && round_ <= rounds_ && (!validation_ || round_ - best_at_ < patience);
  }
  /// dlib copies the strategy, so what was found is kept where a copy can reach it.
  const column& best() const { return best_; }
  uint32_t best_round() const { return best_at_ > 1 ? best_at_ - 1 : 1; }

private:
  uint32_t rounds_, round_ = 0, best_at_ = 0;
  const network_loss* validation_;
  double best_value_ = 0, before_ = 0;
  column best_;
};

struct stop_reference {
  stop_by_validation* stop;
  template <class T>
  bool should_continue_search(const T& w, double value, const T& gradient) {
    return stop->should_continue_search(w, value, gradient);
  }
};

column first_weights(const shape& s, uint64_t seed) {
  std::mt19937_64 engine(seed);
  column w = dlib::zeros_matrix<double>(static_cast<long>(s.size()), 1);
  auto fill = [&](size_t from, size_t n_in, size_t n_out) {
    double reach = std::sqrt(6.0 / static_cast<double>(n_in + n_out)); // Glorot and Bengio, 2010
    for (size_t i = 0; i < n_in * n_out; ++i)
      w(static_cast<long>(from + i)) = reach * (2 * unit(engine) - 1);
  };
  fill(0, s.inputs, s.hidden);
  if (s.hidden2) fill(s.second(), s.hidden, s.hidden2);
  fill(s.output(), s.last(), 1);
  return w;
}
} // namespace

result<std::unique_ptr<scorer>> train_network(const training_rows& rows,
                                              const network_options& options,
                                              const training_rows* validation,
                                              uint32_t* rounds_used) {
  if (auto good = check_training_rows(rows); !good) return tl::unexpected<error>(good.error());
  if (options.hidden == 0 || options.hidden > units_max || options.hidden2 > units_max)
    return fail(errc::invalid_argument, "network: 1 to 64 units a layer");
  try {
    auto inputs = scaling::learn(rows, clip);
    shape s{inputs.inputs(), options.hidden, options.hidden2};
    double positive = positive_weight(rows, options.positive_power);
    auto chosen = choose(rows, inputs, positive, options.seed);
    scaled_rows later;
    if (validation) later = choose(*validation, inputs, positive, options.seed);
    network_loss loss(s, chosen, options.l2, options.threads);
    network_loss judged(s, later, 0, options.threads);
    stop_by_validation stop(options.rounds, later.size() ? &judged : nullptr);
    column w = first_weights(s, options.seed);
    dlib::find_min(
        dlib::lbfgs_search_strategy(10), stop_reference{&stop},
        [&](const column& at) { return loss.value(at); },
        [&](const column& at) { return loss.gradient(at); }, w, -1);
    if (rounds_used) *rounds_used = stop.best_round();
    const auto& best = stop.best();
    return std::make_unique<network>(std::move(inputs), s,
                                     std::vector<double>(best.begin(), best.end()));
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("dlib: ") + e.what());
  }
}

result<std::unique_ptr<scorer>> load_network(std::istream& in, size_t width) {
  auto inputs = scaling::load(in, width);
  if (!inputs) return tl::unexpected<error>(inputs.error());
  uint32_t hidden = 0, hidden2 = 0;
  if (!take_number(in, hidden) || !take_number(in, hidden2) || hidden == 0 || hidden > units_max
      || hidden2 > units_max)
    return fail(errc::malformed, "network: number of units");
  shape s{inputs->inputs(), hidden, hidden2};
  std::vector<double> weights;
  if (!take_numbers(in, weights, s.size()) || weights.size() != s.size())
    return fail(errc::malformed, "network: number of weights");
  for (double w : weights)
    if (!std::isfinite(w)) return fail(errc::malformed, "network: a weight that is no number");
  return std::make_unique<network>(std::move(*inputs), s, std::move(weights));
}

} // namespace harbinger::predict
