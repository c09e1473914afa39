#include "actors/placement_manager.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"

namespace harbinger {

namespace {

using placement_self = placement_actor::stateful_pointer<placement_manager_state>;

placement answer_placement(placement_self self, const context_ptr& ctx,
                           const placement_query& query, bool promise) {
  auto& s = self->state;
  auto answer = s.book.answer(query, s.catalog, *s.config, promise, self->clock().now());
  if (!promise) return answer;
  counter(ctx, "harbinger_placements_total", "placement decisions",
          {{"found", answer.target ? "yes" : "no"}})
      .Increment();
  if (answer.target)
    spdlog::info(
        "placement partition={} purpose={} target={} score={:.3f} terms=\"{}\" rejected={}",
        to_string(query.partition), query.purpose, answer.target->node.value,
        answer.ranked.front().score, answer.ranked.front().terms, answer.rejected.size());
  return answer;
}

show_reply show_placement(placement_self self, const context_ptr& ctx,
                          const std::vector<std::string>& words) {
  auto partition = words.empty() ? std::nullopt : parse_partition_id(words[0]);
  if (!partition) return {fail(errc::invalid_argument, "usage: placement VOLUME.INDEX")};
  placement_query query;
  query.partition = *partition;
  query.purpose = "dry run";
  auto answer = answer_placement(self, ctx, query, false);
  if (!answer.target && answer.target.error().code != errc::no_candidate)
    return {tl::unexpected<error>(answer.target.error())};
  auto rows = nlohmann::json::array();
  for (const auto& n : answer.ranked) rows.push_back({n.node.value, "candidate", n.score, n.terms});
  for (const auto& n : answer.rejected)
    rows.push_back({n.node.value, "rejected", nullptr, n.reason});
  return show_table({"node", "verdict", "score", "why"}, std::move(rows));
}

} // namespace

placement_actor::behavior_type placement_manager(placement_self self, context_ptr ctx) {
  self->state.config = ctx->config;
  ask_for_catalog(self, ctx, names::placement_manager);
  tell<zone_manager_actor>(self, ctx, names::zone_manager, tick{0});
  return {
      [=](const zone_map& zones) {
        self->state.book.set_zones(zones);
        // The zone manager repeats the map every second: a request for the catalog that got lost is
        // made up for here.
        if (!self->state.catalog.ready()) ask_for_catalog(self, ctx, names::placement_manager);
      },
      [=](const catalog_changed& news) {
        take_catalog(self, ctx, names::placement_manager, self->state.catalog, news);
      },
      [=](const report_received& news) {
        self->state.book.report(news.report, self->state.catalog);
      },
      [=](const config_changed& news) { self->state.config = news.now; },
      [=](const placement_query& query) { return answer_placement(self, ctx, query, true); },
      [=](const show_request& r) { return show_placement(self, ctx, r.words); },
  };
}

} // namespace harbinger
