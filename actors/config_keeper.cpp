#include "actors/config_keeper.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"

namespace harbinger {
namespace {

using config_self = config_keeper_actor::stateful_pointer<config_keeper_state>;
using json = nlohmann::json;

constexpr auto tell_period = seconds(1);

template <class Interface>
void tell_settings(config_self self, const context_ptr& ctx, const char* name) {
  auto& s = self->state;
  auto handle = ctx->names.find(name);
  if (!handle || s.told[name] == handle) return;
  self->send(caf::actor_cast<Interface>(handle), config_changed{s.now});
  s.told[name] = handle;
}

/// Followers start with the settings of the process's start, so there is nothing to tell as long as
/// nothing ever changed.
void tell_followers(config_self self, const context_ptr& ctx) {
  const auto& s = self->state;
  if (ctx->role != daemon_role::central
      || (s.history.entries().empty() && differences(*ctx->config, *s.now).empty()))
    return;
  tell_settings<zone_manager_actor>(self, ctx, names::zone_manager);
  tell_settings<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator);
  tell_settings<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator);
}

std::string changes_document(const std::vector<config_difference>& changes) {
  json rows = json::array();
  for (const auto& c : changes)
    rows.push_back(
        {c.key, c.from, c.to, c.when == takes_effect::at_once ? "at once" : "at the next start"});
  return json{{"columns", {"key", "from", "to", "takes_effect"}}, {"rows", rows}}.dump();
}

std::map<std::string, std::string> overrides_of(const config_history& history) {
  return history.entries().empty() ? std::map<std::string, std::string>{}
                                   : history.entries().back().after;
}

/// All or nothing: `next` is valid; journalled before it counts.
result<std::string> commit_settings(config_self self, const context_ptr& ctx, settings next,
                                    config_history::entry e) {
  auto& s = self->state;
  if (auto written = append_config_journal(ctx->config->state_dir, s.history, e); !written)
    return tl::unexpected<error>(written.error());
  s.history.add(e);
  s.now = std::make_shared<const settings>(std::move(next));
  s.told.clear();
  set_log_level(s.now->log_level);
  for (const auto& c : e.changes) {
    spdlog::info("config_changed kind={} key={} from={} to={}", e.kind, c.key, c.from, c.to);
    raise_event(
        self, ctx, severity::info, "config_changed", c.key, c.key + " is now " + c.to,
        {{"kind", e.kind}, {"from", c.from}, {"to", c.to}, {"change", std::to_string(e.id)}});
  }
  return changes_document(e.changes);
}

result<std::string> config_text(const context_ptr& ctx) {
  return ctx->config_file.empty() ? result<std::string>{""} : read_text_file(ctx->config_file);
}

result<std::string> change_settings(config_self self, const context_ptr& ctx, const char* kind,
                                    std::map<std::string, std::string> overrides,
                                    uint64_t undoes = 0) {
  auto& s = self->state;
  // Only a reload looks at the file: what is being edited there must not slip in with another
  // change.
  auto text = std::string_view{kind} != "reload" && s.file_text ? result<std::string>{*s.file_text}
                                                                : config_text(ctx);
  if (!text) return tl::unexpected<error>(text.error());
  config_history proposed;
  proposed.add(s.history.make(kind, {}, overrides, ctx->wall_clock(), undoes));
  auto next = effective_settings(ctx->role, *text, ctx->config_file, proposed, ctx->config_changes);
  if (!next) return tl::unexpected<error>(next.error());
  if (next->state_dir != ctx->config->state_dir)
    return fail(errc::invalid_argument, "state_dir: can not change while running");
  auto changes = differences(*s.now, *next);
  auto e = s.history.make(kind, changes, std::move(overrides), ctx->wall_clock(), undoes);
  if (changes.empty() && e.before == e.after && undoes == 0) {
    s.file_text = std::move(*text);
    return changes_document({});
  }
  auto done = commit_settings(self, ctx, std::move(*next), std::move(e));
  if (done) s.file_text = std::move(*text);
  return done;
}

result<std::string> set_one(config_self self, const context_ptr& ctx, const config_set& wanted) {
  auto& s = self->state;
  for (const auto& fixed : ctx->config_changes)
    if (fixed.key == wanted.key)
      return fail(errc::invalid_argument,
                  wanted.key + ": was given on the command line and holds until the process ends");
  // Alone first: a mistake in the key itself is said without the file's name.
  if (auto alone = with_change(ctx->role, *s.now, {wanted.key, wanted.value}); !alone)
    return tl::unexpected<error>(alone.error());
  auto overrides = overrides_of(s.history);
  overrides[wanted.key] = wanted.value;
  return change_settings(self, ctx, "set", std::move(overrides));
}

