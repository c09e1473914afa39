#include "actors/node/replica_reports.hpp"

#include <nlohmann/json.hpp>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "replica/node_reports.hpp"
#include "replica/report_pace.hpp"

namespace harbinger {
namespace {

constexpr size_t conflicts_shown_max = 1000;

std::vector<replica_report> replica_all_reports(replica_self self, time_point now) {
  auto& node = *self->state.ctx->node;
  return node_reports(
      {node.store->heads(), self->state.host->reports(now), node.copies.all(), node.damage.all()},
      now);
}

} // namespace

void replica_report_now(replica_self self, time_point now) {
  auto& s = self->state;
  auto& node = *s.ctx->node;
  s.report_wanted = false;
  s.copies_seen = node.copies.changes();
  auto reports = replica_all_reports(self, now);
  s.news_due = now + report_pause(reports.size());
  s.report_due = now + report_period(reports.size(), milliseconds(node.report_ms.load()));
  tell<node_link_actor>(
      self, s.ctx, names::node_link,
      replicas_now{std::move(reports), node.store->used_bytes(), node.store->conflict_count()});
}

show_reply replica_show(replica_self self) {
  auto rows = nlohmann::json::array();
  for (const auto& r : replica_all_reports(self, self->clock().now()))
    rows.push_back({to_string(r.partition), name_of(r.role), name_of(r.state), r.epoch.value,
                    to_string(r.version), r.records, r.size_bytes, r.lag_ms, r.writes_per_s,
                    r.failure});
  nlohmann::json out{{"columns",
                      {"partition", "role", "state", "epoch", "version", "records", "bytes",
                       "lag_ms", "writes_per_s", "failure"}},
                     {"rows", rows}};
  return {out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

show_reply replica_show_conflicts(replica_self self) {
  auto entries = self->state.ctx->node->store->conflicts(conflicts_shown_max);
  if (!entries) return {tl::unexpected<error>(entries.error())};
  auto rows = nlohmann::json::array();
  for (const auto& e : *entries)
    rows.push_back({to_string(e.partition), to_string(e.entry.version), e.entry.batch.ops.size()});
  nlohmann::json out{{"columns", {"partition", "version", "operations"}}, {"rows", rows}};
  return {out.dump()};
}

} // namespace harbinger
