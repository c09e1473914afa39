#include "actors/zone_manager.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"
#include "history/time_text.hpp"
#include "predict/durable_file.hpp"

namespace harbinger {

namespace {

using zone_manager_self = zone_manager_actor::stateful_pointer<zone_manager_state>;

constexpr auto zone_map_period = milliseconds(1000);
/// Zone ids of one life of the centre: term * this + 1, + 2 ...
constexpr uint64_t zone_ids_per_term = 10'000;
constexpr const char* maintenance_file = "maintenance.json";
constexpr size_t maintenance_bytes_max = 8 << 20;
constexpr size_t names_told = 100; ///< of members and exposed nodes in an event or a listing

prometheus::Counter& zones_formed(const context_ptr& ctx) {
  return counter(ctx, "harbinger_zones_formed_total", "zones formed in this life of the centre");
}
prometheus::Counter& zone_generations(const context_ptr& ctx) {
  return counter(ctx, "harbinger_zone_changes_total",
                 "changes of the zone map in this life of the centre");
}

void send_zone_map(zone_manager_self self, const context_ptr& ctx) {
  if (!self->state.settled) return;
  const auto& map = self->state.tracker->map();
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, map);
  tell<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator, map);
  tell<head_node_bridge_actor>(self, ctx, names::head_node_bridge, map);
  tell<event_publisher_actor>(self, ctx, names::event_publisher, map);
}

std::string told(const std::vector<node_id>& nodes) {
  if (nodes.size() <= names_told) return joined(nodes);
  std::vector<node_id> first(nodes.begin(), nodes.begin() + names_told);
  return joined(first) + " and " + std::to_string(nodes.size() - names_told) + " more";
}

std::string zone_reasons(const zone& z) {
  std::string text;
  for (const auto& reason : z.reasons) text += (text.empty() ? "" : "; ") + reason;
  return text;
}

void announce_zone(zone_manager_self self, const context_ptr& ctx, const zone_change& change) {
  static constexpr const char* kinds[] = {"zone_formed", "zone_changed", "zone_dissolved",
                                          "zone_split", "zone_merged"};
  const auto& z = change.what;
  auto kind = kinds[static_cast<size_t>(change.kind)];
  spdlog::info("{} zone={} domain={} members=\"{}\" exposed=\"{}\" p={:.3f} joint={:.3g}", kind,
               z.id.value, z.domain, told(z.members), told(z.exposed), z.probability,
               z.joint_probability);
  bool over = change.kind == zone_change_kind::dissolved || change.kind == zone_change_kind::merged;
  auto level = over ? severity::info : severity::warning;
  raise_event(self, ctx, level, kind, "zone " + std::to_string(z.id.value), change.text,
              {{"zone", std::to_string(z.id.value)},
               {"domain", z.domain},
               {"members", told(z.members)},
               {"exposed", told(z.exposed)},
               {"probability", std::to_string(z.probability)},
               {"joint_probability", std::to_string(z.joint_probability)},
               {"reasons", zone_reasons(z)}});
}

void announce_brake(zone_manager_self self, const context_ptr& ctx, const zone_outcome& outcome) {
  const auto& tracker = *self->state.tracker;
  const auto& map = tracker.map();
  const auto& rules = self->state.config->zones;
  if (outcome.brake_began || outcome.exposure_limited) {
    std::string domains;
    for (const auto& name : map.unexposed_domains) domains += (domains.empty() ? "" : ", ") + name;
    auto level = map.braked ? severity::alert : severity::warning;
    raise_event(self, ctx, level, "zone_brake", "zones", tracker.held_back_in_words(),
                {{"left_out", told(map.left_out)},
                 {"left_out_share", std::to_string(tracker.left().share)},
                 {"left_out_capacity_share", std::to_string(tracker.left().capacity_share)},
                 {"unexposed_domains", domains},
                 {"share_max", std::to_string(rules.share_max)},
                 {"capacity_share_max", std::to_string(rules.capacity_share_max)},
                 {"exposed_share_max", std::to_string(rules.exposed_share_max)},
                 {"generation", std::to_string(map.generation)}});
  } else if (outcome.brake_ended || outcome.exposure_whole) {
    auto still = tracker.held_back_in_words();
    raise_event(self, ctx, severity::info, "zone_brake", "zones",
                outcome.brake_ended ? "the brake is off: no node at risk is left out"
                                          + (still.empty() ? "" : "; " + still)
                                    : "every domain of a member exposes its nodes again");
  }
}

