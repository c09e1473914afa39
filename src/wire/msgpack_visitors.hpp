#pragma once

/// The two visitors that turn `describe` into msgpack. Included by .cpp files only: msgpack is a
/// heavy header.

#include <algorithm>
#include <array>
#include <bit>

#include <msgpack.hpp>

#include "core/result.hpp"
#include "messages/common.hpp"
#include "wire/frame.hpp"
#include "wire/utf8.hpp"

namespace harbinger::wire {

/// Packs straight into the text that is sent: a chunk is copied once.
struct packed_text {
  std::string data;
  void write(const char* bytes, size_t count) { data.append(bytes, count); }
};
using packer = msgpack::packer<packed_text>;

template <class T>
void pack_value(packer& out, const T& x);

/// Counts the fields, because a msgpack map states its size first.
struct count_visitor {
  uint32_t count = 0;
  template <class T>
  void operator()(const char*, T&) {
    ++count;
  }
};

struct pack_visitor {
  packer& out;
  template <class T>
  void operator()(const char* name, T& field) {
    auto length = static_cast<uint32_t>(std::char_traits<char>::length(name));
    out.pack_str(length).pack_str_body(name, length);
    pack_value(out, field);
  }
};

template <class T>
struct is_strong : std::false_type {};
template <class Tag, class Rep>
struct is_strong<strong<Tag, Rep>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_array : std::false_type {};
template <class T, size_t N>
struct is_array<std::array<T, N>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class T>
struct is_map<std::map<std::string, T>> : std::true_type {};

/// Text that is not UTF-8 (an operating system's message, say) must not make the whole message
/// unreadable.
inline void pack_text(packer& out, std::string_view text) {
  if (!valid_utf8(text)) return pack_text(out, clean_utf8(text));
  out.pack_str(static_cast<uint32_t>(text.size()))
      .pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
}

/// Always nine bytes. msgpack's own pack_double turns 3.0 into the integer 3 and loses the sign of
/// -0.0.
inline void pack_float64(packer& out, double x) {
  std::array<char, 9> raw{'\xcb'};
  auto bits = std::bit_cast<uint64_t>(x);
  for (size_t i = 0; i < 8; ++i) raw[i + 1] = static_cast<char>(bits >> (56 - 8 * i));
  out.pack_bin_body(raw.data(),
                    static_cast<uint32_t>(raw.size())); // a body alone is written as it is
}

template <class T>
void pack_value(packer& out, const T& x) {
  if constexpr (is_strong<T>::value) {
    pack_value(out, x.value);
  } else if constexpr (std::is_same_v<T, version>) {
    out.pack_array(2).pack(x.epoch.value).pack(x.seq.value);
  } else if constexpr (std::is_same_v<T, bytes>) {
    auto size = static_cast<uint32_t>(x.data.size());
    out.pack_bin(size).pack_bin_body(x.data.data(), size);
  } else if constexpr (std::is_enum_v<T>) {
    pack_text(out, name_of(x));
  } else if constexpr (std::is_same_v<T, std::string>) {
    pack_text(out, x);
  } else if constexpr (std::is_same_v<T, double>) {
    pack_float64(out, x);
  } else if constexpr (std::is_arithmetic_v<T>) {
    out.pack(x);
  } else if constexpr (is_vector<T>::value || is_array<T>::value) {
    out.pack_array(static_cast<uint32_t>(x.size()));
    for (const auto& item : x) pack_value(out, item);
  } else if constexpr (is_map<T>::value) {
    out.pack_map(static_cast<uint32_t>(x.size()));
    for (const auto& [key, item] : x) {
      pack_text(out, key);
      pack_value(out, item);
    }
  } else {
    auto& message = const_cast<T&>(x); // describe serves reading and writing; packing only reads
    count_visitor counter;
    describe(counter, message);
    out.pack_map(counter.count);
    pack_visitor visitor{out};
    describe(visitor, message);
  }
}

/// Thrown inside decoding only, caught at its edge.
struct decode_error {
  std::string what;
};

template <class T>
void unpack_value(const msgpack::object& from, T& to);

inline constexpr size_t reserve_bytes_max =
    1 << 20; ///< taken for a vector before its elements are seen

/// Fields usually stand in the order of `describe`: the search goes on from the last hit, so a
/// well-ordered map costs O(n).
struct unpack_visitor {
  const msgpack::object_map& map;
  uint32_t cursor = 0;

