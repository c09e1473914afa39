#include "store/mass_flush.hpp"

#include <algorithm>

namespace harbinger {

result<flushed_log> flush_log(mass_storage& mass, partition_store& store,
                              const partition_head& head, const node_id& writer, version& flushed) {
  flushed_log out;
  for (size_t round = 0; round < flush_segments_max && flushed.seq < head.version.seq; ++round) {
    auto entries = store.log_after(head.partition, flushed, head.version.seq, flush_segment_bytes);
    if (!entries && entries.error().code == errc::log_trimmed) {
      auto snapshot = store.open_snapshot(head.partition);
      if (!snapshot) return tl::unexpected<error>(snapshot.error());
      auto written = mass.write_checkpoint(**snapshot, writer);
      if (!written) return tl::unexpected<error>(written.error());
      flushed = *written;
      out.hole = true;
      return out;
    }
    if (!entries) return tl::unexpected<error>(entries.error());
    if (entries->empty()) return out;
    mass_file_header header;
    header.partition = head.partition;
    header.writer = writer;
    header.epoch = head.epoch;
    header.previous = flushed;
    header.history = head.history;
    header.has_digest = entries->back().version == head.version;
    if (header.has_digest) header.digest = head.digest.sums();
    if (auto written = mass.append_segment(header, *entries); !written)
      return tl::unexpected<error>(written.error());
    flushed = entries->back().version;
    ++out.segments;
    out.entries += entries->size();
  }
  return out;
}

uint64_t entries_to_keep(const partition_head& head, uint64_t log_bytes, const log_keep& keep) {
  auto entries = head.version.seq.value - head.log_start.seq.value;
  if (entries == 0 || log_bytes <= keep.bytes) return keep.entries;
  auto each = std::max<uint64_t>(1, log_bytes / entries);
  return std::clamp<uint64_t>(keep.bytes / each, 1, keep.entries);
}

std::optional<seq_no> trim_point(const partition_head& head, std::optional<version> flushed,
                                 uint64_t keep) {
  if (head.version.seq.value <= keep) return std::nullopt;
  uint64_t from = head.version.seq.value - keep + 1;
  if (flushed) from = std::min(from, flushed->seq.value + 1);
  if (from <= head.log_start.seq.value + 1) return std::nullopt;
  return seq_no{from};
}

} // namespace harbinger
