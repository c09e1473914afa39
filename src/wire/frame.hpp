#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/blob.hpp"
#include "core/result.hpp"

namespace harbinger::wire {

/// The protocol's version; a peer that speaks another gets errc::unsupported.
inline constexpr uint64_t protocol_version = 2;
inline constexpr size_t header_bytes_max = 256;
inline constexpr size_t depth_max = 16; ///< nesting of arrays and maps in a body
/// Of all arrays and maps of a body together; a map's field counts two
inline constexpr size_t elements_max = 2'000'000;

/// One message: two ZeroMQ parts, the header ["HB", version, type, id] and the body (a map), both
/// msgpack. A reply repeats the id of its request. Published messages carry the topic as a part in
/// front and id 0. A type with bulk data has it as a third part, behind the body: bytes as they
/// are, so that nobody copies them to pack or unpack them.
struct frame {
  std::string type;
  uint64_t id = 0;
  std::string body;
  blob bulk = {}; ///< empty: two parts
};

std::string encode_header(std::string_view type, uint64_t id);

struct header {
  std::string type;
  uint64_t id = 0;
};
/// malformed, oversize or unsupported; never throws, whatever the bytes. A type is 1 or more
/// printable ASCII characters.
result<header> decode_header(std::string_view bytes);

} // namespace harbinger::wire