/// Counts, tells and sends what a step of the tracker made; `step` calls it.
template <class Step>
void move_zones(zone_manager_self self, const context_ptr& ctx, Step step) {
  auto& s = self->state;
  s.tracker->plan(s.planned.events(ctx->wall_clock()));
  auto zone_before = s.tracker->next_zone(), generation_before = s.tracker->next_generation();
  zone_outcome outcome = step(*s.tracker);
  zones_formed(ctx).Increment(static_cast<double>(s.tracker->next_zone() - zone_before));
  zone_generations(ctx).Increment(
      static_cast<double>(s.tracker->next_generation() - generation_before));
  if (outcome.refused > 0)
    counter(ctx, "harbinger_risks_refused_total",
            "risks that were no probability, or of unknown nodes")
        .Increment(static_cast<double>(outcome.refused));
  gauge(ctx, "harbinger_zones", "zones that stand now")
      .Set(static_cast<double>(s.tracker->map().zones.size()));
  for (const auto& change : outcome.changes) announce_zone(self, ctx, change);
  announce_brake(self, ctx, outcome);
  bool first = outcome.settled && !s.settled;
  s.settled = outcome.settled;
  if (outcome.changed || first) send_zone_map(self, ctx);
}

void refresh_zones(zone_manager_self self, const context_ptr& ctx) {
  auto& s = self->state;
  move_zones(self, ctx, [&](zone_tracker& tracker) {
    return tracker.refresh(s.catalog.nodes(), s.config->zones, self->clock().now());
  });
}

// --- planned maintenance ---

void load_maintenance(zone_manager_self self, const context_ptr& ctx) {
  const auto& directory = ctx->config->state_dir;
  auto path = directory + '/' + maintenance_file;
  auto text = predict::read_whole(path, maintenance_bytes_max);
  if (!text && text.error().code == errc::not_found) return;
  auto book = text ? maintenance_book::parse(*text) : tl::unexpected<error>(text.error());
  if (book) {
    self->state.planned = std::move(*book);
    return;
  }
  auto aside = predict::put_aside(directory, maintenance_file);
  spdlog::error("maintenance_lost file={} reason=\"{}\"", path, to_string(book.error()));
  raise_event(self, ctx, severity::alert, "maintenance_lost", path,
              "what was planned can not be read: no maintenance is planned now",
              {{"reason", to_string(book.error())},
               {"put_aside", aside ? *aside : to_string(aside.error())}});
}

result<> save_maintenance(const context_ptr& ctx, const maintenance_book& book) {
  auto written = predict::write_durably(ctx->config->state_dir, maintenance_file, book.to_json());
  if (!written)
    return fail(written.error().code, "maintenance can not be kept: " + written.error().detail);
  return {};
}

void announce_maintenance(zone_manager_self self, const context_ptr& ctx, const char* kind,
                          const maintenance& entry, const std::string& text) {
  spdlog::info("{} node={} begin_ms={} end_ms={} reason=\"{}\"", kind, entry.node.value,
               entry.begin.value, entry.end.value, entry.reason);
  std::map<std::string, std::string> fields{{"begin_ms", std::to_string(entry.begin.value)},
                                            {"end_ms", std::to_string(entry.end.value)},
                                            {"reason", entry.reason}};
  if (std::string_view(kind) == "maintenance_over")
    raise_event(self, ctx, severity::info, "maintenance_over", entry.node.value, text, fields);
  else
    raise_event(self, ctx, severity::info, "maintenance_planned", entry.node.value, text, fields);
}

void end_maintenance_that_is_over(zone_manager_self self, const context_ptr& ctx) {
  auto over = self->state.planned.take_over(ctx->wall_clock());
  if (over.empty()) return;
  // Not kept: it is over again after a restart.
  if (auto kept = save_maintenance(ctx, self->state.planned); !kept)
    spdlog::warn("maintenance_not_kept reason=\"{}\"", to_string(kept.error()));
  for (const auto& entry : over)
    announce_maintenance(self, ctx, "maintenance_over", entry,
                         "the time of node " + entry.node.value + "'s maintenance has passed");
}

