#pragma once

/// Numbers as little-endian bytes in streams, for the files of learning machines.

#include <bit>
#include <cstdint>
#include <istream>
#include <ostream>
#include <type_traits>
#include <vector>

namespace harbinger::predict {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

template <class T>
void put_number(std::ostream& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.write(reinterpret_cast<const char*>(&value), sizeof value);
}

/// False at the end of the stream.
template <class T>
bool take_number(std::istream& in, T& value) {
  static_assert(std::is_arithmetic_v<T>);
  return static_cast<bool>(in.read(reinterpret_cast<char*>(&value), sizeof value));
}

template <class T>
void put_numbers(std::ostream& out, const std::vector<T>& values) {
  put_number(out, static_cast<uint32_t>(values.size()));
  for (const T& v : values) put_number(out, v);
}

/// False at the end of the stream, and for more than `max`. Grows with what is really there, so a
/// wrong length reserves nothing.
template <class T>
bool take_numbers(std::istream& in, std::vector<T>& values, size_t max) {
  uint32_t n = 0;
  if (!take_number(in, n) || n > max) return false;
  values.clear();
  for (T v{}; values.size() < n; values.push_back(v))
    if (!take_number(in, v)) return false;
  return true;
}

} // namespace harbinger::predict
