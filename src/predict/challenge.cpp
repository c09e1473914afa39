#include "predict/challenge.hpp"

#include <algorithm>
#include <cmath>

#include "history/merge.hpp"
#include "history/select.hpp"

namespace harbinger::predict {
namespace {
constexpr const char* own_name = "service";

/// The service's features, of its metrics.
schema_ptr features() { return service_schema(); }

result<history> together(const history& base, const history& own) {
  if (own.nodes.empty()) return base;
  if (base.nodes.empty()) return own;
  std::vector<merge_part> parts;
  parts.push_back({base, ""});
  parts.push_back({own, own_name});
  return merge_histories(std::move(parts), base.name + " and its own");
}

/// So many of the healthy rows that there are about rows_max.
double share_of(const history& h, const training_options& training, size_t rows_max) {
  double rows = 0;
  for (const auto& n : h.nodes)
    rows +=
        static_cast<double>(n.last_ms - n.first_ms) / static_cast<double>(training.rows.every_ms);
  return rows <= static_cast<double>(rows_max) ? 1.0 : static_cast<double>(rows_max) / rows;
}

std::vector<int64_t> failure_times(const history& of) {
  std::vector<int64_t> out;
  for (const auto& e : of.events)
    if (e.what == happening::failure) out.push_back(e.time_ms);
  std::sort(out.begin(), out.end());
  return out;
}

int64_t newest_sample_ms(const history& of) {
  int64_t out = 0;
  for (const auto& s : of.samples) out = std::max(out, s.time_ms);
  return out;
}

result<model> train_on(const history& h, const challenge_options& options,
                       const study_progress& tell) {
  auto training = options.training;
  training.rows.healthy_share = share_of(h, training, options.rows_max);
  return train(h, features(), training, tell);
}

std::string counted(size_t n, const char* what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

result<std::vector<contest_row>> rows_of(const history& own, const model& champion,
                                         const model& challenger, int64_t after_ms,
                                         const challenge_options& options) {
  const auto& training = options.training;
  auto horizon_ms = training.horizons_ms.front();
  example_options taking;
  taking.every_ms = training.rows.every_ms;
  taking.phase_ms = training.rows.phase_ms;
  taking.near_ms = horizon_ms;
  taking.healthy_share = share_of(own, training, options.rows_max);
  auto rows = make_examples(own, features(), champion.scales(), taking);
  if (!rows) return tl::unexpected<error>(rows.error());
  std::vector<contest_row> out;
  std::vector<double> values;
  for (size_t i = 0; i < rows->size(); ++i) {
    auto label = rows->label(i, horizon_ms);
    if (!label || rows->time_ms[i] <= after_ms) continue;
    values.assign(rows->row(i).begin(), rows->row(i).end());
    out.push_back({rows->node[i], rows->time_ms[i], *label, static_cast<double>(rows->weight[i]),
                   champion.predict(values).probability, challenger.predict(values).probability});
  }
  return out;
}

result<challenge> first_model(const history& base, const history& own,
                              const challenge_options& options, const study_progress& tell) {
  auto all = together(base, own);
  if (!all) return tl::unexpected<error>(all.error());
  auto made = train_on(*all, options, tell);
  if (!made) return tl::unexpected<error>(made.error());
  challenge out;
  out.challenger = std::move(*made);
  out.promote = true;
  out.words = "the first model";
  out.trained_until_ms = newest_sample_ms(own);
  out.trained_on = counted(all->nodes.size(), "node") + ", "
                   + counted(failure_times(*all).size(), "failure") + " (" + all->name + ")";
  return out;
}
} // namespace

result<challenge> challenge_champion(const history& base, const history& own, const model* champion,
                                     int64_t champion_until_ms, const challenge_options& given,
                                     const study_progress& tell) {
  auto options = given;
  if (options.training.horizons_ms.empty())
    return fail(errc::invalid_argument, "a horizon is needed");
  auto horizon_ms = options.training.horizons_ms.front();
  if (options.training.rows.every_ms == 0) options.training.rows.every_ms = horizon_ms;
  if (!champion) return first_model(base, own, options, tell);

  challenge out;
  auto failures = failure_times(own);
  auto judged = std::max(
      options.contest.failures_min,
      static_cast<size_t>(std::ceil(options.judging_share * static_cast<double>(failures.size()))));
  if (failures.size() < judged || (base.nodes.empty() && failures.size() == judged)) {
    out.words = "nothing was trained: of " + counted(failures.size(), "failure")
                + " that this service has seen too few are left to learn from when "
                + std::to_string(judged) + " are kept to judge by";
    return out;
  }
  auto cut_ms = failures[failures.size() - judged] - horizon_ms - 1;
  auto older = cut_history(own, cut_ms);
  auto material = together(base, older);
  if (!material) return tl::unexpected<error>(material.error());
  auto made = train_on(*material, options, tell);
  if (!made) return tl::unexpected<error>(made.error());
  out.trained_until_ms = newest_sample_ms(older);
  out.trained_on = counted(material->nodes.size(), "node") + ", "
                   + counted(failure_times(*material).size(), "failure") + ", of these "
                   + counted(failure_times(older).size(), "failure") + " of its own";
  auto rows = rows_of(own, *champion, *made, std::max(cut_ms, champion_until_ms), options);
  if (!rows) return tl::unexpected<error>(rows.error());
  auto verdict = hold_contest(std::move(*rows), options.contest);
  if (!verdict) return tl::unexpected<error>(verdict.error());
  out.challenger = std::move(*made);
  out.promote = verdict->promotes();
  out.words = verdict->words;
  out.verdict = std::move(*verdict);
  return out;
}

} // namespace harbinger::predict