/// The changed book is kept, then in force.
result<> put_maintenance(zone_manager_self self, const context_ptr& ctx, maintenance_book book) {
  if (auto kept = save_maintenance(ctx, book); !kept) return kept;
  self->state.planned = std::move(book);
  return {};
}

show_reply said(const maintenance& entry, const std::string& text) {
  return show_object({{"node", entry.node.value}, {"lines", {text}}});
}

show_reply start_maintenance(zone_manager_self self, const context_ptr& ctx,
                             const std::vector<std::string>& words) {
  auto& s = self->state;
  auto now = ctx->wall_clock();
  auto entry = parse_maintenance(words, now);
  if (!entry) return {tl::unexpected<error>(entry.error())};
  if (!s.catalog.ready()) return {fail(errc::unavailable, "the catalog is not known yet")};
  auto book = s.planned;
  auto changed = book.start(*entry, s.catalog.nodes(), s.config->zones);
  if (!changed) return {tl::unexpected<error>(changed.error())};
  if (auto kept = put_maintenance(self, ctx, std::move(book)); !kept)
    return {tl::unexpected<error>(kept.error())};
  auto text = "node " + entry->node.value + ": " + maintenance_text(*entry, now)
              + (*changed ? " (changed)" : "");
  announce_maintenance(self, ctx, "maintenance_planned", *entry, text);
  refresh_zones(self, ctx);
  return said(*entry, text);
}

show_reply end_maintenance(zone_manager_self self, const context_ptr& ctx, const node_id& node) {
  auto book = self->state.planned;
  auto entry = book.end(node);
  if (!entry) return {tl::unexpected<error>(entry.error())};
  if (auto kept = put_maintenance(self, ctx, std::move(book)); !kept)
    return {tl::unexpected<error>(kept.error())};
  auto text = "maintenance of node " + node.value + " is over";
  announce_maintenance(self, ctx, "maintenance_over", *entry, text);
  if (self->state.catalog.ready()) refresh_zones(self, ctx);
  return said(*entry, text);
}

/// Partitions whose sync set it is in: none when it is emptied.
size_t memberships(const catalog_view& catalog, const node_id& node) {
  const auto& held = catalog.partitions_of(node);
  return static_cast<size_t>(std::count_if(held.begin(), held.end(), [&](partition_id id) {
    const auto& members = catalog.partition(id)->sync_set;
    return std::binary_search(members.begin(), members.end(), node);
  }));
}

show_reply list_maintenance(zone_manager_self self, const context_ptr& ctx) {
  const auto& s = self->state;
  auto now = ctx->wall_clock();
  auto seconds_to = [&](unix_ms t) { return static_cast<double>(t.value - now.value) / 1000.0; };
  auto rows = nlohmann::json::array();
  for (const auto& [id, entry] : s.planned.entries()) {
    nlohmann::json zone;
    for (const auto& z : s.tracker->map().zones)
      if (std::binary_search(z.members.begin(), z.members.end(), id)) zone = z.id.value;
    rows.push_back({id.value, entry.begin > now ? "planned" : "under way", seconds_to(entry.begin),
                    entry.end.value == 0 ? nlohmann::json() : nlohmann::json(seconds_to(entry.end)),
                    zone, s.catalog.primaries_of(id), memberships(s.catalog, id), entry.reason});
  }
  return show_table(
      {"node", "state", "begins_in_s", "ends_in_s", "zone", "leads", "member_of", "reason"},
      std::move(rows));
}

show_reply answer_maintenance(zone_manager_self self, const context_ptr& ctx,
                              const std::vector<std::string>& words) {
  auto verb = words.empty() ? std::string("list") : words[0];
  if (verb == "list" && words.size() <= 1) return list_maintenance(self, ctx);
  if (verb == "start") return start_maintenance(self, ctx, {words.begin() + 1, words.end()});
  if (verb == "end" && words.size() == 2) return end_maintenance(self, ctx, node_id{words[1]});
  return {fail(errc::invalid_argument, "usage: maintenance start NODE --in TIME [--for TIME] "
                                       "[--reason TEXT] | end NODE | list")};
}

