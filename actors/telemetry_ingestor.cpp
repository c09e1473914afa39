#include "actors/telemetry_ingestor.hpp"

#include <nlohmann/json.hpp>

#include "actors/following.hpp"
#include "actors/history_keeper.hpp"
#include "actors/names.hpp"

namespace harbinger {
namespace {
using telemetry_ingestor_self =
    telemetry_ingestor_actor::stateful_pointer<telemetry_ingestor_state>;
constexpr auto ingestor_period = milliseconds(1000);

struct gate_figure {
  const char* name;
  const char* help;
  uint64_t telemetry::gate_counters::*field;
};
constexpr gate_figure gate_figures[] = {
    {"harbinger_telemetry_batches_total", "batches looked at", &telemetry::gate_counters::batches},
    {"harbinger_telemetry_rows_total", "rows accepted", &telemetry::gate_counters::rows_accepted},
    {"harbinger_telemetry_lost_total", "batches published that never arrived",
     &telemetry::gate_counters::batches_lost},
    {"harbinger_telemetry_unknown_node_total", "batches of nodes that are not in the catalog",
     &telemetry::gate_counters::unknown_node},
    {"harbinger_telemetry_stale_life_total", "batches of another incarnation than the current",
     &telemetry::gate_counters::stale_life},
    {"harbinger_telemetry_duplicates_total", "batches repeated or out of order",
     &telemetry::gate_counters::duplicates},
    {"harbinger_telemetry_oversize_total", "batches with too many metrics or rows",
     &telemetry::gate_counters::oversize},
    {"harbinger_telemetry_unfit_total", "batches whose values do not fit their metrics",
     &telemetry::gate_counters::malformed},
    {"harbinger_telemetry_rows_unordered_total", "rows not later than the row before",
     &telemetry::gate_counters::rows_unordered},
    {"harbinger_telemetry_rows_future_total", "rows dated in the future",
     &telemetry::gate_counters::rows_future},
    {"harbinger_telemetry_infinite_total",
     "values taken as missing because they were infinite or absurd",
     &telemetry::gate_counters::infinite_values},
};

/// A keeper that waits for its disk is not buried under samples.
void tell_history(telemetry_ingestor_self self, const context_ptr& ctx,
                  const samples_accepted& news) {
  if (!ctx->config->history.keep) return;
  auto unkept = [&] {
    uint64_t rows = 0;
    for (const auto& batch : news.batches) rows += batch.times.size();
    self->state.unkept += rows;
    counter(ctx, history_dropped_total, history_dropped_help).Increment(static_cast<double>(rows));
  };
  if (ctx->history_waiting.load() >= history_waiting_max) return unkept();
  ctx->history_waiting.fetch_add(1);
  if (tell<history_keeper_actor>(self, ctx, names::history_keeper, news)) return;
  ctx->history_waiting.fetch_sub(1);
  unkept();
}

void take_batches(telemetry_ingestor_self self, const context_ptr& ctx,
                  const telemetry_received& news) {
  auto& s = self->state;
  s.malformed += news.malformed;
  s.dropped += news.dropped;
  samples_accepted out;
  out.received = self->clock().now();
  out.arrived = ctx->wall_clock();
  for (const auto& batch : news.batches) {
    auto admitted = s.gate.admit(batch, out.arrived);
    if (!admitted) continue;
    out.batches.push_back(std::move(*admitted));
  }
  tell<telemetry_bridge_actor>(self, ctx, names::telemetry_bridge, tick{news.batches.size()});
  if (out.batches.empty()) return;
  tell_history(self, ctx, out);
  tell<failure_predictor_actor>(self, ctx, names::failure_predictor, std::move(out));
}

void export_gate(telemetry_ingestor_self self, const context_ptr& ctx) {
  auto& s = self->state;
  for (const auto& f : gate_figures) {
    auto grown = s.gate.counters().*f.field - s.exported.*f.field;
    if (grown > 0) counter(ctx, f.name, f.help).Increment(static_cast<double>(grown));
  }
  s.exported = s.gate.counters();
}

show_reply show_gate(const telemetry_ingestor_state& s) {
  nlohmann::ordered_json out;
  for (const auto& f : gate_figures) {
    std::string name = f.name; // "harbinger_telemetry_lost_total" -> "lost"
    out[name.substr(20, name.size() - 26)] = s.gate.counters().*f.field;
  }
  out["malformed"] = s.malformed;
  out["dropped"] = s.dropped;
  out["rows_unkept"] = s.unkept;
  return {out.dump()};
}
} // namespace

telemetry_ingestor_actor::behavior_type telemetry_ingestor(telemetry_ingestor_self self,
                                                           context_ptr ctx) {
  ask_for_catalog(self, ctx, names::telemetry_ingestor);
  self->delayed_send(self, ingestor_period, tick{self->state.round});
  return {
      [=](const telemetry_received& news) { take_batches(self, ctx, news); },
      [=](const catalog_changed& news) {
        auto& s = self->state;
        if (!take_catalog(self, ctx, names::telemetry_ingestor, s.catalog, news)) return;
        std::vector<node_row> nodes;
        for (const auto& [id, row] : s.catalog.nodes()) nodes.push_back(row);
        s.gate.set_nodes(nodes, true);
      },
      [=](const tick& t) {
        auto& s = self->state;
        if (t.round != s.round) return;
        if (!s.catalog.ready()) ask_for_catalog(self, ctx, names::telemetry_ingestor);
        export_gate(self, ctx);
        self->delayed_send(self, ingestor_period, tick{++s.round});
      },
      [=](const show_request&) { return show_gate(self->state); },
  };
}

} // namespace harbinger
