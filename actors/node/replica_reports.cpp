#include "actors/node/replica_reports.hpp"

#include <nlohmann/json.hpp>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "replica/report_pace.hpp"

namespace harbinger {
namespace {

constexpr size_t conflicts_shown_max = 1000;

std::vector<replica_report> replica_all_reports(replica_self self, time_point now) {
  auto& node = *self->state.ctx->node;
  auto known = self->state.host->reports(now);
  auto rows = node.copies.all();
  std::vector<replica_report> out;
  for (const auto& h : node.store->heads()) {
    auto damaged = node.damage.find(h.partition).value_or("");
    if (auto it = known.find(h.partition); it != known.end()) {
      auto& r = it->second;
      if (r.version == h.version) { // the scrubber may have set them right
        r.digest = h.digest.total();
        r.records = h.records;
        r.size_bytes = h.size_bytes;
      }
      if (r.failure.empty()) r.failure = damaged;
      out.push_back(std::move(r));
      continue;
    }
    replica_report r;
    r.partition = h.partition;
    r.role = h.role;
    r.state = h.state;
    r.epoch = h.epoch;
    r.revision = h.revision;
    r.version = h.version;
    r.digest = h.digest.total();
    r.records = h.records;
    r.size_bytes = h.size_bytes;
    r.copy = h.copy;
    r.failure = h.failure;
    if (auto it = rows.find(h.partition); it != rows.end() && it->second.copy == h.copy) {
      const auto& row = it->second;
      r.copied_bytes = row.copied_bytes;
      r.source = row.source;
      r.lag_ms = row.lag_ms + std::max(0.0, to_ms(now - row.as_of));
      if (!row.failure.empty()) r.failure = row.failure;
      if (!row.following && r.state == replica_state::following) r.state = replica_state::detached;
      rows.erase(it);
    } else if (r.state == replica_state::following) {
      r.state = replica_state::detached; // nobody pulls for it in this life
    }
    if (r.failure.empty()) r.failure = damaged;
    out.push_back(std::move(r));
  }
  for (const auto& [partition, row] : rows) { // begun, or failed, before anything of it was stored
    if (known.contains(partition) || node.store->head(partition)) continue;
    replica_report r;
    r.partition = partition;
    r.copy = row.copy;
    r.copied_bytes = row.copied_bytes;
    r.source = row.source;
    r.failure = row.failure;
    if (!row.failure.empty()) r.state = replica_state::failed;
    out.push_back(std::move(r));
  }
  return out;
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
