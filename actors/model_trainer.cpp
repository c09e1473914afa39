#include "actors/model_trainer.hpp"

#include <filesystem>

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "predict/service_training.hpp"

namespace harbinger {
namespace {
using model_trainer_self = model_trainer_actor::stateful_pointer<model_trainer_state>;

/// For model_keeper to take; not in the registry, which clears away what it does not know.
std::string handed_over(const settings& s) { return s.state_dir + "/trained.hbmodel"; }

model_trained train_as_asked(const settings& s, const train_model& asked) {
  model_trained out;
  auto failed = [&](const error& why) {
    out.words = to_string(why);
    return out;
  };
  std::optional<predict::model> champion;
  if (!asked.champion_file.empty()) {
    auto loaded = predict::model::load(asked.champion_file);
    if (!loaded) return failed(loaded.error());
    champion.emplace(std::move(*loaded));
  }
  auto made =
      predict::train_for_service(s, champion ? &*champion : nullptr, asked.champion_until.value);
  if (!made) return failed(made.error());
  out.words = made->words;
  if (!made->challenger) return out;
  if (auto saved = made->challenger->save(handed_over(s)); !saved) return failed(saved.error());
  out.file = handed_over(s);
  out.trained_on = made->trained_on;
  out.trained_until = unix_ms{made->trained_until_ms};
  out.promote = made->promote;
  return out;
}
} // namespace

model_trainer_actor::behavior_type model_trainer(model_trainer_self self, context_ptr ctx) {
  tell<model_keeper_actor>(self, ctx, names::model_keeper, trainer_started{});
  return {
      [=](const train_model& asked) {
        auto began = std::chrono::steady_clock::now();
        spdlog::info("model_training why=\"{}\"", asked.why);
        auto out = train_as_asked(*ctx->config, asked);
        out.seconds = to_seconds(std::chrono::steady_clock::now() - began);
        ++self->state.trainings;
        tell<model_keeper_actor>(self, ctx, names::model_keeper, std::move(out));
      },
      [=](const show_request&) {
        return show_object({{"trainings", self->state.trainings}});
      },
  };
}

} // namespace harbinger
