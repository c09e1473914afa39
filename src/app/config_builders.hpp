#pragma once

/// How the table of keys (config_keys.cpp) makes its rows: one builder a type, each with its check
/// and its TOML form. `access` is a function from settings& to a reference to the field. Only for
/// config_keys.cpp and config_protection_keys.cpp.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "app/config.hpp"

namespace harbinger::config_builders {

#define FIELD(path) ([](settings & s) -> auto& { return s.path; })

inline constexpr uint64_t minute_ms = 60'000;
inline constexpr uint64_t bytes_most = uint64_t{1} << 50;
inline constexpr double day_s = 86'400;

/// Keys of zones, copies and placement (config_protection_keys.cpp).
void protection_keys(std::vector<config_key>& keys);

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

/// Shortest text that reads back as the same number, always with a point or exponent as TOML wants
/// it.
inline std::string number_text(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

template <class T, class F>
std::string list_text(const std::vector<T>& items, F text_of) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + text_of(items[i]);
  return out + ']';
}

inline std::string literal(bool v) { return v ? "true" : "false"; }
inline std::string literal(double v) { return number_text(v); }
inline std::string literal(const std::string& v) { return quoted(v); }
inline std::string literal(const node_id& v) { return quoted(v.value); }
inline std::string literal(const std::vector<std::string>& v) { return list_text(v, quoted); }
inline std::string literal(const std::vector<double>& v) { return list_text(v, number_text); }
inline std::string literal(const attributes& v) {
  std::string out;
  for (const auto& [key, value] : v)
    out += (out.empty() ? " " : ", ") + quoted(key) + " = " + quoted(value);
  return out.empty() ? "{}" : '{' + out + " }";
}
template <std::unsigned_integral T>
inline std::string literal(T v) {
  return std::to_string(v);
}

inline auto wrong_type(const char* wanted) {
  return fail(errc::invalid_argument, std::string{"wrong type, wanted "} + wanted);
}

enum class where_used : uint8_t { central, node, both };

/// Everything of a key but how it is stored.
struct outline {
  const char* name;
  where_used used;
  takes_effect when;
  const char* unit;
  const char* effect;
};
constexpr auto live = takes_effect::at_once;
constexpr auto restart = takes_effect::at_restart;

template <class Access>
config_key base_key(const outline& o, const char* type, std::string range, Access access) {
  config_key key;
  key.name = o.name;
  key.type = type;
  key.unit = o.unit;
  key.range = std::move(range);
  key.central = o.used != where_used::node;
  key.node = o.used != where_used::central;
  key.when = o.when;
  key.effect = o.effect;
  key.get = [access](const settings& s) { return literal(access(const_cast<settings&>(s))); };
  return key;
}

template <class Access>
config_key integer(outline o, uint64_t min, uint64_t max, Access access) {
  auto range = std::to_string(min) + ".." + std::to_string(max);
  auto key = base_key(o, "integer", range, access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    using target = std::decay_t<decltype(access(s))>;
    const auto* v = std::get_if<int64_t>(&value);
    if (!v) return wrong_type("an integer");
    if (*v < 0 || static_cast<uint64_t>(*v) < min || static_cast<uint64_t>(*v) > max)
      return fail(errc::invalid_argument, std::to_string(*v) + " is out of range " + range);
    access(s) = static_cast<target>(*v);
    return {};
  };
  return key;
}

template <class Access>
config_key number(outline o, double min, double max, Access access) {
  auto range = number_text(min) + ".." + number_text(max);
  auto key = base_key(o, "number", range, access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    double v = std::numeric_limits<double>::quiet_NaN();
    if (const auto* i = std::get_if<int64_t>(&value))
      v = static_cast<double>(*i);
    else if (const auto* d = std::get_if<double>(&value))
      v = *d;
    else
      return wrong_type("a number");
    if (!(v >= min && v <= max))
      return fail(errc::invalid_argument, number_text(v) + " is out of range " + range);
    access(s) = v;
    return {};
  };
  return key;
}

template <class Access>
config_key boolean(outline o, Access access) {
  auto key = base_key(o, "boolean", "true, false", access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    const auto* v = std::get_if<bool>(&value);
    if (!v) return wrong_type("true or false");
    access(s) = *v;
    return {};
  };
  return key;
}

using text_check = result<> (*)(const std::string&);
inline result<> any_text(const std::string&) { return {}; }
inline result<> some_text(const std::string& v) {
  if (v.empty()) return fail(errc::invalid_argument, "must not be empty");
  return {};
}
inline result<> check_endpoint(const std::string& v) {
  auto colon = v.rfind(':');
  if (!v.starts_with("tcp://") || colon == std::string::npos || colon <= 6 || colon + 1 == v.size())
    return fail(errc::invalid_argument, quoted(v) + " is not tcp://HOST:PORT");
  auto port = v.substr(colon + 1);
  uint32_t number = 0;
  auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || number == 0
      || number > 65535)
    return fail(errc::invalid_argument, quoted(v) + ": the port must be 1..65535");
  return {};
}
inline result<> check_http(const std::string& v) {
  if (v.empty()) return {};
  auto checked = check_endpoint("tcp://" + v);
  if (!checked) return fail(errc::invalid_argument, quoted(v) + " is not HOST:PORT");
  return {};
}
inline result<> check_level(const std::string& v) {
  for (const char* level : {"debug", "info", "warning", "error"})
    if (v == level) return {};
  return fail(errc::invalid_argument, quoted(v) + " is none of debug, info, warning, error");
}
inline result<> check_strategy(const std::string& v) {
  for (const char* strategy : {"weighted", "random", "power_of_two", "rendezvous"})
    if (v == strategy) return {};
  return fail(errc::invalid_argument,
              quoted(v) + " is none of weighted, random, power_of_two, rendezvous");
}
inline result<> check_node_id(const std::string& v) {
  if (!valid_node_id(v))
    return fail(errc::invalid_argument, quoted(v) + " is not 1 to 64 of A-Z a-z 0-9 . _ -");
  return {};
}

