#pragma once

/// The stored form of a head: format byte, fields in a fixed order, xxh3-64 of all that at the end.

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "store/partition_head.hpp"

namespace harbinger {

std::string encode_head(const partition_head& head);
/// checksum: damaged; unsupported: written by a later format.
result<partition_head> decode_head(partition_id partition, std::string_view bytes);

} // namespace harbinger
