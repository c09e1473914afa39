#include "actors/failure_predictor.hpp"

#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "predict/explanation.hpp"
#include "predict/service_training.hpp"

namespace harbinger {

namespace {
using failure_predictor_self = failure_predictor_actor::stateful_pointer<failure_predictor_state>;

constexpr uint64_t drift_rounds = 20; ///< between two looks at drift
constexpr size_t similar_shown = 5;

nlohmann::json number_or_null(double x) {
  return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json(nullptr);
}

void load_model(failure_predictor_self self, const context_ptr& ctx, const std::string& path) {
  auto loaded = predict::model::load(path);
  result<void> used = loaded ? self->state.logic->use(std::move(*loaded))
                             : fail(loaded.error().code, loaded.error().detail);
  if (used) {
    const auto& version = self->state.logic->current_model()->version();
    spdlog::info("model_in_use version={} file={}", version, path);
    raise_event(self, ctx, severity::info, "model_in_use", version,
                "risks come from model " + version + " now", {{"file", path}});
    return;
  }
  spdlog::warn("model_refused file={} reason=\"{}\"", path, to_string(used.error()));
  raise_event(
      self, ctx, severity::warning, "model_refused", path,
      "the model was refused; the one before stays in use",
      {{"reason", to_string(used.error())}, {"in_use", self->state.logic->model_version()}});
}

/// Says once when drift reaches "much", or calibration does not fit any more, and once when that is
/// over.
void watch_model(failure_predictor_self self, const context_ptr& ctx) {
  auto& s = self->state;
  const auto* watch = s.logic->watch();
  if (!watch || s.updates % drift_rounds != 0) return;
  std::string words;
  auto inputs = watch->inputs(to_millis(self->clock().now()));
  if (inputs && inputs->level == predict::drift_level::much)
    words = "its inputs are not what it learned from: " + describe(inputs->metrics.front());
  auto calibration = watch->calibration();
  using enum predict::calibration_verdict;
  if (calibration.verdict == warns_too_little || calibration.verdict == warns_too_much)
    words += (words.empty() ? "" : "; ") + describe(calibration);
  if (words.empty() == s.drift.empty()) return;
  s.drift = words;
  const auto& version = s.logic->model_version();
  if (words.empty())
    raise_event(self, ctx, severity::info, "model_drift_over", version,
                "model " + version + " fits again");
  else
    raise_event(self, ctx, severity::warning, "model_drift", version,
                "model " + version + " does not fit any more: " + words);
}

void score_nodes(failure_predictor_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (!s.catalog.ready()) return ask_for_catalog(self, ctx, names::failure_predictor);
  risk_updated news;
  news.round = ++s.updates;
  news.risks = s.logic->score(self->clock().now());
  double highest = 0;
  for (const auto& r : news.risks) highest = std::max(highest, r.probability);
  watch_model(self, ctx);
  gauge(ctx, "harbinger_risk_max", "the highest risk of all nodes").Set(highest);
  tell<zone_manager_actor>(self, ctx, names::zone_manager, std::move(news));
}

show_reply show_risks(const predict::predictor& logic) {
  auto rows = nlohmann::json::array();
  for (const auto& r : logic.risks())
    rows.push_back({r.node.value, r.probability, r.uncertainty, r.calibrated,
                    number_or_null(r.input_age_s), r.horizon_s, r.model,
                    r.reasons.empty() ? "" : r.reasons.front().text});
  return show_table(
      {"node", "risk", "uncertainty", "calibrated", "input_age_s", "horizon_s", "model", "reason"},
      std::move(rows));
}

show_reply show_risk(const predict::predictor& logic, const node_id& node, time_point now) {
  auto risk = logic.explain(node);
  if (!risk) return {fail(errc::not_found, "no risk of node " + node.value)};
  nlohmann::ordered_json out{{"node", node.value},
                             {"risk", risk->probability},
                             {"uncertainty", risk->uncertainty},
                             {"calibrated", risk->calibrated},
                             {"horizon_s", risk->horizon_s},
                             {"input_age_s", number_or_null(risk->input_age_s)},
                             {"model", risk->model},
                             {"horizons", nlohmann::ordered_json::array()},
                             {"reasons", nlohmann::ordered_json::array()},
                             {"similar", nlohmann::ordered_json::array()},
                             {"history", nlohmann::ordered_json::array()}};
  for (const auto& h : logic.horizons(node))
    out["horizons"].push_back(
        {{"horizon_s", h.horizon_s}, {"risk", h.probability}, {"uncertainty", h.uncertainty}});
  for (const auto& r : risk->reasons)
    out["reasons"].push_back({{"metric", r.metric}, {"weight", r.weight}, {"text", r.text}});
  for (const auto& c : logic.similar_cases(node, similar_shown))
    out["similar"].push_back(
        {{"similarity", c.similarity}, {"failed", c.found.failed}, {"text", c.text}});
  if (const auto* history = logic.history(node))
    for (const auto& p : *history)
      out["history"].push_back({{"ago_s", to_seconds(now - p.time)}, {"risk", p.probability}});
  return show_object(out);
}

show_reply show_drift(const predict::predictor& logic, time_point now) {
  const auto* watch = logic.watch();
  if (!watch)
    return {fail(errc::unavailable, "risks come from the heuristic: there is no model to watch")};
  auto calibration = watch->calibration();
  nlohmann::ordered_json out{{"model", logic.model_version()},
                             {"calibration", describe(calibration)},
                             {"calibration_verdict", name_of(calibration.verdict)},
                             {"failures_expected", calibration.expected},
                             {"failures_observed", calibration.observed},
                             {"calibration_error", number_or_null(calibration.error)},
                             {"predictions_open", calibration.open},
                             {"predictions_censored", calibration.censored},
                             {"inputs", nullptr},
                             {"metrics", nlohmann::ordered_json::array()}};
  auto inputs = watch->inputs(to_millis(now));
  if (!inputs) return show_object(out);
  out["inputs"] = name_of(inputs->level);
  out["rows"] = inputs->rows;
  for (const auto& m : inputs->metrics)
    out["metrics"].push_back({{"metric", m.metric},
                              {"psi", number_or_null(m.index)},
                              {"level", name_of(m.level)},
                              {"text", describe(m)}});
  return show_object(out);
}

show_reply show_explanation(const predict::predictor& logic, const std::vector<std::string>& words,
                            time_point now) {
  if (words.size() != 2 || words[0] != "node")
    return {fail(errc::invalid_argument, "usage: explain node NODE")};
  auto lines = predict::explain_in_words(logic, node_id{words[1]}, now);
  if (!lines) return {fail(errc::not_found, "no risk of node " + words[1])};
  return show_object({{"node", words[1]}, {"lines", *lines}});
}

show_reply show(const predict::predictor& logic, const show_request& r, time_point now) {
  if (r.topic == "explain") return show_explanation(logic, r.words, now);
  if (r.topic == "drift") return show_drift(logic, now);
  if (r.words.empty()) return show_risks(logic);
  return show_risk(logic, node_id{r.words[0]}, now);
}
} // namespace

failure_predictor_actor::behavior_type failure_predictor(failure_predictor_self self,
                                                         context_ptr ctx) {
  predict::predictor_options options;
  options.scales = predict::scales_of(ctx->config->prediction);
  options.more_horizons_s = ctx->config->prediction.more_horizons_s;
  self->state.logic.emplace(std::move(options));
  tell<model_keeper_actor>(self, ctx, names::model_keeper, model_wanted{});
  ask_for_catalog(self, ctx, names::failure_predictor);
  auto period = milliseconds(ctx->config->prediction.scoring_ms);
  self->delayed_send(self, period, tick{self->state.round});
  return {
      [=](const samples_accepted& news) {
        for (const auto& batch : news.batches) self->state.logic->add(batch, news.received);
      },
      [=](const catalog_changed& news) {
        auto& s = self->state;
        if (!take_catalog(self, ctx, names::failure_predictor, s.catalog, news)) return;
        std::vector<node_row> nodes;
        for (const auto& [id, row] : s.catalog.nodes()) nodes.push_back(row);
        s.logic->set_nodes(nodes, true, self->clock().now());
      },
      [=](const model_ready& news) {
        const auto* current = self->state.logic->current_model();
        if (!current || current->version() != news.version) load_model(self, ctx, news.path);
      },
      [=](const tick& t) {
        if (t.round != self->state.round) return;
        score_nodes(self, ctx);
        self->delayed_send(self, period, tick{++self->state.round});
      },
      [=](const show_request& r) { return show(*self->state.logic, r, self->clock().now()); },
  };
}

} // namespace harbinger
