#include "wire/codec.hpp"

#include "wire/msgpack_visitors.hpp"
#include "wire/types.hpp"

namespace harbinger::wire {
namespace {
// Bounds what hostile bytes can make the parser allocate: arrays, maps, strings, bins, ext, depth.
msgpack::unpack_limit limits(size_t body_bytes) {
  return {body_bytes, body_bytes / 2 + 1, body_bytes, body_bytes, 0, 16};
}

template <class T> constexpr size_t body_limit() {
  if constexpr (requires { T::max_bytes; }) return T::max_bytes;
  else return bulk_body_max;
}

template <class T> result<T> unpack_as(std::string_view body) {
  size_t offset = 0;
  auto handle = msgpack::unpack(body.data(), body.size(), offset, nullptr, nullptr, limits(body.size()));
  if (offset != body.size()) return fail(errc::malformed, "bytes after the end of the body");
  T out;
  unpack_value(handle.get(), out);
  return out;
}
} // namespace

template <class T> std::string encode(const T& message) {
  msgpack::sbuffer buffer;
  packer out(buffer);
  pack_value(out, message);
  return {buffer.data(), buffer.size()};
}

template <class T> result<T> decode(std::string_view body) {
  if (body.size() > body_limit<T>())
    return fail(errc::oversize, std::to_string(body.size()) + " bytes, at most " + std::to_string(body_limit<T>()));
  try {
    return unpack_as<T>(body);
  } catch (const decode_error& e) {
    return fail(errc::malformed, e.what);
  } catch (const std::exception& e) { // msgpack's own: truncated, too deep, over a limit
    return fail(errc::malformed, e.what());
  }
}

std::string encode_header(std::string_view type, uint64_t id) {
  msgpack::sbuffer buffer;
  packer out(buffer);
  out.pack_array(4);
  pack_text(out, "HB");
  out.pack(protocol_version);
  pack_text(out, type);
  out.pack(id);
  return {buffer.data(), buffer.size()};
}

result<header> decode_header(std::string_view bytes) {
  if (bytes.size() > header_bytes_max) return fail(errc::oversize, "header");
  try {
    size_t offset = 0;
    auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limits(bytes.size()));
    const auto& root = handle.get();
    if (root.type != msgpack::type::ARRAY || root.via.array.size < 2) return fail(errc::malformed, "header");
    const auto* part = root.via.array.ptr;
    if (unpack_text(part[0]) != "HB") return fail(errc::malformed, "not a Harbinger frame");
    uint64_t spoken = 0;
    unpack_number(part[1], spoken);
    if (spoken != protocol_version) return fail(errc::unsupported, "protocol version " + std::to_string(spoken));
    if (root.via.array.size != 4 || offset != bytes.size()) return fail(errc::malformed, "header");
    header out;
    out.type = unpack_text(part[2]);
    unpack_number(part[3], out.id);
    return out;
  } catch (const decode_error& e) {
    return fail(errc::malformed, "header: " + e.what);
  } catch (const std::exception& e) {
    return fail(errc::malformed, std::string("header: ") + e.what());
  }
}

#define HARBINGER_INSTANTIATE(T)                                                                                       \
  template std::string encode<T>(const T&);                                                                           \
  template result<T> decode<T>(std::string_view);
HARBINGER_WIRE_MESSAGES(HARBINGER_INSTANTIATE)
HARBINGER_STORED_ROWS(HARBINGER_INSTANTIATE)

} // namespace harbinger::wire
