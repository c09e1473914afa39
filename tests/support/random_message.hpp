#pragma once

/// Random values for any struct with a `describe`: what round trips, documentation examples and
/// fuzzing are made from.

#include <cstring>
#include <limits>
#include <random>

#include "messages/common.hpp"

namespace harbinger::test {

using engine = std::mt19937_64;

/// Fills every field. Numbers are often extreme, text is UTF-8 with non-ASCII in it, containers are
/// small and often empty.
struct random_filler {
  engine& random;
  bool finite = false; ///< no NaN or infinity

  uint64_t below(uint64_t n) { return random() % n; }

  template <class T>
  void operator()(const char*, T& field) {
    fill(field);
  }

  void fill(bool& x) { x = below(2) != 0; }
  void fill(double& x) {
    switch (below(8)) {
    case 0: x = 0.0; break;
    case 1: x = finite ? -1.5 : std::numeric_limits<double>::quiet_NaN(); break;
    case 2: x = finite ? 3.0 : -std::numeric_limits<double>::infinity(); break;
    case 3: x = std::numeric_limits<double>::denorm_min(); break;
    default: x = static_cast<double>(static_cast<int64_t>(random())) / 1e12;
    }
  }
  template <class T>
  requires std::is_integral_v<T>
  void fill(T& x) {
    switch (below(6)) {
    case 0: x = std::numeric_limits<T>::max(); break;
    case 1: x = std::numeric_limits<T>::min(); break;
    case 2: x = static_cast<T>(below(128)); break;
    default: x = static_cast<T>(random());
    }
  }
  template <class E>
  requires std::is_enum_v<E>
  void fill(E& x) { x = static_cast<E>(below(enum_names(E{}).size())); }
  void fill(std::string& x) {
    static constexpr std::array pieces{
        "n1",           "tcp://127.0.0.1:7500", " ", "gr\xC3\xBC\xC3\x9F",
        "\xE2\x82\xAC", "\xF0\x9F\x94\xA5",     "x", "0"};
    x.clear();
    for (auto n = below(6); n > 0; --n) x += pieces[below(pieces.size())];
    if (below(50) == 0) x.append(70'000, 'y'); // needs a 32-bit length
  }
  void fill(bytes& x) {
    x.data.clear();
    for (auto n = below(20); n > 0; --n) x.data += static_cast<char>(random());
    if (below(50) == 0) x.data.append(70'000, '\0');
  }
  void fill(version& x) {
    fill(x.epoch.value);
    fill(x.seq.value);
  }
  template <class Tag, class Rep>
  void fill(strong<Tag, Rep>& x) {
    fill(x.value);
  }
  template <class T>
  void fill(std::vector<T>& x) {
    x.clear();
    for (auto n = below(5); n > 0; --n) fill(x.emplace_back());
  }
  template <class T, size_t N>
  void fill(std::array<T, N>& x) {
    for (auto& item : x) fill(item);
  }
  template <class T>
  void fill(std::map<std::string, T>& x) {
    x.clear();
    for (auto n = below(4); n > 0; --n) {
      std::string key;
      fill(key);
      fill(x[key]);
    }
  }
  template <class T>
  requires std::is_class_v<T>
  void fill(T& x) { describe(*this, x); }
};

template <class T>
T random_message(engine& random, bool finite = false) {
  T out;
  random_filler filler{random, finite};
  describe(filler, out);
  return out;
}

} // namespace harbinger::test
