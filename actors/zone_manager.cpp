#include "actors/zone_manager.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"

namespace harbinger {

namespace {

using zone_manager_self = zone_manager_actor::stateful_pointer<zone_manager_state>;

constexpr auto zone_map_period = milliseconds(1000);
/// Zone ids of one life of the centre: term * this + 1, + 2 ...
constexpr uint64_t zone_ids_per_term = 10'000;

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

std::string zone_reasons(const zone& z) {
  std::string text;
  for (const auto& reason : z.reasons) text += (text.empty() ? "" : "; ") + reason;
  return text;
}

void announce_zone(zone_manager_self self, const context_ptr& ctx, const zone_change& change) {
  static constexpr const char* kinds[] = {"zone_formed", "zone_changed", "zone_dissolved"};
  const auto& z = change.what;
  auto kind = kinds[static_cast<size_t>(change.kind)];
  spdlog::info("{} zone={} domain={} members=\"{}\" exposed=\"{}\" p={:.3f} joint={:.3g}", kind,
               z.id.value, z.domain, joined(z.members), joined(z.exposed), z.probability,
               z.joint_probability);
  auto level = change.kind == zone_change_kind::dissolved ? severity::info : severity::warning;
  raise_event(self, ctx, level, kind, "zone " + std::to_string(z.id.value), change.text,
              {{"zone", std::to_string(z.id.value)},
               {"domain", z.domain},
               {"members", joined(z.members)},
               {"exposed", joined(z.exposed)},
               {"probability", std::to_string(z.probability)},
               {"joint_probability", std::to_string(z.joint_probability)},
               {"reasons", zone_reasons(z)}});
}

void announce_brake(zone_manager_self self, const context_ptr& ctx, const zone_outcome& outcome) {
  const auto& map = self->state.tracker->map();
  if (outcome.brake_began)
    raise_event(self, ctx, severity::alert, "zone_brake", "zones",
                "more nodes look at risk than the brake allows: the riskiest were taken, the "
                "others left out",
                {{"left_out", joined(map.left_out)},
                 {"share_max", std::to_string(self->state.config->zones.share_max)},
                 {"generation", std::to_string(map.generation)}});
  if (outcome.brake_ended)
    raise_event(self, ctx, severity::info, "zone_brake", "zones",
                "the brake is off: no node at risk is left out", {});
}

void score_zones(zone_manager_self self, const context_ptr& ctx, const risk_updated& news) {
  auto& s = self->state;
  if (!s.catalog.ready()) return; // who is alive is not known yet; the next scoring comes soon
  auto zone_before = s.tracker->next_zone(), generation_before = s.tracker->next_generation();
  auto outcome =
      s.tracker->step(news.risks, s.catalog.nodes(), s.config->zones, self->clock().now());
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

show_reply show_zones(const zone_map& map, const std::vector<std::string>& words) {
  if (!words.empty()) {
    for (const auto& z : map.zones)
      if (std::to_string(z.id.value) == words[0])
        return show_object({{"zone", z.id.value},
                            {"domain", z.domain},
                            {"members", joined(z.members)},
                            {"exposed", joined(z.exposed)},
                            {"probability", z.probability},
                            {"joint_probability", z.joint_probability},
                            {"common_cause", z.common_cause},
                            {"risks", z.risks},
                            {"reasons", z.reasons}});
    return {fail(errc::not_found, "no zone " + words[0])};
  }
  auto rows = nlohmann::json::array();
  for (const auto& z : map.zones)
    rows.push_back({z.id.value, z.domain, joined(z.members), joined(z.exposed), z.probability,
                    z.joint_probability, z.reasons.empty() ? "" : z.reasons.front()});
  for (const auto& id : map.left_out)
    rows.push_back(
        {nullptr, "node=" + id.value, id.value, "", nullptr, nullptr, "left out by the brake"});
  return show_table({"zone", "domain", "members", "exposed", "probability", "joint", "reason"},
                    std::move(rows));
}

} // namespace

zone_manager_actor::behavior_type zone_manager(zone_manager_self self, context_ptr ctx) {
  auto& s = self->state;
  s.config = ctx->config;
  s.tracker = std::make_unique<zone_tracker>(
      ctx->term,
      ctx->term.value * zone_ids_per_term + static_cast<uint64_t>(zones_formed(ctx).Value()) + 1,
      static_cast<uint64_t>(zone_generations(ctx).Value()) + 1);
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
      [=](const show_request& r) { return show_zones(self->state.tracker->map(), r.words); },
  };
}

} // namespace harbinger
