#pragma once

/// Between our types and RocksDB's. Internal: only for .cpp files of this folder, like every
/// rocks_*.hpp.

#include <string_view>

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include "core/result.hpp"

namespace harbinger::rocks {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

/// no_space, not_found, checksum, else io. Not to be called with an ok status.
tl::unexpected<error> failed(const rocksdb::Status& status);

} // namespace harbinger::rocks
