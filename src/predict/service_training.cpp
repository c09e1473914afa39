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

challenge_options options_of(const settings& s) {
  const auto& p = s.prediction;
  challenge_options out;
  auto& t = out.training;
  t.horizons_ms = {std::llround(1000 * p.horizon_s)};
  for (double h : p.more_horizons_s) t.horizons_ms.push_back(std::llround(1000 * h));
  t.windows_s = p.windows_s;
  t.stale_after_s = p.stale_after_s;
  t.rows.every_ms =
      std::max<int64_t>(p.scoring_ms, std::llround(1000 * p.horizon_s / decisions_a_horizon));
  t.rule = validation_rule::groups;
  t.rows.machine = "run";
  t.cause = "trouble";
  t.warning_at = s.zones.enter_at;
  t.study.kinds = p.models;
  t.study.evaluations = p.search;
  t.study.training_rows = t.study.tuning_rows = p.train_rows_max;
  return out;
}
} // namespace

time_scales scales_of(const prediction_settings& settings) {
  return make_scales(settings.windows_s, settings.horizon_s, settings.stale_after_s);
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
  return challenge_champion(*base, *kept, champion, champion_until_ms, options_of(settings), tell);
}

} // namespace harbinger::predict
