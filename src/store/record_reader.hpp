#pragma once

/// The records of one partition, as whoever decides on a write sees them.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace harbinger {

class record_reader {
public:
  /// False ends the visit. Must not change what is being read.
  using visitor = std::function<bool(std::string_view key, std::string_view value)>;

  virtual ~record_reader() = default;
  /// Nothing: no such record. Fails only as the disk does.
  virtual result<std::optional<std::string>> get(std::string_view key) const = 0;
  /// Records with from <= key < to (empty: no end), in key order.
  virtual result<void> range(std::string_view from, std::string_view to,
                             const visitor& visit) const = 0;
};

} // namespace harbinger
