#include "wire/codec.hpp"

#include <algorithm>
#include <new>

#include "wire/msgpack_visitors.hpp"
#include "wire/types.hpp"

namespace harbinger::wire {
namespace {

/// Builds msgpack's object tree over the bytes without copying text or binary. Beyond msgpack's own
/// limits it bounds how many elements arrays and maps may announce in all: every element takes at
/// least a byte, so honest bytes never announce more than they have, while "array of 4 billion" in
/// five bytes, sixteen times nested, would allocate before it fails.
class tree_builder : public msgpack::detail::create_object_visitor {
  using base = msgpack::detail::create_object_visitor;

public:
  tree_builder(msgpack::zone& zone, size_t bytes)
      : base(&refer, nullptr, {bytes, bytes, bytes, bytes, 0, depth_max}),
        left_(std::min(bytes, elements_max)) {
    set_zone(zone);
  }
  bool start_array(uint32_t count) {
    spend(count);
    return base::start_array(count);
  }
  bool start_map(uint32_t count) {
    spend(size_t{count} * 2);
    return base::start_map(count);
  }

private:
  static bool refer(msgpack::type::object_type, std::size_t, void*) { return true; }
  void spend(size_t count) {
    if (count > left_)
      throw decode_error{"more elements announced than there are bytes, or than a body may have"};
    left_ -= count;
  }
  size_t left_;
};

/// Memory for the tree of one body at a time, kept between bodies: a small message allocates
/// nothing.
class scratch_zone {
public:
  scratch_zone() : zone_(shared()) {}
  ~scratch_zone() { zone_.clear(); }
  scratch_zone(const scratch_zone&) = delete;
  scratch_zone& operator=(const scratch_zone&) = delete;
  msgpack::zone& get() { return zone_; }

private:
  static msgpack::zone& shared() {
    thread_local msgpack::zone zone(32 << 10);
    return zone;
  }
  msgpack::zone& zone_;
};

/// Calls read(root) with the tree of `bytes`, which must be one whole msgpack value and nothing
/// after it.
template <class Read>
auto with_tree(std::string_view bytes, Read read)
    -> decltype(read(std::declval<msgpack::object&>())) {
  try {
    scratch_zone zone;
    tree_builder builder(zone.get(), bytes.size());
    size_t offset = 0;
    if (!msgpack::parse(bytes.data(), bytes.size(), offset, builder))
      return fail(errc::malformed, "not msgpack");
    if (offset != bytes.size()) return fail(errc::malformed, "bytes after the end");
    return read(builder.data());
  } catch (const decode_error& e) {
    return fail(errc::malformed, e.what);
  } catch (const std::bad_alloc&) {
    throw; // the process is out of memory, which is not the message's fault: the limits above are
           // small
  } catch (const std::exception& e) { // msgpack's own: truncated, too deep, over a limit
    return fail(errc::malformed, e.what());
  }
}

template <class T>
constexpr size_t body_limit() {
  if constexpr (requires { T::max_bytes; })
    return T::max_bytes;
  else
    return bulk_body_max;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

result<header> read_header(const msgpack::object& root) {
  if (root.type != msgpack::type::ARRAY || root.via.array.size < 2)
    return fail(errc::malformed, "not an array");
  const auto* part = root.via.array.ptr;
  if (unpack_text(part[0]) != "HB") return fail(errc::malformed, "not a Harbinger frame");
  uint64_t spoken = 0;
  unpack_number(part[1], spoken);
  if (spoken != protocol_version)
    return fail(errc::unsupported, "protocol version " + std::to_string(spoken));
  if (root.via.array.size != 4) return fail(errc::malformed, "not four parts");
  header out;
  out.type = unpack_text(part[2]);
  if (out.type.empty() || !printable(out.type))
    return fail(errc::malformed, "type is not printable");
  unpack_number(part[3], out.id);
  return out;
}

} // namespace

template <class T>
std::string encode(const T& message) {
  packed_text buffer;
  packer out(buffer);
  pack_value(out, message);
  return std::move(buffer.data);
}

template <class T>
result<T> decode(std::string_view body) {
  if (body.size() > body_limit<T>())
    return fail(errc::oversize,
                std::to_string(body.size()) + " bytes, at most " + std::to_string(body_limit<T>()));
  return with_tree(body, [](const msgpack::object& root) -> result<T> {
    T out;
    unpack_value(root, out);
    return out;
  });
}

std::string encode_header(std::string_view type, uint64_t id) {
  packed_text buffer;
  packer out(buffer);
  out.pack_array(4);
  pack_text(out, "HB");
  out.pack(protocol_version);
  pack_text(out, type);
  out.pack(id);
  return std::move(buffer.data);
}

result<header> decode_header(std::string_view bytes) {
  if (bytes.size() > header_bytes_max) return fail(errc::oversize, "header: over 256 bytes");
  auto out = with_tree(bytes, read_header);
  if (!out) out.error().detail = "header: " + out.error().detail;
  return out;
}

#define HARBINGER_INSTANTIATE(T)                                                                   \
  template std::string encode<T>(const T&);                                                        \
  template result<T> decode<T>(std::string_view);
HARBINGER_WIRE_MESSAGES(HARBINGER_INSTANTIATE)
HARBINGER_STORED_ROWS(HARBINGER_INSTANTIATE)

} // namespace harbinger::wire
