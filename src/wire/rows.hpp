#pragma once

/// The rows of a snapshot chunk: msgpack of an array of [key bin, value bin], perhaps compressed,
/// with a checksum (docs/PROTOCOL.md, snapshot.chunk). Written by hand because the number of rows
/// is known only at the end and a chunk is built row by row from an iterator. Also the blocks of
/// checkpoints in mass storage.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "messages/copying.hpp"
#include "wire/packed_rows.hpp"

namespace harbinger::wire {

/// Builds one rows body. Reusable after finish().
class row_packer {
public:
  row_packer() = default;
  /// Room for a body of about `bytes` is made at once.
  explicit row_packer(size_t bytes) { body_.reserve(bytes + bytes / 8); }
  void add(std::string_view key, std::string_view value);
  /// Bytes of the body so far.
  size_t size_bytes() const { return body_.size(); }
  uint64_t count() const { return count_; }
  /// The whole body; the packer is empty again.
  std::string finish();

private:
  std::string body_;
  uint64_t count_ = 0;
};

std::string pack_rows(const std::vector<record_row>& rows);

/// The inverse. oversize above bulk_body_max, malformed for anything that is not exactly one array
/// of pairs of bins with keys and values within their limits (messages/records.hpp). Never throws,
/// never allocates beyond the input's size.
result<std::vector<record_row>> unpack_rows(std::string_view body);

/// A chunk around a rows body: compressed with Zstandard when that saves more than a tenth,
/// checksummed as sent.
snapshot_chunk make_chunk(std::string snapshot, uint64_t index, bool last, std::string rows);

/// Checks a chunk's checksum and sizes and returns its rows. checksum, oversize or malformed.
result<packed_rows> open_chunk(snapshot_chunk chunk);

} // namespace harbinger::wire
