#include "actors/history_keeper.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"

namespace harbinger {
namespace {
using history_keeper_self = history_keeper_actor::stateful_pointer<history_keeper_state>;
constexpr auto keeper_period = milliseconds(1000);

/// Says once that it begins, and once that it is over.
void note_trouble(history_keeper_self self, const context_ptr& ctx, const std::string& why) {
  auto before = std::exchange(self->state.trouble, why);
  if (before.empty() == why.empty()) return;
  if (why.empty()) {
    spdlog::info("history=kept_again");
    raise_event(self, ctx, severity::info, "history_failed", journal_directory,
                "the history of the nodes is kept again");
  } else {
    spdlog::error("history=failed reason=\"{}\"", why);
    raise_event(self, ctx, severity::warning, "history_failed", journal_directory,
                "the history of the nodes can not be written; what comes meanwhile is lost to it",
                {{"reason", why}});
  }
}

void see_nodes(history_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  if (s.kept)
    for (const auto& [id, row] : s.catalog.nodes()) s.kept->see(row, ctx->wall_clock());
}

void open_history(history_keeper_self self, const context_ptr& ctx) {
  const auto& wanted = ctx->config->history;
  if (!wanted.keep || self->state.kept) return;
  journal_options options;
  options.limit_bytes = uint64_t{wanted.limit_mib} << 20;
  options.segment_bytes = uint64_t{wanted.segment_mib} << 20;
  options.every_ms = wanted.every_ms;
  options.session = ctx->term.value;
  auto opened = journal::open(ctx->config->state_dir + '/' + journal_directory, options);
  if (!opened) return note_trouble(self, ctx, to_string(opened.error()));
  self->state.kept = std::move(*opened);
  auto status = self->state.kept->status();
  spdlog::info("history=opened segments={} bytes={}", status.segments, status.bytes);
  note_trouble(self, ctx, "");
  see_nodes(self, ctx);
}

void keep_samples(history_keeper_self self, const context_ptr& ctx, const samples_accepted& news) {
  auto& s = self->state;
  ctx->history_waiting.fetch_sub(1);
  for (const auto& batch : news.batches) {
    if (s.kept) {
      s.kept->add(batch, news.arrived);
      continue;
    }
    s.unopened += batch.times.size();
    counter(ctx, history_dropped_total, history_dropped_help)
        .Increment(static_cast<double>(batch.times.size()));
  }
}

void export_history(history_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  auto now = s.kept->status();
  auto count = [&](const char* name, const char* help, uint64_t grown) {
    if (grown > 0) counter(ctx, name, help).Increment(static_cast<double>(grown));
  };
  count("harbinger_history_rows_total", "rows written to the history", now.rows - s.exported.rows);
  count(history_dropped_total, history_dropped_help, now.rows_dropped - s.exported.rows_dropped);
  gauge(ctx, "harbinger_history_bytes", "room that the history takes")
      .Set(static_cast<double>(now.bytes));
  s.exported = now;
}

void flush_history(history_keeper_self self, const context_ptr& ctx) {
  auto& s = self->state;
  open_history(self, ctx);
  if (!s.kept) return;
  if (auto flushed = s.kept->flush(ctx->wall_clock()); !flushed)
    note_trouble(self, ctx, to_string(flushed.error()));
  else if (s.kept->status().trouble.empty())
    note_trouble(self, ctx, "");
  export_history(self, ctx);
}

show_reply show_history(const history_keeper_state& s, const settings& config) {
  auto now = s.kept ? s.kept->status() : journal_status{};
  return show_object({{"keeping", s.kept != nullptr},
                      {"directory", config.state_dir + '/' + journal_directory},
                      {"bytes", now.bytes},
                      {"segments", now.segments},
                      {"oldest_ms", now.oldest_ms},
                      {"rows", now.rows},
                      {"lives", now.lives},
                      {"failures", now.failures},
                      {"shutdowns", now.shutdowns},
                      {"rows_thinned", now.rows_thinned},
                      {"rows_dropped", now.rows_dropped + s.unopened},
                      {"marks_dropped", now.marks_dropped},
                      {"segments_removed", now.segments_removed},
                      {"trouble", s.trouble}});
}
} // namespace

history_keeper_actor::behavior_type history_keeper(history_keeper_self self, context_ptr ctx) {
  ctx->history_waiting.store(0); // what waited for the one before is lost
  open_history(self, ctx);
  ask_for_catalog(self, ctx, names::history_keeper);
  self->delayed_send(self, keeper_period, tick{self->state.round});
  return {
      [=](const samples_accepted& news) { keep_samples(self, ctx, news); },
      [=](const catalog_changed& news) {
        auto& s = self->state;
        if (!take_catalog(self, ctx, names::history_keeper, s.catalog, news) || !s.kept) return;
        for (const auto& row : news.map->nodes)
          s.kept->see(*s.catalog.node(row.id), ctx->wall_clock());
      },
      [=](const node_leaving& m) {
        if (self->state.kept) self->state.kept->leave(m.node, m.life, ctx->wall_clock());
      },
      [=](const tick& t) {
        auto& s = self->state;
        if (t.round != s.round) return;
        if (!s.catalog.ready()) ask_for_catalog(self, ctx, names::history_keeper);
        flush_history(self, ctx);
        self->delayed_send(self, keeper_period, tick{++s.round});
      },
      [=](const show_request&) { return show_history(self->state, *ctx->config); },
  };
}

} // namespace harbinger
