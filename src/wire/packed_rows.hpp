#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/blob.hpp"
#include "core/result.hpp"

namespace harbinger {

/// A record that lies in somebody else's memory.
struct record_view {
  std::string_view key, value;
};
using record_views = std::span<const record_view>;

namespace wire {

/// The rows of a body (wire/rows.hpp), checked once and not copied. Cheap to copy: the body is
/// shared, and lives as long as one of them.
class packed_rows {
public:
  packed_rows() = default;
  /// oversize, malformed: as unpack_rows().
  static result<packed_rows> parse(blob body);

  record_views rows() const { return rows_; }
  size_t size() const { return rows_.size(); }

private:
  blob body_;
  std::vector<record_view> rows_;
};

} // namespace wire

} // namespace harbinger
