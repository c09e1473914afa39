#pragma once

/// Encoding of the structs in messages/ as msgpack maps, field names as `describe` gives them.
///
/// Rules of decoding: unknown fields are passed over, missing fields and wrong types are
/// errc::malformed with the field's name, a body over the type's `max_bytes` is errc::oversize
/// before it is looked at, nesting and the number of elements are limited (wire/frame.hpp) before
/// anything is allocated for them. Text must be UTF-8; encode writes '?' for bytes that are not.
/// Doubles may be any IEEE value; whether NaN makes sense is for the receiver. Nothing but
/// std::bad_alloc is thrown, whatever the bytes; a decoded value shares no memory with them. encode
/// and decode are defined in codec.cpp for the types listed in wire/types.hpp; another type needs a
/// line there.

#include <concepts>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "messages/common.hpp"
#include "wire/frame.hpp"

namespace harbinger::wire {

template <class T>
std::string encode(const T& message);
template <class T>
result<T> decode(std::string_view body);

/// A message one field of which is the third part of its frame: `bulk` names the field, a blob that
/// `describe` leaves out.
template <class T>
concept carries_bulk = requires(T& m) {
  { m.*T::bulk } -> std::same_as<blob&>;
};

template <class T>
frame make_frame(uint64_t id, const T& message) {
  frame out{std::string{T::wire_name}, id, encode(message)};
  if constexpr (carries_bulk<T>) out.bulk = message.*T::bulk;
  return out;
}

inline frame make_error(uint64_t id, const error& e) {
  return make_frame(id, error_reply{std::string{to_string(e.code)}, e.detail});
}

/// The frame's message as a T. An error_reply in its place becomes its errc; another type is
/// errc::unsupported. Bulk data is shared with the frame; more than bulk_body_max of it is
/// errc::oversize, and a type that has none passes over it.
template <class T>
result<T> read_frame(const frame& f) {
  if constexpr (carries_bulk<T>) {
    if (f.type == T::wire_name) {
      if (f.bulk.size() > bulk_body_max) return fail(errc::oversize, "bulk part");
      auto message = decode<T>(f.body);
      if (message) (*message).*T::bulk = f.bulk;
      return message;
    }
  } else if (f.type == T::wire_name) {
    return decode<T>(f.body);
  }
  if (f.type != error_reply::wire_name)
    return fail(errc::unsupported, "expected " + std::string{T::wire_name} + ", got " + f.type);
  auto reply = decode<error_reply>(f.body);
  if (!reply) return tl::unexpected<error>(reply.error());
  return fail(parse_errc(reply->code).value_or(errc::internal), reply->detail);
}

} // namespace harbinger::wire
