#pragma once

/// What an entry overwrote, kept beside the log while the entry may still be taken back. Numbers
/// are big-endian: [key size, key, 0] for a record that was not there, [key size, key, value size +
/// 1, value] for one that was.

#include <vector>

#include "core/result.hpp"
#include "store/record_overlay.hpp"

namespace harbinger {

struct overwritten {
  std::string key;
  std::optional<std::string> value; ///< nothing: no record
  friend bool operator==(const overwritten&, const overwritten&) = default;
};

std::string encode_undo(const record_changes& changes);
result<std::vector<overwritten>> decode_undo(std::string_view bytes); ///< checksum: damaged

} // namespace harbinger
