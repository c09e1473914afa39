#include "predict/take_examples.hpp"

namespace harbinger::predict {
namespace {
/// Older input than so many decisions takes no part in comparisons.
constexpr double stale_decisions = 3;
} // namespace

std::vector<double> default_windows(double horizon_s) {
  return {horizon_s / 4, horizon_s, horizon_s * 7};
}

result<examples> take_examples(const history& from, schema_ptr schema,
                               const taking_options& options, const study_progress& tell) {
  double horizon_s = static_cast<double>(options.horizon_ms) / 1000;
  double stale_s = options.stale_after_s > 0
                       ? options.stale_after_s
                       : stale_decisions * static_cast<double>(options.every_ms) / 1000;
  auto windows = options.windows_s.empty() ? default_windows(horizon_s) : options.windows_s;
  example_options taking;
  taking.every_ms = options.every_ms;
  taking.phase_ms = options.phase_ms;
  taking.healthy_share = options.healthy_share;
  taking.near_ms = options.near_ms;
  return make_examples(from, std::move(schema), make_scales(std::move(windows), horizon_s, stale_s),
                       taking, [&](double done) {
                         if (tell) tell("features", done);
                       });
}

} // namespace harbinger::predict
