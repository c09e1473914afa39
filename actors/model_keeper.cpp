#include "actors/model_keeper.hpp"

#include <filesystem>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "history/time_text.hpp"
#include "predict/model_diff.hpp"
#include "predict/predictor.hpp"
#include "predict/service_training.hpp"

namespace harbinger {

std::string models_directory(const settings& s) { return s.state_dir + "/models"; }

namespace {
using model_keeper_self = model_keeper_actor::stateful_pointer<model_keeper_state>;
using json = nlohmann::ordered_json;
constexpr auto model_keeper_period = milliseconds(1000);

std::string file_of(const context_ptr& ctx, const std::string& version) {
  return models_directory(*ctx->config) + '/' + version + ".hbmodel";
}

int64_t wall_ms(const context_ptr& ctx) { return ctx->wall_clock().value; }

/// Whether the predictor of these settings would take it.
predict::accepts_model fits(const settings& s) {
  predict::predictor_options options;
  options.scales = predict::scales_of(s.prediction);
  options.more_horizons_s = s.prediction.more_horizons_s;
  auto judge = std::make_shared<const predict::predictor>(options);
  return [judge](const predict::model& m) { return judge->accepts(m); };
}

void tell_warnings(model_keeper_self self, const context_ptr& ctx) {
  for (const auto& text : self->state.registry->take_warnings()) {
    spdlog::warn("model_registry {}", text);
    raise_event(self, ctx, severity::warning, "model_registry", models_directory(*ctx->config),
                text);
  }
}

bool open_registry(model_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  predict::registry_options options;
  options.accepts = fits(*ctx->config);
  auto opened =
      predict::model_registry::open(models_directory(*ctx->config), options, wall_ms(ctx));
  if (!opened) {
    auto why = to_string(opened.error());
    if (s.condition != why) {
      spdlog::error("model_registry_closed reason=\"{}\"", why);
      raise_event(self, ctx, severity::warning, "model_registry", models_directory(*ctx->config),
                  "models can not be kept; risks come from the heuristic", {{"reason", why}});
    }
    s.condition = why;
    return false;
  }
  s.registry.emplace(std::move(*opened));
  tell_warnings(self, ctx);
  return true;
}

/// The champion, or what stands for it now, to the predictor. False: there is none.
bool put_in_use(model_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto champion = s.registry->champion(wall_ms(ctx));
  tell_warnings(self, ctx);
  if (!champion) {
    if (champion.error().code != errc::not_found)
      raise_event(self, ctx, severity::warning, "model_refused", s.registry->champion_version(),
                  "the model in use so far is not used any more",
                  {{"reason", to_string(champion.error())}});
    s.in_use.reset();
    return false;
  }
  s.in_use = model_ready{file_of(ctx, champion->version()), champion->version()};
  s.condition = "model " + champion->version() + " in use";
  tell<failure_predictor_actor>(self, ctx, names::failure_predictor, *s.in_use);
  return true;
}

const predict::registered_model* listed(const predict::model_registry& registry,
                                        const std::string& version) {
  for (const auto& m : registry.list())
    if (m.version == version) return &m;
  return nullptr;
}

void order_training(model_keeper_self self, const context_ptr& ctx, const std::string& why) {
  auto& s = self->state;
  train_model order;
  order.why = why;
  if (s.in_use) {
    order.champion_file = s.in_use->path;
    if (const auto* m = listed(*s.registry, s.in_use->version))
      order.champion_until.value = m->trained_until_ms;
  }
  if (!tell<model_trainer_actor>(self, ctx, names::model_trainer, order)) return;
  s.plan->begun(wall_ms(ctx));
  s.training = why;
  raise_event(self, ctx, severity::info, "model_training", s.in_use ? s.in_use->version : "",
              "a model is being trained: " + why);
}

void start_keeper(model_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (!open_registry(self, ctx)) return;
  bool there = put_in_use(self, ctx);
  int64_t newest = 0;
  for (const auto& m : s.registry->list()) newest = std::max(newest, m.added_ms);
  const auto& p = ctx->config->prediction;
  s.plan.emplace(predict::retraining_options{std::llround(1000 * p.retrain_every_s),
                                             p.retrain_after_failures,
                                             std::llround(1000 * p.retrain_pause_s)},
                 newest == 0 ? wall_ms(ctx) : newest);
  if (!there) s.plan->ask();
}

void promote_trained(model_keeper_self self, const context_ptr& ctx, const std::string& version,
                     const std::string& why) {
  auto& s = self->state;
  auto done = s.registry->promote(version, s.in_use ? "contest" : "first", why, wall_ms(ctx));
  if (!done) {
    spdlog::warn("model_not_promoted version={} reason=\"{}\"", version, to_string(done.error()));
    raise_event(self, ctx, severity::warning, "model_refused", version,
                "the model that was trained is not used", {{"reason", to_string(done.error())}});
    return;
  }
  raise_event(self, ctx, severity::info, "model_promoted", version,
              "risks come from model " + version + " from now on: " + why,
              {{"before", s.in_use ? s.in_use->version : ""}});
  put_in_use(self, ctx);
}

/// What events and the console say of a training.
std::map<std::string, std::string> training_fields(const predict::model& m,
                                                   const model_trained& news) {
  std::map<std::string, std::string> out{{"seconds", std::to_string(news.seconds)},
                                         {"trained_on", news.trained_on},
                                         {"kind", std::string(m.kind())}};
  auto report = nlohmann::json::parse(m.report(), nullptr, false);
  if (!report.is_object()) return out;
  for (const char* key : {"nodes", "failures", "rows"})
    if (report.contains(key)) out[key] = report[key].dump();
  for (const auto& h : report["horizons"]) {
    if (h["horizon_s"] != m.scales().horizon_s) continue;
    for (const char* key : {"roc_auc", "pr_auc", "brier", "event_recall", "lead_median"})
      if (h["validation"].contains(key)) out[key] = h["validation"][key].dump();
  }
  return out;
}

void take_trained(model_keeper_self self, const context_ptr& ctx, const model_trained& news) {
  auto& s = self->state;
  s.training.clear();
  s.newest_words = news.words;
  if (!s.registry) return;
  if (news.file.empty()) {
    spdlog::info("model_not_trained reason=\"{}\"", news.words);
    if (!s.in_use) s.condition = "no model: " + news.words;
    raise_event(self, ctx, s.in_use ? severity::info : severity::warning, "model_not_trained",
                s.in_use ? s.in_use->version : "",
                s.in_use ? "the model in use goes on" : "risks come from the heuristic",
                {{"reason", news.words}});
    return;
  }
  auto made = predict::model::load(news.file);
  std::error_code ignored;
  std::filesystem::remove(news.file, ignored);
  auto version =
      made ? s.registry->add(
          *made, {predict::model_origin::trained, news.trained_on, news.trained_until.value},
          wall_ms(ctx))
           : result<std::string>(tl::unexpected<error>(made.error()));
  tell_warnings(self, ctx);
  if (!version) {
    spdlog::warn("model_not_kept reason=\"{}\"", to_string(version.error()));
    raise_event(self, ctx, severity::warning, "model_refused", "",
                "the model that was trained can not be kept",
                {{"reason", to_string(version.error())}});
    return;
  }
  spdlog::info("model_trained version={} seconds={:.1f} words=\"{}\"", *version, news.seconds,
               news.words);
  raise_event(self, ctx, severity::info, "model_trained", *version,
              "a model was trained on " + news.trained_on, training_fields(*made, news));
  if (news.promote) return promote_trained(self, ctx, *version, news.words);
  raise_event(self, ctx, severity::info, "model_kept", s.in_use ? s.in_use->version : "",
              "the model in use stays: " + news.words, {{"challenger", *version}});
}

void follow_nodes(model_keeper_self self) {
  auto& s = self->state;
  std::set<std::pair<node_id, incarnation>> dead;
  for (const auto& [id, row] : s.catalog.nodes())
    if (row.state == node_state::dead) dead.emplace(id, row.life);
  if (s.dead_known && s.plan)
    for (const auto& one : dead)
      if (!s.dead.contains(one)) s.plan->failure_seen();
  s.dead = std::move(dead);
  s.dead_known = true;
}

std::string refusal_of(const predict::registered_model& m) {
  if (m.refusal == predict::model_refusal::none) return "";
  auto out = std::string(name_of(m.refusal));
  return m.refusal_detail.empty() ? out : out + ": " + m.refusal_detail;
}

json row_of(const predict::registered_model& m) {
  return {m.version,    name_of(m.state), name_of(m.origin), time_text(m.added_ms),
          m.trained_on, refusal_of(m)};
}

show_reply show_models(const predict::model_registry& registry) {
  auto rows = json::array();
  for (const auto& m : registry.list()) rows.push_back(row_of(m));
  return show_table({"version", "state", "origin", "added", "trained_on", "refused"},
                    std::move(rows));
}

json promotion_of(const predict::promotion& p) {
  return {{"time", time_text(p.time_ms)},
          {"version", p.version},
          {"replaced", p.replaced},
          {"by", p.by},
          {"why", p.why}};
}

show_reply show_overview(const model_keeper_state& s, int64_t now_ms) {
  json out{{"condition", s.condition},
           {"version", s.in_use ? s.in_use->version : ""},
           {"training", s.training},
           {"newest_training", s.newest_words},
           {"failures_since", s.plan ? s.plan->failures() : 0},
           {"next_training_in_s", nullptr},
           {"promotions", json::array()}};
  if (auto next = s.plan ? s.plan->next_ms() : std::nullopt)
    out["next_training_in_s"] = static_cast<double>(std::max<int64_t>(0, *next - now_ms)) / 1000;
  if (!s.registry) return show_object(out);
  for (const auto& p : s.registry->promotions()) out["promotions"].push_back(promotion_of(p));
  if (!s.in_use) return show_object(out);
  if (auto m = s.registry->load(s.in_use->version))
    out["report"] = json::parse(m->report(), nullptr, false);
  return show_object(out);
}

show_reply show_model(const predict::model_registry& registry, const std::string& version) {
  const auto* known = listed(registry, version);
  if (!known) return {fail(errc::not_found, "no model " + version)};
  json out{{"version", version},
           {"state", name_of(known->state)},
           {"origin", name_of(known->origin)},
           {"added", time_text(known->added_ms)},
           {"trained_on", known->trained_on},
           {"trained_until_ms", known->trained_until_ms},
           {"refused", refusal_of(*known)}};
  auto m = registry.load(version);
  if (!m) return show_object(out);
  out["horizons_s"] = json::array();
  for (const auto& h : m->horizons()) out["horizons_s"].push_back(h.horizon_s);
  out["windows_s"] = m->scales().windows_s;
  out["report"] = json::parse(m->report(), nullptr, false);
  return show_object(out);
}

show_reply show_difference(const predict::model_registry& registry, const std::string& a,
                           const std::string& b) {
  auto left = registry.load(a), right = registry.load(b);
  if (!left) return {tl::unexpected<error>(left.error())};
  if (!right) return {tl::unexpected<error>(right.error())};
  auto rows = json::array();
  for (const auto& d : predict::compare_models(*left, *right)) rows.push_back({d.what, d.a, d.b});
  return show_table({"what", a, b}, std::move(rows));
}

show_reply promote_by_hand(model_keeper_self self, const context_ptr& ctx,
                           const std::string& version) {
  auto& s = self->state;
  auto before = s.in_use ? s.in_use->version : "";
  auto done = s.registry->promote(version, "operator", "by hand", wall_ms(ctx));
  if (!done) return {tl::unexpected<error>(done.error())};
  raise_event(self, ctx, severity::info, "model_promoted", version,
              "risks come from model " + version + " from now on: promoted by hand",
              {{"before", before}});
  put_in_use(self, ctx);
  return show_object({{"version", version}, {"before", before}});
}

show_reply roll_back(model_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto before = s.in_use ? s.in_use->version : "";
  auto done = s.registry->rollback("operator", "by hand", wall_ms(ctx));
  tell_warnings(self, ctx);
  if (!done) return {tl::unexpected<error>(done.error())};
  raise_event(self, ctx, severity::info, "model_rolled_back", *done,
              "risks come from model " + *done + " again", {{"before", before}});
  put_in_use(self, ctx);
  return show_object({{"version", *done}, {"before", before}});
}

show_reply answer(model_keeper_self self, const context_ptr& ctx,
                  const std::vector<std::string>& words) {
  auto& s = self->state;
  if (words.empty()) return show_overview(s, wall_ms(ctx));
  if (!s.registry) return {fail(errc::unavailable, s.condition)};
  const auto& verb = words[0];
  if (verb == "list" && words.size() == 1) return show_models(*s.registry);
  if (verb == "show" && words.size() <= 2) {
    auto version = words.size() == 2 ? words[1] : s.registry->champion_version();
    return show_model(*s.registry, version);
  }
  if (verb == "diff" && words.size() == 3) return show_difference(*s.registry, words[1], words[2]);
  if (verb == "promote" && words.size() == 2) return promote_by_hand(self, ctx, words[1]);
  if (verb == "rollback" && words.size() == 1) return roll_back(self, ctx);
  if (verb == "retrain" && words.size() == 1) {
    if (!s.training.empty()) return {fail(errc::in_use, "a model is being trained already")};
    s.plan->ask();
    return show_object({{"retrain", "asked for"}});
  }
  return {fail(errc::invalid_argument,
               "usage: model [list | show [VERSION] | promote VERSION | rollback | diff A B | "
               "retrain]")};
}
} // namespace

model_keeper_actor::behavior_type model_keeper(model_keeper_self self, context_ptr ctx) {
  start_keeper(self, ctx);
  ask_for_catalog(self, ctx, names::model_keeper);
  self->send(self, tick{self->state.round});
  return {
      [=](const model_wanted&) {
        if (self->state.in_use)
          tell<failure_predictor_actor>(self, ctx, names::failure_predictor, *self->state.in_use);
      },
      [=](const trainer_started&) {
        // What it was at died with it.
        auto& s = self->state;
        if (s.training.empty() || !s.plan) return;
        s.training.clear();
        s.plan->ask();
      },
      [=](const model_trained& news) { take_trained(self, ctx, news); },
      [=](const catalog_changed& news) {
        auto& s = self->state;
        if (take_catalog(self, ctx, names::model_keeper, s.catalog, news)) follow_nodes(self);
      },
      [=](const tick& t) {
        auto& s = self->state;
        if (t.round != s.round) return;
        if (!s.catalog.ready()) ask_for_catalog(self, ctx, names::model_keeper);
        if (!s.registry) start_keeper(self, ctx);
        if (s.plan && s.training.empty())
          if (auto why = s.plan->due(wall_ms(ctx))) order_training(self, ctx, *why);
        self->delayed_send(self, model_keeper_period, tick{++s.round});
      },
      [=](const show_request& r) { return answer(self, ctx, r.words); },
  };
}

} // namespace harbinger
