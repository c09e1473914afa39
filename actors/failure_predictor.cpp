#include "actors/failure_predictor.hpp"

#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "predict/recorded_training.hpp"

namespace harbinger {

std::string model_path(const settings& s) {
  return s.prediction.model.empty() ? s.state_dir + "/model" : s.prediction.model;
}

namespace {
using failure_predictor_self = failure_predictor_actor::stateful_pointer<failure_predictor_state>;

nlohmann::json number_or_null(double x) {
  return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json(nullptr);
}

/// Whether it is in use now.
bool load_model(failure_predictor_self self, const context_ptr& ctx, const std::string& path,
                bool expected) {
  auto loaded = predict::model::load(path);
  result<void> used = loaded ? self->state.logic->use(std::move(*loaded))
                             : fail(loaded.error().code, loaded.error().detail);
  if (used) {
    const auto& version = self->state.logic->current_model()->version();
    spdlog::info("model_in_use version={} file={}", version, path);
    raise_event(self, ctx, severity::info, "model_in_use", version,
                "risks come from model " + version + " now", {{"file", path}});
    return true;
  }
  if (!expected)
    return false; // at start: there may be none, or one of other settings; model_trainer sees to it
  spdlog::warn("model_refused file={} reason=\"{}\"", path, to_string(used.error()));
  raise_event(
      self, ctx, severity::warning, "model_refused", path,
      "the model was refused; the one before stays in use",
      {{"reason", to_string(used.error())}, {"in_use", self->state.logic->model_version()}});
  return false;
}

void score_nodes(failure_predictor_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (!s.catalog.ready()) return ask_for_catalog(self, ctx, names::failure_predictor);
  risk_updated news;
  news.round = ++s.updates;
  news.risks = s.logic->score(self->clock().now());
  double highest = 0;
  for (const auto& r : news.risks) highest = std::max(highest, r.probability);
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
                             {"reasons", nlohmann::ordered_json::array()},
                             {"history", nlohmann::ordered_json::array()}};
  for (const auto& r : risk->reasons)
    out["reasons"].push_back({{"metric", r.metric}, {"weight", r.weight}, {"text", r.text}});
  if (const auto* history = logic.history(node))
    for (const auto& p : *history)
      out["history"].push_back({{"ago_s", to_seconds(now - p.time)}, {"risk", p.probability}});
  return show_object(out);
}
} // namespace

failure_predictor_actor::behavior_type failure_predictor(failure_predictor_self self,
                                                         context_ptr ctx) {
  predict::predictor_options options;
  options.scales = predict::scales_of(ctx->config->prediction);
  self->state.logic.emplace(std::move(options));
  load_model(self, ctx, model_path(*ctx->config), false);
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
      [=](const model_ready& news) { load_model(self, ctx, news.path, true); },
      [=](const tick& t) {
        if (t.round != self->state.round) return;
        score_nodes(self, ctx);
        self->delayed_send(self, period, tick{++self->state.round});
      },
      [=](const show_request& r) {
        const auto& s = self->state;
        return r.words.empty() ? show_risks(*s.logic)
                               : show_risk(*s.logic, node_id{r.words[0]}, self->clock().now());
      },
  };
}

} // namespace harbinger
