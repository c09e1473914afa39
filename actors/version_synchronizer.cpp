#include "actors/version_synchronizer.hpp"

#include <spdlog/spdlog.h>

#include "actors/following.hpp"
#include "actors/names.hpp"

namespace harbinger {

namespace {

using synchronizer_self = version_synchronizer_actor::stateful_pointer<version_synchronizer_state>;

constexpr auto catalog_retry_period = milliseconds(1000);
constexpr uint64_t rounds_per_repeat = 5; ///< everything is sent again every so many periods

void send_statuses(synchronizer_self self, const context_ptr& ctx,
                   std::vector<replica_status> statuses) {
  if (statuses.empty()) return;
  replicas_changed news{std::move(statuses)};
  tell<prefetch_coordinator_actor>(self, ctx, names::prefetch_coordinator, news);
  tell<recovery_coordinator_actor>(self, ctx, names::recovery_coordinator, std::move(news));
}

void spread_news(synchronizer_self self, const context_ptr& ctx, replica_tracker::outcome outcome) {
  for (const auto& s : outcome.newly_different) {
    auto partition = to_string(s.report.partition);
    spdlog::error("digest_differs partition={} node={} version={} digest={}", partition,
                  s.node.value, to_string(s.report.version), hex64(s.report.digest));
    counter(ctx, "harbinger_digest_differs_total",
            "replicas found to differ from their primary at equal versions")
        .Increment();
    raise_event(self, ctx, severity::alert, "digest_differs", partition,
                "the replica of " + partition + " on " + s.node.value
                    + " differs from the primary's: it is never promoted",
                {{"node", s.node.value},
                 {"role", std::string(name_of(s.report.role))},
                 {"version", to_string(s.report.version)},
                 {"digest", hex64(s.report.digest)}});
  }
  send_statuses(self, ctx, std::move(outcome.changed));
}

void hear_report(synchronizer_self self, const context_ptr& ctx, const node_id& node,
                 incarnation life, const std::vector<replica_report>& replicas) {
  auto& s = self->state;
  auto refused_before = s.tracker.refused_total();
  auto outcome =
      s.tracker.report(node, life, replicas, s.catalog, ctx->config->versions, self->clock().now());
  counter(ctx, "harbinger_replica_reports_refused_total",
          "replica reports of unknown, older or repeated origin")
      .Increment(static_cast<double>(s.tracker.refused_total() - refused_before));
  spread_news(self, ctx, std::move(outcome));
}

show_reply show_replicas(const version_synchronizer_state& s, const show_request& r) {
  auto partition = r.words.empty() ? std::nullopt : parse_partition_id(r.words[0]);
  if (!r.words.empty() && !partition)
    return {fail(errc::invalid_argument, "usage: " + r.topic + " [VOLUME.INDEX]")};
  auto rows = nlohmann::json::array();
  for (const auto& status : s.tracker.all()) {
    const auto& report = status.report;
    if (partition && report.partition != *partition) continue;
    auto behind = s.tracker.batches_behind(status, s.catalog);
    nlohmann::json batches = behind ? nlohmann::json(*behind) : nlohmann::json(nullptr);
    rows.push_back({to_string(report.partition), status.node.value, name_of(report.role),
                    name_of(report.state), to_string(report.version), batches, report.lag_ms,
                    report.size_bytes, report.copied_bytes, report.source.value, status.caught_up,
                    !status.digest_differs, report.failure});
  }
  if (partition && rows.empty())
    return {fail(errc::not_found, "no replica of " + r.words[0] + " was reported")};
  return show_table({"partition", "node", "role", "state", "version", "batches_behind", "lag_ms",
                     "bytes", "copied_bytes", "source", "caught_up", "digest_ok", "failure"},
                    std::move(rows));
}

} // namespace

version_synchronizer_actor::behavior_type version_synchronizer(synchronizer_self self,
                                                               context_ptr ctx) {
  ask_for_catalog(self, ctx, names::version_synchronizer);
  self->delayed_send(self, catalog_retry_period, tick{self->state.round});
  return {
      [=](const report_received& news) {
        hear_report(self, ctx, news.report.node, news.report.life, news.report.replicas);
      },
      [=](const node_joined& news) {
        hear_report(self, ctx, news.hello.node, news.hello.life, news.hello.replicas);
      },
      [=](const catalog_changed& news) {
        auto& s = self->state;
        if (!take_catalog(self, ctx, names::version_synchronizer, s.catalog, news)) return;
        spread_news(self, ctx, s.tracker.refresh(s.catalog, *news.map, ctx->config->versions));
      },
      [=](const tick& t) {
        auto& s = self->state;
        if (t.round != 0 && t.round != s.round) return;
        if (t.round % rounds_per_repeat == 0) send_statuses(self, ctx, s.tracker.all());
        if (t.round == 0) return;
        if (!s.catalog.ready()) ask_for_catalog(self, ctx, names::version_synchronizer);
        self->delayed_send(self, catalog_retry_period, tick{++s.round});
      },
      [=](const show_request& r) { return show_replicas(self->state, r); },
  };
}

} // namespace harbinger
