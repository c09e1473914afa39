#include "prefetch/copy_source.hpp"

#include <algorithm>

#include "wire/rows.hpp"

namespace harbinger {

copy_source::copy_source(std::string id_prefix, copy_source_limits limits)
    : prefix_(std::move(id_prefix)), limits_(limits) {}

bool copy_source::has_room(time_point now) {
  expire(now);
  return sessions_.size() < limits_.sessions_max;
}

result<snapshot_opened> copy_source::open(partition_id partition, snapshot_opened info,
                                          std::unique_ptr<snapshot_reader> reader, time_point now) {
  if (!has_room(now)) return fail(errc::overloaded, "too many open snapshots");
  info.snapshot = prefix_ + '-' + std::to_string(next_++);
  session s{partition, info, std::move(reader), {session::place{}}, false, now};
  sessions_.emplace(info.snapshot, std::move(s));
  return info;
}

result<snapshot_opened> copy_source::resume(partition_id partition, const std::string& snapshot,
                                            time_point now) {
  expire(now);
  auto it = sessions_.find(snapshot);
  if (it == sessions_.end() || it->second.partition != partition)
    return fail(errc::not_found, "snapshot " + snapshot);
  it->second.used = now;
  return it->second.info;
}

result<snapshot_chunk> copy_source::pull(const snapshot_pull& request, time_point now) {
  expire(now);
  auto it = sessions_.find(request.snapshot);
  if (it == sessions_.end()) return fail(errc::not_found, "snapshot " + request.snapshot);
  auto& s = it->second;
  s.used = now;
  if (!s.complete && request.index >= s.places.size() + limits_.ahead_max)
    return fail(errc::invalid_argument,
                "chunk " + std::to_string(request.index) + " is too far ahead");
  while (!s.complete && request.index >= s.places.size()) { // a request overtook those before it
    auto passed = produce(s, s.places.size() - 1, request.bytes_max);
    if (!passed) return passed;
  }
  if (request.index >= s.places.size())
    return wire::make_chunk(request.snapshot, request.index, true, wire::pack_rows({}));
  return produce(s, request.index, request.bytes_max);
}

result<snapshot_chunk> copy_source::produce(session& s, uint64_t index, uint64_t bytes_max) {
  auto& place = s.places[index];
  if (place.bytes_max == 0)
    place.bytes_max = bytes_max == 0
                          ? limits_.chunk_bytes
                          : static_cast<size_t>(std::min<uint64_t>(bytes_max, limits_.chunk_bytes));
  auto slice = s.reader->read(place.start, place.bytes_max);
  if (!slice) {
    if (index + 1 == s.places.size()) place.bytes_max = 0; // nobody has it yet
    return tl::unexpected<error>(slice.error());
  }
  if (index + 1 == s.places.size()) {
    if (slice->end)
      s.complete = true;
    else
      s.places.push_back({slice->next});
  }
  return wire::make_chunk(s.info.snapshot, index, slice->end, std::move(slice->rows));
}

size_t copy_source::busy_count(time_point now) const {
  return static_cast<size_t>(
      std::count_if(sessions_.begin(), sessions_.end(),
                    [&](const auto& item) { return now - item.second.used <= seconds(1); }));
}

size_t copy_source::expire(time_point now) {
  return std::erase_if(sessions_,
                       [&](const auto& item) { return now - item.second.used > limits_.idle_max; });
}

} // namespace harbinger
