#include "predict/model_watch.hpp"

#include <algorithm>
#include <cmath>

#include "predict/profile.hpp"

namespace harbinger::predict {
namespace {
constexpr double hour_s = 3600, week_s = 7 * 86'400;
constexpr double parts_of_a_horizon = 20;

int64_t interval_ms(const model& of) {
  return std::max<int64_t>(1, std::llround(1000 * of.scales().horizon_s / parts_of_a_horizon));
}

std::optional<input_drift> watch_inputs(const model& of) {
  const auto* bytes = of.part(model_part::profile);
  if (!bytes) return std::nullopt;
  auto profile = feature_profile::parse(*bytes);
  if (!profile || profile->width() != of.schema().width()) return std::nullopt;
  return input_drift(of.shared_schema(),
                     std::make_shared<const feature_profile>(std::move(*profile)),
                     {std::max(hour_s, 10 * of.scales().horizon_s), interval_ms(of), 300});
}

calibration_drift_options calibration_options(const model& of) {
  calibration_drift_options out;
  out.every_ms = interval_ms(of);
  out.half_life_s = std::max(week_s, 100 * of.scales().horizon_s);
  return out;
}
} // namespace

model_watch::model_watch(const model& of)
    : horizon_ms_(std::max<int64_t>(1, std::llround(1000 * of.scales().horizon_s))),
      inputs_(watch_inputs(of)),
      calibration_(calibration_options(of)) {}

void model_watch::scored(const node_id& node, std::span<const double> row, double probability,
                         int64_t now_ms) {
  if (inputs_) inputs_->add(node, row, now_ms);
  calibration_.add(node, now_ms, probability, horizon_ms_);
}

std::optional<drift_report> model_watch::inputs(int64_t now_ms) const {
  if (!inputs_) return std::nullopt;
  return inputs_->report(now_ms);
}

} // namespace harbinger::predict
