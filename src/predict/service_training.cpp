#include "predict/service_training.hpp"

#include <algorithm>
#include <cmath>

#include "history/history_file.hpp"
#include "history/journal.hpp"
#include "history/merge.hpp"
#include "history/select.hpp"

namespace harbinger::predict {
namespace {
/// Neighbours tell the same: so many decisions of a horizon are enough to learn from.
constexpr double decisions_a_horizon = 40;

result<history> recorded(const prediction_settings& settings) {
  std::vector<merge_part> parts;
  for (const auto& directory : settings.histories) {
    auto one = read_history(directory);
    if (!one) return one;
    auto name = one->name;
    auto kept = keep_nodes(std::move(*one), [&](const auto& n) {
      const auto& out = settings.exclude_fleets;
      return std::find(out.begin(), out.end(), n.fleet) == out.end();
    });
    parts.push_back({std::move(kept), std::move(name)});
  }
  if (parts.empty()) return history{};
  if (parts.size() == 1) return std::move(parts.front().data);
  return merge_histories(std::move(parts), "recorded histories");
}

result<history> own(const settings& s) {
  auto kept = read_journal(s.state_dir + "/" + journal_directory);
  if (!kept && kept.error().code == errc::not_found) return history{};
  if (!kept) return tl::unexpected<error>(kept.error());
  return std::move(kept->data);
}

} // namespace

time_scales scales_of(const prediction_settings& settings) {
  return make_scales(settings.windows_s, settings.horizon_s, settings.stale_after_s);
}

training_options training_of(const settings& settings) {
  const auto& p = settings.prediction;
  training_options out;
  out.horizons_ms = {std::llround(1000 * p.horizon_s)};
  for (double h : p.more_horizons_s) out.horizons_ms.push_back(std::llround(1000 * h));
  out.windows_s = p.windows_s;
  out.stale_after_s = p.stale_after_s;
  out.rows.every_ms =
      std::max<int64_t>(p.scoring_ms, std::llround(1000 * p.horizon_s / decisions_a_horizon));
  out.rule = validation_rule::groups;
  out.rows.machine = "run";
  out.cause = "trouble";
  out.warning_at = settings.zones.enter_at;
  out.study.kinds = p.models;
  out.study.evaluations = p.search;
  out.study.training_rows = out.study.tuning_rows = p.train_rows_max;
  return out;
}

result<challenge> train_for_service(const settings& settings, const model* champion,
                                    int64_t champion_until_ms, const study_progress& tell) {
  auto base = recorded(settings.prediction);
  if (!base) return tl::unexpected<error>(base.error());
  auto kept = own(settings);
  if (!kept) return tl::unexpected<error>(kept.error());
  if (base->nodes.empty() && kept->nodes.empty())
    return fail(errc::not_found, "there is nothing to train on: prediction.histories is not set, "
                                 "and the service has kept no history of its own");
  challenge_options options;
  options.training = training_of(settings);
  return challenge_champion(*base, *kept, champion, champion_until_ms, options, tell);
}

} // namespace harbinger::predict
