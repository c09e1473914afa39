#pragma once

/// Places at which tests end a process as kill -9 would: every step after which the disk holds
/// something else than before, and every answer that promises something.
///
/// Reaching one does nothing unless somebody hooked it, which costs one load. Only test code can:
/// by set_crash_hook(), or from outside through libharbinger_trouble.so, loaded with LD_PRELOAD
/// (tools/trouble). No configuration key, command, message or environment variable of the product
/// leads here; unit.crash_points looks that no source of the product sets the hook.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace harbinger {

/// In a store, mass storage or catalog; unit.crash_points dies at each of them.
enum class crash_point : uint8_t {
  // a group of writes
  commit_begun,   ///< all is staged, nothing is written
  commit_written, ///< durable, nobody was told
  // taking back, giving up, mending, shortening
  rewind_begun,
  rewind_done,
  drop_begun,
  drop_done,
  repair_begun,
  repair_done,
  trim_begun,
  trim_done,
  // a copy on its way in
  copy_begun,         ///< empty, of the new attempt
  copy_rows_put,      ///< a chunk by write batch
  copy_file_full,     ///< before it is synced
  copy_file_synced,   ///< before it is part of the database
  copy_file_ingested, ///< before a head counts it
  copy_file_counted,
  copy_finish_begun, ///< digest compared
  copy_finished,
  // mass storage
  mass_file_written,    ///< not synced, under its temporary name
  mass_file_synced,     ///< before its rename
  mass_file_renamed,    ///< before its directory is synced
  mass_segment_added,   ///< a whole segment is there, the flusher does not know
  mass_checkpoint_kept, ///< before older ones go
  mass_checkpoint_pruned,
  mass_segment_trimmed,
  restore_rows_in, ///< a checkpoint's rows are in, the log after it is not
  // the catalog
  catalog_term_begun,
  catalog_commit_begun,
  catalog_commit_written,
  // in the actors of a node; e2e.crash_points dies at each of them
  append_answer,       ///< a member: durable, not acknowledged
  put_answer,          ///< a primary: committed, not answered
  seal_command,        ///< arrived
  configure_command,   ///< arrived
  rewind_command,      ///< arrived
  drop_command,        ///< arrived
  command_answer,      ///< sealed, configured or taken back; the centre was not told
  snapshot_opened,     ///< at the source of a copy, not told
  snapshot_chunk_read, ///< at the source, not sent
  deltas_read,         ///< at the source, not sent
  chunk_stored,        ///< at the target
  deltas_applied,      ///< at the target
  copy_ready,          ///< complete at the target, not reported
};
inline constexpr std::array crash_point_names{
    "commit_begun",
    "commit_written",
    "rewind_begun",
    "rewind_done",
    "drop_begun",
    "drop_done",
    "repair_begun",
    "repair_done",
    "trim_begun",
    "trim_done",
    "copy_begun",
    "copy_rows_put",
    "copy_file_full",
    "copy_file_synced",
    "copy_file_ingested",
    "copy_file_counted",
    "copy_finish_begun",
    "copy_finished",
    "mass_file_written",
    "mass_file_synced",
    "mass_file_renamed",
    "mass_segment_added",
    "mass_checkpoint_kept",
    "mass_checkpoint_pruned",
    "mass_segment_trimmed",
    "restore_rows_in",
    "catalog_term_begun",
    "catalog_commit_begun",
    "catalog_commit_written",
    "append_answer",
    "put_answer",
    "seal_command",
    "configure_command",
    "rewind_command",
    "drop_command",
    "command_answer",
    "snapshot_opened",
    "snapshot_chunk_read",
    "deltas_read",
    "chunk_stored",
    "deltas_applied",
    "copy_ready",
};
inline constexpr size_t crash_points = crash_point_names.size();
inline constexpr auto first_node_crash_point = crash_point::append_answer;
static_assert(crash_points == static_cast<size_t>(crash_point::copy_ready) + 1);

constexpr const char* name_of(crash_point point) {
  return crash_point_names[static_cast<size_t>(point)];
}

/// Called with a point's name, on whichever thread reached it.
using crash_hook = void (*)(const char* name);

namespace crash_detail {
/// At first the preloaded library's `harbinger_crash_point`, if there is one; else null.
extern std::atomic<crash_hook> hook;
} // namespace crash_detail

/// Tests only. Null: nobody.
inline void set_crash_hook(crash_hook hook) { crash_detail::hook = hook; }

inline void reach(crash_point point) {
  if (auto hook = crash_detail::hook.load(std::memory_order_relaxed)) [[unlikely]]
    hook(name_of(point));
}

} // namespace harbinger
