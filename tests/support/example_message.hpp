#pragma once

/// One telling value for every type of message, made from the fields' names: the examples in
/// docs/PROTOCOL.md. And the form in which a message is shown there: JSON, with binary as
/// h'6b6579'.

#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "messages/common.hpp"
#include "wire/types.hpp"

namespace harbinger::test {

struct example_filler {
  std::string name = {}; ///< of the field that is being filled

  template <class T>
  void operator()(const char* field, T& value) {
    auto outer = std::exchange(name, field);
    fill(value);
    name = outer;
  }

  bool is(std::initializer_list<const char*> names) const {
    for (const char* n : names)
      if (name == n) return true;
    return false;
  }

  void fill(bool& x) { x = true; }
  void fill(double& x) { x = is({"rtt_ms", "lag_ms"}) ? 0.25 : is({"values"}) ? 0.5 : 0.75; }
  template <class T>
  requires std::is_integral_v<T>
  void fill(T& x) {
    uint64_t value = is({"capacity_bytes"})                ? 68719476736
                     : is({"incarnation"})                 ? 1731657600123
                     : is({"digest", "checksum"})          ? 0x0123456789abcdefull
                     : is({"size_bytes", "copied_bytes"})  ? 4096
                     : is({"used_bytes", "raw_bytes"})     ? 8192
                     : is({"bytes_max"})                   ? 1 << 20
                     : is({"rate_bytes_per_s"})            ? 64 << 20
                     : is({"heartbeat_ms", "timeout_ms"})  ? 500
                     : is({"report_ms", "wait_ms"})        ? 1000
                     : is({"partitions"})                  ? 12
                     : is({"replicas", "replicas_wanted"}) ? 2
                     : is({"first_seq"})                   ? 17
                     : is({"seq", "committed"})            ? 42
                     : is({"index"})                       ? 1
                     : is({"limit"})                       ? 100
                     : is({"time"})                        ? 1731657600456
                     : is({"epoch"})                       ? 3
                     : is({"revision"})                    ? 8
                     : is({"previous"})                    ? 7
                                                           : 1;
    x = static_cast<T>(value);
  }
  template <class E>
  requires std::is_enum_v<E>
  void fill(E& x) {
    x = static_cast<E>(is({"role", "state"}) && !std::is_same_v<E, node_state> ? 1 : 0);
  }
  void fill(std::string& x) {
    x = is({"node", "primary", "sync_set", "source", "from", "members", "target"}) ? "n1"
        : is({"exposed", "caught_up", "joiners", "left_out", "subject"})           ? "n2"
        : is({"endpoint", "data_endpoint"}) ? "tcp://127.0.0.1:7501"
        : is({"volume"})                    ? "photos"
        : is({"snapshot", "resume"})        ? "n1-1"
        : is({"code"})                      ? "not_primary"
        : is({"detail"})                    ? "n2 is the primary"
        : is({"metric", "name"})            ? "process.rss_ratio"
        : is({"kind"})                      ? "node_dead"
        : is({"words"})                     ? "status"
        : is({"document"})                  ? R"({"columns":["node"],"rows":[["n1"]]})"
        : is({"domain"})                    ? "node=n1"
        : is({"model"})                     ? "heuristic"
        : is({"failure"})                   ? ""
                                            : "why";
  }
  void fill(bytes& x) { x.data = is({"value"}) ? "value" : "key"; }
  void fill(version& x) {
    x.epoch.value = 3;
    x.seq.value = is({"previous", "after"}) ? 41 : 42;
  }
  template <class Tag, class Rep>
  void fill(strong<Tag, Rep>& x) {
    fill(x.value);
  }
  void fill(partition_id& x) { x = make_partition_id(1, 2); }
  template <class T>
  void fill(std::vector<T>& x) {
    fill(x.emplace_back());
  }
  template <class T, size_t N>
  void fill(std::array<T, N>& x) {
    for (size_t i = 0; i < N; ++i) x[i] = static_cast<T>(i);
  }
  void fill(std::map<std::string, std::string>& x) { x = {{"host", "h1"}, {"rack", "r1"}}; }
  void fill(std::map<std::string, double>& x) { x = {{"n2", 0.25}}; }
  template <class T>
  requires std::is_class_v<T>
  void fill(T& x) { describe(*this, x); }
};

template <class T>
T example_message() {
  T out;
  example_filler filler;
  describe(filler, out);
  return out;
}
/// Its rows are real ones, so that a reader can try the checksum.
template <>
inline snapshot_chunk example_message<snapshot_chunk>() {
  snapshot_chunk out;
  example_filler filler;
  describe(filler, out);
  std::string rows{'\x91', '\x92', '\xc4', 3, 'k', 'e', 'y', '\xc4', 5, 'v', 'a', 'l', 'u', 'e'};
  out.rows = blob(rows);
  out.zstd = false;
  out.raw_bytes = rows.size();
  out.checksum = checksum64(rows);
  return out;
}

inline std::string hex(std::string_view data, const char* between = "") {
  std::string out;
  for (char c : data) {
    char text[3];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += (out.empty() ? "" : between) + std::string(text);
  }
  return out;
}

/// The text form of a decoded message.
struct text_writer {
  std::string out = {};
  bool first = true;

  template <class T>
  void operator()(const char* field, T& value) {
    out += first ? "" : ", ";
    first = false;
    show(std::string(field));
    out += ": ";
    show(value);
  }
  void show(const bool& x) { out += x ? "true" : "false"; }
  void show(const double& x) {
    char text[40];
    auto end = std::to_chars(text, text + sizeof text, x).ptr;
    std::string number(text, end);
    out += number;
    if (std::isfinite(x) && number.find_first_of(".e") == std::string::npos) out += ".0";
  }
  template <class T>
  requires std::is_integral_v<T>
  void show(const T& x) { out += std::to_string(x); }
  template <class E>
  requires std::is_enum_v<E>
  void show(const E& x) { show(std::string(name_of(x))); }
  void show(const std::string& x) {
    out += '"';
    for (char c : x) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    out += '"';
  }
  void show(const bytes& x) { out += "h'" + hex(x.data) + "'"; }
  void show(const version& x) {
    out += "[" + std::to_string(x.epoch.value) + ", " + std::to_string(x.seq.value) + "]";
  }
  template <class Tag, class Rep>
  void show(const strong<Tag, Rep>& x) {
    show(x.value);
  }
  template <class T>
  void show_items(const T& items) {
    out += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      out += i ? ", " : "";
      show(items[i]);
    }
    out += ']';
  }
  template <class T>
  void show(const std::vector<T>& x) {
    show_items(x);
  }
  template <class T, size_t N>
  void show(const std::array<T, N>& x) {
    show_items(x);
  }
  template <class T>
  void show(const std::map<std::string, T>& x) {
    out += '{';
    for (const auto& [key, item] : x) {
      out += out.back() == '{' ? "" : ", ";
      show(key);
      out += ": ";
      show(item);
    }
    out += '}';
  }
  template <class T>
  requires std::is_class_v<T>
  void show(const T& x) {
    text_writer inner;
    describe(inner, const_cast<T&>(x));
    out += '{' + inner.out + '}';
  }
};

template <class T>
std::string as_text(const T& message) {
  text_writer writer;
  writer.show(message);
  return writer.out;
}

} // namespace harbinger::test
