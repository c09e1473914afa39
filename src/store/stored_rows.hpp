#pragma once

#include <memory>

#include "prefetch/copy_source.hpp"
#include "store/partition_store.hpp"

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

} // namespace harbinger
