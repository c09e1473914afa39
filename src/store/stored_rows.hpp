#pragma once

#include <memory>

#include "prefetch/copy_source.hpp"
#include "store/bucket_check.hpp"
#include "store/partition_store.hpp"
#include "wire/rows.hpp"

namespace harbinger {

/// The chunks of a copy from a snapshot of the store.
class stored_rows final : public snapshot_reader {
public:
  explicit stored_rows(std::shared_ptr<partition_snapshot> from)
      : from_(std::move(from)), reader_(from_->read_through()) {}

  result<slice> read(const std::string& from, size_t bytes_max) override {
    auto part = reader_->read(from, bytes_max);
    if (!part) return tl::unexpected<error>(part.error());
    return slice{std::move(part->rows), std::move(part->next), part->end};
  }

private:
  std::shared_ptr<partition_snapshot> from_;
  std::unique_ptr<packed_reader> reader_; ///< ends first
};

/// The same, of some buckets only: for mending.
class stored_bucket_rows final : public snapshot_reader {
public:
  stored_bucket_rows(std::shared_ptr<partition_snapshot> from, bucket_set buckets)
      : from_(std::move(from)), buckets_(buckets) {}

  result<slice> read(const std::string& from, size_t bytes_max) override {
    auto page = read_buckets(*from_, buckets_, from, bytes_max);
    if (!page) return tl::unexpected<error>(page.error());
    return slice{wire::pack_rows(page->rows), page->end ? std::string{} : page->next, page->end};
  }

private:
  std::shared_ptr<partition_snapshot> from_;
  bucket_set buckets_;
};

} // namespace harbinger