  const msgpack::object& find(const char* name) {
    for (uint32_t step = 0; step < map.size; ++step) {
      uint32_t i = cursor + step < map.size ? cursor + step : cursor + step - map.size;
      const auto& key = map.ptr[i].key;
      if (key.type == msgpack::type::STR
          && std::string_view(key.via.str.ptr, key.via.str.size) == name) {
        cursor = i + 1 < map.size ? i + 1 : 0;
        return map.ptr[i].val;
      }
    }
    throw decode_error{std::string("missing field ") + name};
  }
  template <class T>
  void operator()(const char* name, T& field) {
    const auto& found = find(name);
    try {
      unpack_value(found, field);
    } catch (decode_error& e) {
      throw decode_error{std::string(name) + ": " + e.what};
    }
  }
};

template <class T>
void unpack_number(const msgpack::object& from, T& to) {
  if constexpr (std::is_same_v<T, bool>) {
    if (from.type != msgpack::type::BOOLEAN) throw decode_error{"not a boolean"};
    to = from.via.boolean;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (from.type == msgpack::type::FLOAT64 || from.type == msgpack::type::FLOAT32)
      to = from.via.f64;
    else if (from.type == msgpack::type::POSITIVE_INTEGER)
      to = static_cast<T>(from.via.u64);
    else if (from.type == msgpack::type::NEGATIVE_INTEGER)
      to = static_cast<T>(from.via.i64);
    else
      throw decode_error{"not a number"};
  } else {
    bool positive = from.type == msgpack::type::POSITIVE_INTEGER;
    bool negative = std::is_signed_v<T> && from.type == msgpack::type::NEGATIVE_INTEGER;
    if (positive && std::in_range<T>(from.via.u64))
      to = static_cast<T>(from.via.u64);
    else if (negative && std::in_range<T>(from.via.i64))
      to = static_cast<T>(from.via.i64);
    else
      throw decode_error{"not an integer in range"};
  }
}

inline std::string_view unpack_text(const msgpack::object& from) {
  if (from.type != msgpack::type::STR) throw decode_error{"not a string"};
  std::string_view text{from.via.str.ptr, from.via.str.size};
  if (!valid_utf8(text)) throw decode_error{"not UTF-8"};
  return text;
}

template <class T>
void unpack_value(const msgpack::object& from, T& to) {
  if constexpr (is_strong<T>::value) {
    unpack_value(from, to.value);
  } else if constexpr (std::is_same_v<T, version>) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size != 2)
      throw decode_error{"not [epoch, seq]"};
    unpack_number(from.via.array.ptr[0], to.epoch.value);
    unpack_number(from.via.array.ptr[1], to.seq.value);
  } else if constexpr (std::is_same_v<T, bytes>) {
    if (from.type != msgpack::type::BIN) throw decode_error{"not binary"};
    to.data.assign(from.via.bin.ptr, from.via.bin.size);
  } else if constexpr (std::is_enum_v<T>) {
    auto name = unpack_text(from);
    auto value = parse_enum<T>(name);
    if (!value) throw decode_error{"unknown name " + clean_utf8(name.substr(0, 40))};
    to = *value;
  } else if constexpr (std::is_same_v<T, std::string>) {
    to = unpack_text(from);
  } else if constexpr (std::is_arithmetic_v<T>) {
    unpack_number(from, to);
  } else if constexpr (is_vector<T>::value) {
    if (from.type != msgpack::type::ARRAY) throw decode_error{"not an array"};
    to.clear();
    // Sizes up to what the smallest honest elements need: a hostile "million of nil" fails at its
    // first.
    to.reserve(std::min<size_t>(from.via.array.size, reserve_bytes_max / sizeof(to[0]) + 1));
    for (uint32_t i = 0; i < from.via.array.size; ++i)
      unpack_value(from.via.array.ptr[i], to.emplace_back());
  } else if constexpr (is_array<T>::value) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size != to.size())
      throw decode_error{"not an array of " + std::to_string(to.size())};
    for (uint32_t i = 0; i < from.via.array.size; ++i) unpack_value(from.via.array.ptr[i], to[i]);
  } else if constexpr (is_map<T>::value) {
    if (from.type != msgpack::type::MAP) throw decode_error{"not a map"};
    to.clear();
    for (uint32_t i = 0; i < from.via.map.size; ++i)
      unpack_value(from.via.map.ptr[i].val, to[std::string(unpack_text(from.via.map.ptr[i].key))]);
  } else {
    if (from.type != msgpack::type::MAP) throw decode_error{"not a map"};
    unpack_visitor visitor{from.via.map};
    describe(visitor, to);
  }
}

} // namespace harbinger::wire