template <class Access>
config_key text(outline o, const char* range, text_check check, Access access) {
  auto key = base_key(o, "text", range, access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    const auto* v = std::get_if<std::string>(&value);
    if (!v) return wrong_type("text");
    if (auto checked = check(*v); !checked) return checked;
    access(s) = std::decay_t<decltype(access(s))>{*v};
    return {};
  };
  return key;
}

template <class Access>
config_key texts(outline o, Access access) {
  auto key = base_key(o, "list of text", "", access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    const auto* v = std::get_if<std::vector<std::string>>(&value);
    if (!v) return wrong_type("a list of text");
    access(s) = *v;
    return {};
  };
  return key;
}

template <class Access>
config_key numbers(outline o, double min, double max, size_t count_min, size_t count_max,
                   Access access) {
  auto range = std::to_string(count_min) + ".." + std::to_string(count_max) + " of "
               + number_text(min) + ".." + number_text(max);
  auto key = base_key(o, "list of numbers", range, access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    const auto* v = std::get_if<std::vector<double>>(&value);
    static const std::vector<double> none; // an empty list has no type of its own
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value); texts && texts->empty())
      v = &none;
    if (!v) return wrong_type("a list of numbers");
    auto inside = [&](double d) { return d >= min && d <= max; };
    if (v->size() < count_min || v->size() > count_max
        || !std::all_of(v->begin(), v->end(), inside))
      return fail(errc::invalid_argument, list_text(*v, number_text) + " is out of range " + range);
    access(s) = *v;
    return {};
  };
  return key;
}

template <class Access>
config_key table_of_text(outline o, Access access) {
  auto key = base_key(o, "table of text", "", access);
  key.set = [=](settings& s, const config_value& value) -> result<> {
    if (const auto* none = std::get_if<std::vector<std::string>>(&value); none && none->empty()) {
      access(s) = {};
      return {};
    }
    const auto* v = std::get_if<std::map<std::string, std::string>>(&value);
    if (!v) return wrong_type("a table of text");
    access(s) = *v;
    return {};
  };
  return key;
}

} // namespace harbinger::config_builders
