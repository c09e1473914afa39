#include "actors/node/mass_flusher.hpp"

#include <filesystem>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "actors/names.hpp"
#include "actors/node/resources.hpp"
#include "store/mass_flush.hpp"

namespace harbinger {
namespace {

using flusher_self = mass_flusher_actor::stateful_pointer<mass_flusher_state>;

void flusher_note(flusher_self self, partition_id partition, mass_flusher_state::row& row,
                  const error& why) {
  counter(self->state.ctx, "harbinger_mass_storage_errors_total", "failed writes to mass storage")
      .Increment();
  auto text = to_string(why);
  if (row.trouble.empty()) {
    spdlog::warn("mass_storage partition={} error=\"{}\"", to_string(partition), text);
    raise_event(
        self, self->state.ctx, severity::warning, "mass_storage_failed", to_string(partition),
        "partition " + to_string(partition) + " could not be written to mass storage: " + text);
  }
  row.trouble = text;
}

/// The row of a primary partition, with what the directory says when it is new or changed hands.
result<void> flusher_look_up(mass_storage& mass, const partition_head& head,
                             mass_flusher_state::row& row) {
  if (row.epoch == head.epoch && head.epoch != epoch{}) return {};
  auto flushed = mass.flushed_up_to(head.partition, head.history);
  if (!flushed) return tl::unexpected<error>(flushed.error());
  row.flushed = *flushed;
  auto point = mass.newest_checkpoint(head.partition);
  row.checkpoint = point ? point->last : version{};
  row.epoch = head.epoch;
  return {};
}

/// After a checkpoint: segments that are old enough and that no recovery needs any more.
result<void> flusher_trim_mass(flusher_self self, partition_id partition) {
  auto& ctx = self->state.ctx;
  auto keep_s = ctx->config->mass_storage.log_keep_s;
  if (keep_s == 0) return {};
  auto before = std::filesystem::file_time_type::clock::now() - seconds(keep_s);
  auto gone = ctx->node->mass->trim_log(partition, before);
  if (!gone) return tl::unexpected<error>(gone.error());
  if (gone->files == 0) return {};
  counter(ctx, "harbinger_mass_storage_trimmed_bytes_total",
          "log segments removed from mass storage because checkpoints cover them")
      .Increment(static_cast<double>(gone->bytes));
  spdlog::info("mass_storage partition={} trimmed_segments={} bytes={}", to_string(partition),
               gone->files, gone->bytes);
  return {};
}

result<void> flusher_write(flusher_self self, const partition_head& head,
                           mass_flusher_state::row& row, bool checkpoint_due) {
  auto& ctx = self->state.ctx;
  auto& node = *ctx->node;
  if (auto known = flusher_look_up(*node.mass, head, row); !known) return known;
  auto flushed = flush_log(*node.mass, *node.store, head, ctx->config->node.id, row.flushed);
  if (!flushed) return tl::unexpected<error>(flushed.error());
  if (flushed->hole) {
    row.checkpoint = row.flushed;
    spdlog::warn("mass_storage partition={} hole_before={}", to_string(head.partition),
                 to_string(row.flushed));
  }
  counter(ctx, "harbinger_mass_storage_entries_total", "log entries written to mass storage")
      .Increment(static_cast<double>(flushed->entries));
  if (!checkpoint_due || row.checkpoint == head.version || head.version == version{}) return {};
  auto snapshot = node.store->open_snapshot(head.partition);
  if (!snapshot) return tl::unexpected<error>(snapshot.error());
  auto written = node.mass->write_checkpoint(**snapshot, ctx->config->node.id);
  if (!written) return tl::unexpected<error>(written.error());
  row.checkpoint = *written;
  return flusher_trim_mass(self, head.partition);
}

void flusher_trim(flusher_self self, const partition_head& head,
                  const mass_flusher_state::row* row) {
  auto& node = *self->state.ctx->node;
  const auto& wanted = self->state.ctx->config->replica;
  auto keep = entries_to_keep(head, node.store->log_bytes(head.partition),
                              {wanted.log_keep_entries, wanted.log_keep_bytes});
  if (!trim_point(head, std::nullopt, keep)) return;
  std::optional<version> flushed; // nothing: no mass storage holds the log back
  if (!node.mass)
    flushed.reset();
  else if (row)
    flushed = row->flushed;
  else if (auto found = node.mass->flushed_up_to(head.partition, head.history))
    flushed = *found;
  else
    return;
  auto from = trim_point(head, flushed, keep);
  if (!from) return;
  if (auto trimmed = node.store->trim_log(head.partition, *from); !trimmed)
    spdlog::warn("trim_log partition={} error=\"{}\"", to_string(head.partition),
                 to_string(trimmed.error()));
}

void flusher_round(flusher_self self) {
  auto& s = self->state;
  auto now = self->clock().now();
  bool checkpoint_due = now >= s.checkpoint_at;
  if (checkpoint_due) s.checkpoint_at = now + seconds(s.ctx->config->mass_storage.checkpoint_s);
  s.trimming.begin(checkpoint_due, now);
  std::map<partition_id, mass_flusher_state::row> kept;
  for (const auto& head : s.ctx->node->store->heads()) {
    bool ours = s.ctx->node->mass && head.role == replica_role::primary
                && head.state != replica_state::copying;
    if (ours) {
      auto& row = kept[head.partition] = s.rows[head.partition];
      if (auto written = flusher_write(self, head, row, checkpoint_due); !written)
        flusher_note(self, head.partition, row, written.error());
      else
        row.trouble.clear();
    }
    if (s.trimming.look(head)) flusher_trim(self, head, ours ? &kept[head.partition] : nullptr);
  }
  s.rows = std::move(kept);
}

std::string flusher_document(const mass_flusher_state& s) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [partition, row] : s.rows)
    rows.push_back(
        {to_string(partition), to_string(row.flushed), to_string(row.checkpoint), row.trouble});
  return nlohmann::json{{"columns", {"partition", "log", "checkpoint", "trouble"}}, {"rows", rows}}
      .dump();
}

} // namespace

mass_flusher_actor::behavior_type mass_flusher(flusher_self self, context_ptr ctx) {
  self->state.ctx = ctx;
  if (!ctx->node->mass) spdlog::info("mass_flusher trims logs only: no mass_storage.directory");
  auto period = milliseconds(ctx->config->mass_storage.flush_ms);
  self->state.checkpoint_at = self->clock().now() + seconds(ctx->config->mass_storage.checkpoint_s);
  self->delayed_send(self, period, tick{self->state.round});
  return {
      [=](const tick& t) {
        if (t.round != self->state.round) return;
        flusher_round(self);
        self->delayed_send(self, period, tick{++self->state.round});
      },
      [=](const show_request&) { return show_reply{flusher_document(self->state)}; },
  };
}

} // namespace harbinger
