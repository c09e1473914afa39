#pragma once

/// Rows of the files in mass storage (src/store/mass_storage.hpp).

#include "messages/control.hpp"

namespace harbinger {

enum class mass_file_kind : uint8_t { log, checkpoint };
constexpr auto enum_names(mass_file_kind) { return std::array{"log", "checkpoint"}; }

/// First block of every file in mass storage.
struct mass_file_header {
  uint32_t format = 1;
  mass_file_kind kind = mass_file_kind::log;
  partition_id partition;
  node_id writer;
  harbinger::epoch epoch;      ///< in which the writer was primary
  harbinger::version previous; ///< log: the first entry follows on it
  harbinger::version last;     ///< log: the last entry; checkpoint: the state
  bool has_digest = false;     ///< whether `digest` is that of `last`; always for checkpoints
  std::array<uint64_t, harbinger::digest::buckets> digest{};
  uint64_t records = 0;    ///< log: entries; checkpoint: rows
  uint64_t size_bytes = 0; ///< checkpoint: keys and values
  epoch_history history;   ///< as the writer knew it
};
template <class V>
void describe(V& v, mass_file_header& m) {
  v("format", m.format);
  v("kind", m.kind);
  v("partition", m.partition);
  v("writer", m.writer);
  v("epoch", m.epoch);
  v("previous", m.previous);
  v("last", m.last);
  v("has_digest", m.has_digest);
  v("digest", m.digest);
  v("records", m.records);
  v("size_bytes", m.size_bytes);
  v("history", m.history);
}

} // namespace harbinger