/// What was set goes back to what was set before; what a reload changed is held at its value
/// before.
result<std::string> roll_back(config_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto undone = s.history.next_to_undo();
  if (!undone) return tl::unexpected<error>(undone.error());
  auto overrides = overrides_of(s.history);
  for (const auto& c : undone->changes) {
    auto before = undone->before.find(c.key);
    if (before != undone->before.end())
      overrides[c.key] = before->second;
    else if (undone->kind == "reload")
      overrides[c.key] = c.from;
    else
      overrides.erase(c.key);
  }
  return change_settings(self, ctx, "rollback", std::move(overrides), undone->id);
}

result<std::string> list_keys(const context_ptr& ctx, const settings& now,
                              const std::string& wanted) {
  const settings defaults;
  json rows = json::array();
  for (const auto& key : config_keys()) {
    if (!key.belongs_to(ctx->role)
        || (!wanted.empty() && key.name != wanted && !key.name.starts_with(wanted + '.')))
      continue;
    rows.push_back({key.name, key.get(now), key.unit, key.range, key.get(defaults),
                    key.when == takes_effect::at_once ? "at once" : "at the next start",
                    key.effect});
  }
  if (rows.empty()) return fail(errc::not_found, wanted + ": unknown key");
  return json{{"columns", {"key", "value", "unit", "range", "default", "takes_effect", "effect"}},
              {"rows", rows}}
      .dump();
}

result<std::string> list_journal(const config_history& history) {
  json rows = json::array();
  for (const auto& e : history.entries())
    for (const auto& c : e.changes)
      rows.push_back({e.id, e.time.value, e.kind, e.undoes, c.key, c.from, c.to});
  return json{{"columns", {"change", "time", "kind", "undoes", "key", "from", "to"}},
              {"rows", rows}}
      .dump();
}

result<std::string> config_command(config_self self, const context_ptr& ctx,
                                   const show_request& wanted) {
  auto verb = wanted.words.empty() ? std::string{} : wanted.words[0];
  if (verb == "reload")
    return change_settings(self, ctx, "reload", overrides_of(self->state.history));
  if (verb == "rollback") return roll_back(self, ctx);
  if (verb == "journal") return list_journal(self->state.history);
  return fail(errc::invalid_argument,
              "config knows get [KEY], set KEY VALUE, rollback, reload, journal");
}

} // namespace

void set_log_level(const std::string& level) {
  spdlog::set_level(level == "debug"     ? spdlog::level::debug
                    : level == "warning" ? spdlog::level::warn
                    : level == "error"   ? spdlog::level::err
                                         : spdlog::level::info);
}

config_keeper_actor::behavior_type
config_keeper(config_keeper_actor::stateful_pointer<config_keeper_state> self, context_ptr ctx) {
  auto& s = self->state;
  s.now = ctx->config;
  auto history = read_config_journal(ctx->config->state_dir);
  if (!history) throw std::runtime_error(to_string(history.error()));
  s.history = std::move(*history);
  auto text = config_text(ctx);
  auto derived =
      text ? effective_settings(ctx->role, *text, ctx->config_file, s.history, ctx->config_changes)
           : result<settings>{tl::unexpected<error>(text.error())};
  if (derived) {
    s.now = std::make_shared<const settings>(std::move(*derived));
    s.file_text = std::move(*text);
  } else if (!ctx->config_file.empty()) {
    spdlog::warn("config_unreadable reason=\"{}\" kept=start", to_string(derived.error()));
  }
  self->delayed_send(self, tell_period, tick{1});
  return {
      [=](tick) {
        tell_followers(self, ctx);
        self->delayed_send(self, tell_period, tick{1});
      },
      [=](const config_get& wanted) {
        return show_reply{list_keys(ctx, *self->state.now, wanted.key)};
      },
      [=](const config_set& wanted) {
        auto reply = show_reply{set_one(self, ctx, wanted)};
        tell_followers(self, ctx);
        return reply;
      },
      [=](const show_request& wanted) {
        auto reply = show_reply{config_command(self, ctx, wanted)};
        tell_followers(self, ctx);
        return reply;
      },
  };
}

} // namespace harbinger
