#include "wire/telemetry_codec.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "wire/utf8.hpp"

namespace harbinger::wire {
namespace {
/// Thrown inside this file only.
struct bad_batch {
  errc code;
  std::string what;
};

/// Walks over msgpack bytes. Every read checks the end.
class cursor {
public:
  explicit cursor(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  const char* position() const { return at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  void skip(size_t n) {
    need(n);
    at_ += n;
  }
  uint8_t byte() {
    need(1);
    return static_cast<uint8_t>(*at_++);
  }
  template <class T>
  T big_endian() {
    need(sizeof(T));
    T out;
    std::memcpy(&out, at_, sizeof(T));
    at_ += sizeof(T);
    if constexpr (sizeof(T) == 8)
      return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(out)));
    else if constexpr (sizeof(T) == 4)
      return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(out)));
    else if constexpr (sizeof(T) == 2)
      return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(out)));
    else
      return out;
  }
  uint32_t map_size() {
    auto tag = byte();
    if ((tag & 0xf0) == 0x80) return tag & 0x0f;
    if (tag == 0xde) return big_endian<uint16_t>();
    if (tag == 0xdf) return big_endian<uint32_t>();
    throw bad_batch{errc::malformed, "not a map"};
  }
  uint32_t array_size() {
    auto tag = byte();
    if ((tag & 0xf0) == 0x90) return tag & 0x0f;
    if (tag == 0xdc) return big_endian<uint16_t>();
    if (tag == 0xdd) return big_endian<uint32_t>();
    throw bad_batch{errc::malformed, "not an array"};
  }
  std::string_view text() {
    auto tag = byte();
    size_t size = 0;
    if ((tag & 0xe0) == 0xa0)
      size = tag & 0x1f;
    else if (tag == 0xd9)
      size = big_endian<uint8_t>();
    else if (tag == 0xda)
      size = big_endian<uint16_t>();
    else if (tag == 0xdb)
      size = big_endian<uint32_t>();
    else
      throw bad_batch{errc::malformed, "not a string"};
    need(size);
    std::string_view out(at_, size);
    at_ += size;
    return out;
  }
  double number() {
    auto tag = byte();
    if (tag == 0xcb) [[likely]]
      return std::bit_cast<double>(big_endian<uint64_t>());
    if (tag == 0xca) return static_cast<double>(std::bit_cast<float>(big_endian<uint32_t>()));
    --at_;
    bool negative = false;
    uint64_t raw = integer(negative);
    return negative ? static_cast<double>(static_cast<int64_t>(raw)) : static_cast<double>(raw);
  }
  uint64_t unsigned_integer() {
    bool negative = false;
    uint64_t raw = integer(negative);
    if (negative) throw bad_batch{errc::malformed, "not an integer in range"};
    return raw;
  }
  int64_t signed_integer() {
    bool negative = false;
    uint64_t raw = integer(negative);
    if (!negative && raw > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      throw bad_batch{errc::malformed, "not an integer in range"};
    return static_cast<int64_t>(raw);
  }
  /// Passes over any value, no deeper than the codec goes.
  void pass(int depth = 0) {
    if (depth > 16) throw bad_batch{errc::malformed, "nested too deep"};
    auto tag = byte();
    if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3) return;
    if (tag <= 0x8f) return pass_items(2 * size_t{tag & 0x0fu}, depth);
    if (tag <= 0x9f) return pass_items(tag & 0x0fu, depth);
    if (tag <= 0xbf) return skip(tag & 0x1fu);
    switch (tag) {
    case 0xc4:
    case 0xd9: return skip(big_endian<uint8_t>());
    case 0xc5:
    case 0xda: return skip(big_endian<uint16_t>());
    case 0xc6:
    case 0xdb: return skip(big_endian<uint32_t>());
    case 0xcc:
    case 0xd0: return skip(1);
    case 0xcd:
    case 0xd1: return skip(2);
    case 0xca:
    case 0xce:
    case 0xd2: return skip(4);
    case 0xcb:
    case 0xcf:
    case 0xd3: return skip(8);
    case 0xdc: return pass_items(big_endian<uint16_t>(), depth);
    case 0xdd: return pass_items(big_endian<uint32_t>(), depth);
    case 0xde: return pass_items(2 * size_t{big_endian<uint16_t>()}, depth);
    case 0xdf: return pass_items(2 * size_t{big_endian<uint32_t>()}, depth);
    default: throw bad_batch{errc::malformed, "extension types are not spoken here"};
    }
  }

private:
  void need(size_t n) const {
    if (left() < n) [[unlikely]]
      throw bad_batch{errc::malformed, "the body ends too early"};
  }
  void pass_items(size_t n, int depth) {
    if (n > left()) throw bad_batch{errc::malformed, "the body ends too early"};
    for (size_t i = 0; i < n; ++i) pass(depth + 1);
  }
  /// Two's complement when negative.
  uint64_t integer(bool& negative) {
    auto tag = byte();
    int64_t low = 0;
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0)
      low = static_cast<int8_t>(tag);
    else if (tag == 0xcc)
      return big_endian<uint8_t>();
    else if (tag == 0xcd)
      return big_endian<uint16_t>();
    else if (tag == 0xce)
      return big_endian<uint32_t>();
    else if (tag == 0xcf)
      return big_endian<uint64_t>();
    else if (tag == 0xd0)
      low = big_endian<int8_t>();
    else if (tag == 0xd1)
      low = big_endian<int16_t>();
    else if (tag == 0xd2)
      low = big_endian<int32_t>();
    else if (tag == 0xd3)
      low = big_endian<int64_t>();
    else
      throw bad_batch{errc::malformed, "not a number"};
    negative = low < 0;
    return static_cast<uint64_t>(low);
  }

  const char* at_;
  const char* end_;
};

