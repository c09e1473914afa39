#include "predict/tuning.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <dlib/global_optimization.h>

namespace harbinger::predict {
namespace {
using column = dlib::matrix<double, 0, 1>;

constexpr std::array logistic_ranges{
    hyper_range{"l2", 1e-5, 3, 0.01, true, true, false, "more: smaller weights"},
    hyper_range{"clip", 2, 10, 5, true, false, false, "deviations that a feature may count"},
    hyper_range{"positive_power", 0, 1, 0.5, true, false, false, "1: both labels weigh the same"},
};
constexpr std::array forest_ranges{
    hyper_range{"leaf_rows_min", 1, 200, 20, true, true, true, "more: coarser trees"},
    hyper_range{"features_tried", 0.3, 5, 1, true, true, false,
                "at each split, in square roots of their number"},
    hyper_range{"healthy_ratio", 1, 30, 20, true, true, false, "healthy rows a death in a sample"},
    hyper_range{"smoothing", 0.1, 20, 1, true, true, false, "rows' worth of the parent in a leaf"},
    hyper_range{"trees", 1, 150, 100, false, false, true, "more: steadier, slower"},
};
constexpr std::array network_ranges{
    hyper_range{"hidden", 4, 48, 16, true, true, true, "units of the first layer"},
    hyper_range{"l2", 1e-4, 0.3, 0.003, true, true, false, "more: smoother"},
    hyper_range{"positive_power", 0, 1, 0.5, true, false, false, "1: both labels weigh the same"},
    hyper_range{"hidden2", 0, 32, 0, false, false, true, "units of the second layer, 0: none"},
    hyper_range{"rounds", 1, 300, 60, false, false, true, "of L-BFGS"},
};
constexpr std::array boosting_ranges{
    hyper_range{"learning_rate", 0.02, 0.3, 0.08, true, true, false, "share of each tree"},
    hyper_range{"depth", 2, 8, 5, true, false, true, "of a tree"},
    hyper_range{"leaf_weight_min", 0.5, 50, 5, true, true, false, "more: coarser trees"},
    hyper_range{"feature_share", 0.1, 1, 0.5, true, false, false, "drawn for each tree"},
    hyper_range{"l2", 0.1, 50, 2, true, true, false, "more: smaller leaves"},
    hyper_range{"positive_power", 0, 1, 0.5, true, false, false, "1: both labels weigh the same"},
    hyper_range{"rounds", 1, 1000, 150, false, false, true, "trees a bag"},
    hyper_range{"bags", 1, 8, 2, false, false, true, "boosters to be averaged"},
    hyper_range{"row_share", 0.2, 1, 0.8, false, false, false, "drawn for each tree"},
};

/// Between a value and the place on the axis that is searched.
double to_axis(const hyper_range& r, double v) { return r.logarithmic ? std::log(v) : v; }
double from_axis(const hyper_range& r, double at) {
  double v = std::clamp(r.logarithmic ? std::exp(at) : at, r.low, r.high);
  return r.integer ? std::round(v) : v;
}

/// The search over the ranges that are free. dlib is told of integers as reals that are rounded.
class search {
public:
  search(std::vector<hyper_range> free, uint64_t seed) : free_(std::move(free)) {
    auto n = static_cast<long>(free_.size());
    column low(n), high(n);
    for (long i = 0; i < n; ++i) {
      low(i) = to_axis(range(i), range(i).low);
      high(i) = to_axis(range(i), range(i).high);
    }
    functions_ = std::make_unique<dlib::global_function_search>(dlib::function_spec(low, high));
    functions_->set_seed(static_cast<time_t>(seed & 0x7fffffff));
  }
  hyper_values next(hyper_values base) {
    request_ = std::make_unique<dlib::function_evaluation_request>(functions_->get_next_x());
    for (long i = 0; i < static_cast<long>(free_.size()); ++i)
      base[range(i).name] = from_axis(range(i), request_->x()(i));
    return base;
  }
  void answer(double value) {
    request_->set(value);
    request_.reset();
  }

private:
  const hyper_range& range(long i) const { return free_[static_cast<size_t>(i)]; }
  std::vector<hyper_range> free_;
  std::unique_ptr<dlib::global_function_search> functions_;
  std::unique_ptr<dlib::function_evaluation_request> request_;
};
} // namespace

std::span<const hyper_range> hyper_ranges(std::string_view kind) {
  if (kind == "logistic") return logistic_ranges;
  if (kind == "forest") return forest_ranges;
  if (kind == "network") return network_ranges;
  if (kind == "boosting") return boosting_ranges;
  return {};
}

result<hyper_values> complete_hyper(std::string_view kind, const hyper_values& given) {
  auto ranges = hyper_ranges(kind);
  if (ranges.empty())
    return fail(errc::invalid_argument, "no such kind of model: " + std::string(kind));
  hyper_values out;
  for (const auto& r : ranges) out[r.name] = r.usual;
  for (const auto& [name, value] : given) {
    auto r = std::find_if(ranges.begin(), ranges.end(),
                          [&, key = &name](const auto& range) { return *key == range.name; });
    if (r == ranges.end())
      return fail(errc::invalid_argument, std::string(kind) + " knows no " + name);
    if (!(value >= r->low && value <= r->high))
      return fail(errc::invalid_argument, std::string(kind) + ": " + name + " is to be "
                                              + std::to_string(r->low) + " to "
                                              + std::to_string(r->high));
    out[name] = r->integer ? std::round(value) : value;
  }
  return out;
}

result<tuning_result> tune(std::string_view kind, const tuning_objective& objective,
                           const tuning_options& options, const hyper_values& fixed) {
  auto usual = complete_hyper(kind, fixed);
  if (!usual) return tl::unexpected<error>(usual.error());
  if (options.evaluations == 0 || options.evaluations > tuning_evaluations_max)
    return fail(errc::invalid_argument, "tuning: 1 to 1000 evaluations");
  std::vector<hyper_range> free;
  for (const auto& r : hyper_ranges(kind))
    if (r.searched && !fixed.contains(r.name)) free.push_back(r);
  try {
    tuning_result out;
    double best = -std::numeric_limits<double>::infinity(), worst = 0;
    auto try_one = [&](const hyper_values& hyper) {
      double value = objective(hyper);
      if (!std::isfinite(value)) value = std::numeric_limits<double>::quiet_NaN();
      out.trials.push_back({hyper, value});
      if (value > best) {
        best = value;
        out.best = hyper;
      }
      worst = out.trials.size() == 1 || value < worst ? value : worst;
      return std::isfinite(value) ? value : (std::isfinite(worst) ? worst : 0) - 1;
    };
    try_one(*usual);
    if (!free.empty()) {
      search ahead(std::move(free), options.seed);
      while (out.trials.size() < options.evaluations) ahead.answer(try_one(ahead.next(*usual)));
    }
    if (!std::isfinite(best))
      return fail(errc::invalid_argument, "tuning: nothing could be judged");
    out.value = best;
    return out;
  } catch (const std::exception& e) {
    return fail(errc::internal, std::string("tuning: ") + e.what());
  }
}

} // namespace harbinger::predict
