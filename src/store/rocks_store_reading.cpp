#include "store/rocks_store.hpp"

#include <algorithm>
#include <bit>

#include "store/bucket_check.hpp"
#include "store/keys.hpp"
#include "store/rocks_bridge.hpp"
#include "store/rocks_snapshot.hpp"

namespace harbinger::rocks {

result<partition_store::value> store::get(partition_id partition, std::string_view key) const {
  if (!slots_.find(partition)) return fail(errc::unknown_partition, to_string(partition));
  snapshot at(db_, partition);
  if (auto loaded = at.load(); !loaded) return tl::unexpected<error>(loaded.error());
  value out;
  out.version = at.head().version;
  auto s = db_->Get(at.read_options(), slice(keys::record(partition, key)), &out.bytes);
  out.found = s.ok();
  if (!s.ok() && !s.IsNotFound()) return failed(s);
  return out;
}

result<rows_reply> store::scan(partition_id partition, std::string_view from, uint32_t limit,
                               size_t bytes_max) const {
  if (limit == 0 || limit > scan_rows_max)
    return fail(errc::invalid_argument, "limit must be 1.." + std::to_string(scan_rows_max));
  auto at = open_snapshot(partition);
  if (!at) return tl::unexpected<error>(at.error());
  auto page = (*at)->read(std::max(from, first_user_key), false, bytes_max, limit);
  if (!page) return tl::unexpected<error>(page.error());
  rows_reply out;
  out.version = (*at)->head().version;
  out.rows = std::move(page->rows);
  out.more = page->more;
  if (out.more) out.next.data = out.rows.back().key.data + '\0'; // the smallest key after it
  return out;
}

result<std::vector<logged_entry>> store::logged_after(partition_id partition, version after,
                                                      seq_no up_to, size_t bytes_max) const {
  snapshot at(db_, partition);
  if (auto loaded = at.load(); !loaded) return tl::unexpected<error>(loaded.error());
  const auto& h = at.head();
  if (after.seq < h.log_start.seq)
    return fail(errc::log_trimmed,
                "log of " + to_string(partition) + " begins after " + to_string(h.log_start));
  if (after.seq > h.version.seq)
    return fail(after.epoch <= h.version.epoch || h.version.seq.value == 0 ? errc::gap
                                                                           : errc::diverged,
                to_string(h.version));
  auto options = at.read_options();
  auto end = keys::prefix_end(keys::prefix('l', partition));
  rocksdb::Slice upper(end);
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  if (after != h.log_start) {
    auto place = keys::entry('l', partition, after);
    it->Seek(slice(place));
    if (!it->Valid() || it->key() != slice(place))
      return fail(errc::diverged, to_string(after) + " is not in the history");
    it->Next();
  } else {
    it->Seek(slice(keys::prefix('l', partition)));
  }
  std::vector<logged_entry> out;
  size_t size = 0;
  for (; it->Valid(); it->Next()) {
    if (keys::entry_version(view(it->key())).seq > up_to) break;
    if (!out.empty() && size + it->value().size() > bytes_max) break;
    size += it->value().size();
    auto entry = decode_logged(view(it->value()));
    if (!entry)
      return fail(errc::checksum,
                  "log of " + to_string(partition) + ": " + to_string(entry.error()));
    out.push_back(std::move(*entry));
  }
  if (!it->status().ok()) return failed(it->status());
  return out;
}

result<std::shared_ptr<partition_snapshot>> store::open_snapshot(partition_id partition) const {
  auto made = std::make_shared<snapshot>(db_, partition);
  if (auto loaded = made->load(); !loaded) return tl::unexpected<error>(loaded.error());
  return std::shared_ptr<partition_snapshot>(std::move(made));
}

result<void> store::verify(partition_id partition) const {
  auto found = check_buckets(*this, partition);
  if (!found) return tl::unexpected<error>(found.error());
  if (found->sound()) return {};
  return fail(errc::checksum,
              "partition " + to_string(partition) + " at " + to_string(found->version) + ": "
                  + std::to_string(std::popcount(found->damaged)) + " of "
                  + std::to_string(digest::buckets) + " buckets do not hold what the head says, "
                  + std::to_string(found->records) + " records counted");
}

} // namespace harbinger::rocks