std::string_view utf8(std::string_view text) {
  if (!valid_utf8(text)) throw bad_batch{errc::malformed, "not UTF-8"};
  return text;
}

std::vector<metric_spec> read_metrics(cursor& in) {
  auto n = in.array_size();
  if (n > batch_metrics_max) throw bad_batch{errc::invalid_argument, "more than 256 metrics"};
  std::vector<metric_spec> out;
  std::set<std::string_view> names;
  for (uint32_t i = 0; i < n; ++i) {
    metric_spec one;
    bool has_name = false, has_kind = false;
    for (auto fields = in.map_size(); fields > 0; --fields) {
      auto key = in.text();
      if (key == "name" && !has_name) {
        one.name = utf8(in.text());
        has_name = true;
      } else if (key == "kind" && !has_kind) {
        auto kind = parse_enum<metric_kind>(in.text());
        if (!kind) throw bad_batch{errc::malformed, "kind: unknown name"};
        one.kind = *kind;
        has_kind = true;
      } else {
        in.pass();
      }
    }
    if (!has_name || !has_kind) throw bad_batch{errc::malformed, "metrics: missing field"};
    out.push_back(std::move(one));
  }
  for (const auto& m : out)
    if (m.name.empty() || m.name.size() > 64 || !names.insert(m.name).second)
      throw bad_batch{errc::invalid_argument, "metrics: empty, overlong or repeated name"};
  return out;
}
} // namespace

struct telemetry_parser {
  telemetry_reader& reader;
  telemetry_rows out;
  size_t width = 0; ///< values a row

  void metrics(cursor& in) {
    auto& known = reader.schemas_;
    for (size_t step = 0; step < known.size(); ++step) {
      auto at = (reader.last_ + step) % known.size();
      const auto& bytes = known[at].bytes;
      // A msgpack value says where it ends, so equal bytes up to there are the whole list.
      if (bytes.size() > in.left() || std::memcmp(bytes.data(), in.position(), bytes.size()) != 0)
        continue;
      reader.last_ = at;
      out.metrics = known[at].metrics;
      return in.skip(bytes.size());
    }
    const char* start = in.position();
    out.metrics = std::make_shared<const std::vector<metric_spec>>(read_metrics(in));
    telemetry_reader::schema fresh{{start, in.position()}, out.metrics};
    if (known.size() < telemetry_reader::schemas_max) {
      known.push_back(std::move(fresh));
      return;
    }
    known[reader.oldest_] = std::move(fresh);
    reader.oldest_ = (reader.oldest_ + 1) % known.size();
  }

  void rows(cursor& in) {
    auto n = in.array_size();
    if (n > batch_rows_max) throw bad_batch{errc::invalid_argument, "more than 1024 rows"};
    if (n > in.left()) throw bad_batch{errc::malformed, "the body ends too early"};
    out.times.reserve(n);
    for (uint32_t i = 0; i < n; ++i) row(in, n);
  }

  void row(cursor& in, size_t rows_in_all) {
    bool has_time = false, has_values = false;
    for (auto fields = in.map_size(); fields > 0; --fields) {
      auto key = in.text();
      if (key == "time" && !has_time) {
        out.times.push_back(unix_ms{in.signed_integer()});
        has_time = true;
      } else if (key == "values" && !has_values) {
        size_t n = in.array_size();
        if (n > in.left()) throw bad_batch{errc::malformed, "the body ends too early"};
        if (out.values.empty()) {
          width = n;
          // Each value takes a byte at least, so a hostile count can not make this large.
          out.values.reserve(std::min(n * rows_in_all, in.left()));
        }
        if (n != width) throw bad_batch{errc::invalid_argument, "rows of unequal length"};
        for (size_t i = 0; i < n; ++i) out.values.push_back(in.number());
        has_values = true;
      } else {
        in.pass();
      }
    }
    if (!has_time || !has_values) throw bad_batch{errc::malformed, "rows: missing field"};
  }

  void batch(std::string_view body) {
    cursor in(body);
    enum : unsigned { node = 1, life = 2, seq = 4, metric_list = 8, row_list = 16, all = 31 };
    unsigned seen = 0;
    auto first = [&seen](unsigned field) {
      bool is_first = !(seen & field);
      seen |= field;
      return is_first;
    };
    for (auto fields = in.map_size(); fields > 0; --fields) {
      auto key = in.text();
      if (key == "node" && first(node))
        out.node.value = utf8(in.text());
      else if (key == "incarnation" && first(life))
        out.life.value = in.unsigned_integer();
      else if (key == "seq" && first(seq))
        out.seq = in.unsigned_integer();
      else if (key == "metrics" && first(metric_list))
        metrics(in);
      else if (key == "rows" && first(row_list))
        rows(in);
      else
        in.pass();
    }
    if (seen != all) throw bad_batch{errc::malformed, "missing field"};
    if (in.left() != 0) throw bad_batch{errc::malformed, "bytes after the end of the body"};
    if (!out.times.empty() && width != out.metrics->size())
      throw bad_batch{errc::invalid_argument, "a row has not as many values as there are metrics"};
  }
};

result<telemetry_rows> telemetry_reader::read(std::string_view body) {
  if (body.size() > telemetry_batch::max_bytes)
    return fail(errc::oversize, std::to_string(body.size()) + " bytes");
  telemetry_parser parser{*this, {}};
  try {
    parser.batch(body);
  } catch (bad_batch& bad) {
    return fail(bad.code, std::move(bad.what));
  }
  return std::move(parser.out);
}

} // namespace harbinger::wire
