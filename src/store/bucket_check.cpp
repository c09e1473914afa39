#include "store/bucket_check.hpp"

#include <cstdint>

namespace harbinger {

bucket_check::bucket_check(std::shared_ptr<partition_snapshot> snapshot)
    : snapshot_(std::move(snapshot)) {}

result<bucket_check::progress> bucket_check::step(size_t bytes_max) {
  auto page = snapshot_->read(last_key_, begun_, bytes_max, SIZE_MAX);
  if (!page) return tl::unexpected<error>(page.error());
  begun_ = true;
  progress out;
  for (const auto& row : page->rows) {
    seen_.add(row.key.data, row.value.data);
    out.bytes += row.key.data.size() + row.value.data.size();
  }
  records_ += page->rows.size();
  size_bytes_ += out.bytes;
  out.done = !page->more;
  if (page->more) last_key_ = std::move(page->rows.back().key.data);
  return out;
}

bucket_findings bucket_check::findings() const {
  const auto& head = snapshot_->head();
  bucket_findings out;
  out.version = head.version;
  for (auto bucket : seen_.differing(head.digest)) out.damaged |= bucket_set{1} << bucket;
  out.counts_differ = records_ != head.records || size_bytes_ != head.size_bytes;
  out.records = records_;
  out.size_bytes = size_bytes_;
  return out;
}

result<bucket_findings> check_buckets(const partition_store& store, partition_id partition) {
  auto snapshot = store.open_snapshot(partition);
  if (!snapshot) return tl::unexpected<error>(snapshot.error());
  bucket_check check(*snapshot);
  for (;;) {
    auto step = check.step(4 << 20);
    if (!step) return tl::unexpected<error>(step.error());
    if (step->done) return check.findings();
  }
}

result<bucket_page> read_buckets(const partition_snapshot& snapshot, bucket_set buckets,
                                 const std::string& from, size_t bytes_max) {
  bucket_page out;
  out.next = from;
  size_t kept = 0, read = 0;
  while (!out.end && kept < bytes_max && read < bytes_max * bucket_skip_max) {
    auto page = snapshot.read(out.next, false, bytes_max - kept, SIZE_MAX);
    if (!page) return tl::unexpected<error>(page.error());
    out.end = !page->more;
    if (page->more) out.next = page->rows.back().key.data + '\0'; // the smallest greater key
    for (auto& row : page->rows) {
      auto bytes = row.key.data.size() + row.value.data.size();
      read += bytes;
      if (!digest::holds(buckets, row.key.data)) continue;
      kept += bytes;
      out.rows.push_back(std::move(row));
    }
  }
  return out;
}

} // namespace harbinger
