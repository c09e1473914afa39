#include "actors/model_trainer.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/failure_predictor.hpp"
#include "actors/following.hpp"
#include "actors/names.hpp"
#include "predict/recorded_training.hpp"

namespace harbinger {
namespace {
using model_trainer_self = model_trainer_actor::stateful_pointer<model_trainer_state>;
constexpr auto trainer_retry = milliseconds(500);

/// The stored model, when it is there and fits.
bool adopt_stored(model_trainer_self self, const context_ptr& ctx, const std::string& path) {
  auto stored = predict::model::load(path);
  if (!stored && stored.error().code == errc::not_found) return false;
  if (stored && stored->scales() == predict::scales_of(ctx->config->prediction)) {
    self->state.report = stored->report();
    self->state.ready = model_ready{path, stored->version()};
    self->state.condition = "stored model in use";
    return true;
  }
  auto why = stored ? "trained with other windows or another horizon" : to_string(stored.error());
  spdlog::warn("model_refused file={} reason=\"{}\"", path, why);
  raise_event(self, ctx, severity::warning, "model_refused", path,
              "the stored model is not used; another is trained", {{"reason", why}});
  return false;
}

void give_up(model_trainer_self self, const context_ptr& ctx, const error& why) {
  self->state.condition = "no model: " + to_string(why);
  spdlog::warn("model_not_trained reason=\"{}\"", to_string(why));
  raise_event(self, ctx, severity::warning, "model_not_trained", ctx->config->prediction.recordings,
              "no model could be trained; risks come from the heuristic",
              {{"reason", to_string(why)}});
}

void train_anew(model_trainer_self self, const context_ptr& ctx, const std::string& path) {
  const auto& wanted = ctx->config->prediction;
  if (wanted.recordings.empty())
    return give_up(self, ctx, {errc::not_found, "prediction.recordings is not set"});
  auto began = std::chrono::steady_clock::now();
  auto trained = predict::train_on_recordings(wanted, ctx->config->zones.enter_at);
  if (!trained) return give_up(self, ctx, trained.error());
  auto took_s = to_seconds(std::chrono::steady_clock::now() - began);
  self->state.report = trained->report();
  if (auto saved = trained->save(path); !saved) return give_up(self, ctx, saved.error());
  self->state.ready = model_ready{path, trained->version()};
  self->state.condition = "trained";
  auto report = nlohmann::json::parse(trained->report(), nullptr, false);
  std::map<std::string, std::string> fields{{"seconds", std::to_string(took_s)}, {"file", path}};
  for (const char* key : {"runs", "deaths", "rows", "kind"})
    if (report.contains(key)) fields[key] = report[key].dump();
  for (const char* key : {"roc_auc", "pr_auc", "brier", "event_recall", "lead_median_s"})
    if (report.contains("validation"))
      fields[key] = report["validation"].value(key, nlohmann::json()).dump();
  spdlog::info("model_trained version={} seconds={:.1f} runs={} pr_auc={}", trained->version(),
               took_s, fields["runs"], fields["pr_auc"]);
  auto text = "a model was trained on " + fields["runs"] + " recorded runs";
  raise_event(self, ctx, severity::info, "model_trained", trained->version(), std::move(text),
              std::move(fields));
}
} // namespace

model_trainer_actor::behavior_type model_trainer(model_trainer_self self, context_ptr ctx) {
  self->send(self, tick{0});
  return {
      // Round 0: see to it that there is a model. Later rounds: failure_predictor was not there to
      // be told.
      [=](const tick& t) {
        auto& s = self->state;
        if (t.round == 0 && !s.ready) {
          auto path = model_path(*ctx->config);
          if (!adopt_stored(self, ctx, path)) train_anew(self, ctx, path);
        } else if (t.round != 0 && t.round != s.round) {
          return;
        }
        if (!s.ready
            || tell<failure_predictor_actor>(self, ctx, names::failure_predictor, *s.ready))
          return;
        self->delayed_send(self, trainer_retry, tick{++s.round});
      },
      [=](const show_request&) {
        const auto& s = self->state;
        return show_object({{"condition", s.condition},
                            {"version", s.ready ? s.ready->version : ""},
                            {"file", model_path(*ctx->config)},
                            {"report", nlohmann::json::parse(s.report, nullptr, false)}});
      },
  };
}

} // namespace harbinger