void score_zones(zone_manager_self self, const context_ptr& ctx, const risk_updated& news) {
  auto& s = self->state;
  if (!s.catalog.ready()) return; // who is alive is not known yet; the next scoring comes soon
  end_maintenance_that_is_over(self, ctx);
  move_zones(self, ctx, [&](zone_tracker& tracker) {
    return tracker.step(news.risks, s.catalog.nodes(), s.config->zones, self->clock().now());
  });
}

// --- show ---

show_reply explain_zone(zone_manager_self self, const std::vector<std::string>& words) {
  if (words.size() != 2 || words[0] != "zone")
    return {fail(errc::invalid_argument, "usage: explain zone ZONE")};
  auto& s = self->state;
  for (const auto& z : s.tracker->map().zones)
    if (std::to_string(z.id.value) == words[1])
      if (auto lines = s.tracker->explain(z.id, s.config->zones, self->clock().now()))
        return show_object({{"zone", z.id.value}, {"lines", *lines}});
  return {fail(errc::not_found, "no zone " + words[1] + " stands now")};
}

show_reply show_zones(const zone_map& map, const std::vector<std::string>& words) {
  if (!words.empty()) {
    for (const auto& z : map.zones)
      if (std::to_string(z.id.value) == words[0])
        return show_object({{"zone", z.id.value},
                            {"domain", z.domain},
                            {"members", joined(z.members)},
                            {"exposed", joined(z.exposed)},
                            {"within_s", z.within_s},
                            {"probability", z.probability},
                            {"joint_probability", z.joint_probability},
                            {"common_cause", z.common_cause},
                            {"risks", z.risks},
                            {"reasons", z.reasons}});
    return {fail(errc::not_found, "no zone " + words[0])};
  }
  auto rows = nlohmann::json::array();
  for (const auto& z : map.zones)
    rows.push_back({z.id.value, z.domain, told(z.members), told(z.exposed), z.probability,
                    z.joint_probability, z.reasons.empty() ? "" : z.reasons.front()});
  for (const auto& id : map.left_out)
    rows.push_back(
        {nullptr, "node=" + id.value, id.value, "", nullptr, nullptr, "left out by the brake"});
  for (const auto& name : map.unexposed_domains)
    rows.push_back({nullptr, name, "", "", nullptr, nullptr,
                    "exposes nobody: zones.exposed_share_max would be passed"});
  return show_table({"zone", "domain", "members", "exposed", "probability", "joint", "reason"},
                    std::move(rows));
}

show_reply show(zone_manager_self self, const context_ptr& ctx, const show_request& r) {
  if (r.topic == "explain") return explain_zone(self, r.words);
  if (r.topic == "maintenance") return answer_maintenance(self, ctx, r.words);
  return show_zones(self->state.tracker->map(), r.words);
}

} // namespace

zone_manager_actor::behavior_type zone_manager(zone_manager_self self, context_ptr ctx) {
  auto& s = self->state;
  s.config = ctx->config;
  s.tracker = std::make_unique<zone_tracker>(
      ctx->term,
      ctx->term.value * zone_ids_per_term + static_cast<uint64_t>(zones_formed(ctx).Value()) + 1,
      static_cast<uint64_t>(zone_generations(ctx).Value()) + 1);
  load_maintenance(self, ctx);
  ask_for_catalog(self, ctx, names::zone_manager);
  self->delayed_send(self, zone_map_period, tick{s.round});
  return {
      [=](const risk_updated& news) { score_zones(self, ctx, news); },
      [=](const catalog_changed& news) {
        take_catalog(self, ctx, names::zone_manager, self->state.catalog, news);
      },
      [=](const config_changed& news) { self->state.config = news.now; },
      [=](const tick& t) {
        if (t.round != 0 && t.round != self->state.round) return;
        send_zone_map(self, ctx);
        if (t.round == 0) return;
        if (!self->state.catalog.ready()) ask_for_catalog(self, ctx, names::zone_manager);
        self->delayed_send(self, zone_map_period, tick{++self->state.round});
      },
      [=](const show_request& r) { return show(self, ctx, r); },
  };
}

} // namespace harbinger
