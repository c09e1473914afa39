#include <boost/test/unit_test.hpp>

#include <bit>
#include <cmath>
#include <limits>

#include <msgpack.hpp>

#include "tests/support/random_message.hpp"
#include "wire/codec.hpp"
#include "wire/types.hpp"
#include "wire/utf8.hpp"

using namespace harbinger;
using namespace harbinger::wire;
using harbinger::test::engine;
using harbinger::test::random_message;

namespace {

constexpr uint64_t seed = 20240717;

/// The pairs of an encoded map, each as bytes, so that tests can leave out, add and replace fields.
struct open_map {
  std::vector<std::pair<std::string, std::string>> pairs; // name, encoded value

  explicit open_map(const std::string& encoded) {
    auto handle = msgpack::unpack(encoded.data(), encoded.size());
    const auto& map = handle.get().via.map;
    for (uint32_t i = 0; i < map.size; ++i) {
      msgpack::sbuffer value;
      msgpack::pack(value, map.ptr[i].val);
      pairs.emplace_back(map.ptr[i].key.as<std::string>(), std::string(value.data(), value.size()));
    }
  }
  std::string close() const {
    msgpack::sbuffer out;
    msgpack::packer<msgpack::sbuffer> pack(out);
    pack.pack_map(static_cast<uint32_t>(pairs.size()));
    for (const auto& [name, value] : pairs) {
      pack.pack(name);
      out.write(value.data(), value.size());
    }
    return {out.data(), out.size()};
  }
};

std::string raw(std::initializer_list<int> values) {
  std::string out;
  for (int v : values) out += static_cast<char>(v);
  return out;
}

template <class T>
void every_value_survives(const char* name) {
  engine random(seed);
  for (int i = 0; i < 200; ++i) {
    auto encoded = encode(random_message<T>(random));
    auto decoded = decode<T>(encoded);
    BOOST_TEST_REQUIRE(decoded.has_value(), name << " seed " << seed << " round " << i);
    BOOST_TEST_REQUIRE((encode(*decoded) == encoded), name << " seed " << seed << " round " << i);
  }
}

template <class T>
void unknown_fields_are_passed_over(const char* name) {
  engine random(seed);
  auto encoded = encode(random_message<T>(random));
  open_map map(encoded);
  auto nested = raw({0x82, 0xa1, 'a', 0x93, 1, 2, 3, 0xc0, 0xc2}); // {"a": [1,2,3], nil: false}
  map.pairs.insert(map.pairs.begin(), {"from_the_future", nested});
  map.pairs.emplace_back("another", raw({0xc3}));
  auto decoded = decode<T>(map.close());
  BOOST_TEST_REQUIRE(decoded.has_value(), name);
  BOOST_TEST((encode(*decoded) == encoded), name);
}

template <class T>
void the_order_of_fields_does_not_matter(const char* name) {
  engine random(seed);
  auto encoded = encode(random_message<T>(random));
  open_map map(encoded);
  std::reverse(map.pairs.begin(), map.pairs.end());
  auto decoded = decode<T>(map.close());
  BOOST_TEST_REQUIRE(decoded.has_value(), name);
  BOOST_TEST((encode(*decoded) == encoded), name);
}

template <class T>
void a_missing_field_is_named(const char* name) {
  engine random(seed);
  auto whole = open_map(encode(random_message<T>(random)));
  for (size_t i = 0; i < whole.pairs.size(); ++i) {
    auto map = whole;
    map.pairs.erase(map.pairs.begin() + static_cast<ptrdiff_t>(i));
    auto decoded = decode<T>(map.close());
    BOOST_TEST_REQUIRE(!decoded.has_value(), name << " without " << whole.pairs[i].first);
    BOOST_TEST((decoded.error().code == errc::malformed));
    BOOST_TEST(decoded.error().detail == "missing field " + whole.pairs[i].first);
  }
}

template <class T>
void a_field_of_the_wrong_type_is_named(const char* name) {
  engine random(seed);
  auto whole = open_map(encode(random_message<T>(random)));
  for (size_t i = 0; i < whole.pairs.size(); ++i) {
    auto map = whole;
    map.pairs[i].second = raw({0xc0}); // nil is nothing to anybody
    auto decoded = decode<T>(map.close());
    BOOST_TEST_REQUIRE(!decoded.has_value(), name << " with nil for " << whole.pairs[i].first);
    BOOST_TEST((decoded.error().code == errc::malformed));
    BOOST_TEST(decoded.error().detail.starts_with(whole.pairs[i].first + ": not "),
               decoded.error().detail);
  }
}

template <class T>
void every_truncation_is_malformed(const char* name) {
  engine random(seed);
  auto encoded = encode(random_message<T>(random));
  for (size_t n = 0; n < encoded.size(); n += 1 + encoded.size() / 500) {
    auto decoded = decode<T>(std::string_view(encoded).substr(0, n));
    BOOST_TEST_REQUIRE(!decoded.has_value(), name << " cut to " << n);
    BOOST_TEST((decoded.error().code == errc::malformed));
  }
  BOOST_TEST(!decode<T>(encoded + '\0').has_value(), name << " with a byte behind it");
}

template <class T>
void too_long_is_refused_unseen(const char* name) {
  if constexpr (requires { T::max_bytes; }) {
    auto decoded = decode<T>(std::string(T::max_bytes + 1, '\0'));
    BOOST_TEST((!decoded && decoded.error().code == errc::oversize), name);
  }
}

append_request one_append() {
  append_request m;
  m.entries.push_back({version{epoch{1}, seq_no{2}}, {{{op_kind::erase, bytes{"k"}, bytes{}}}}});
  return m;
}

} // namespace

#define EVERY_TYPE(check)                                                                          \
  BOOST_AUTO_TEST_CASE(check##_for_every_type) {                                                   \
    HARBINGER_WIRE_MESSAGES(check##_CALL) HARBINGER_STORED_ROWS(check##_CALL)                      \
  }
#define every_value_survives_CALL(T) every_value_survives<T>(#T);
#define unknown_fields_are_passed_over_CALL(T) unknown_fields_are_passed_over<T>(#T);
#define the_order_of_fields_does_not_matter_CALL(T) the_order_of_fields_does_not_matter<T>(#T);
#define a_missing_field_is_named_CALL(T) a_missing_field_is_named<T>(#T);
#define a_field_of_the_wrong_type_is_named_CALL(T) a_field_of_the_wrong_type_is_named<T>(#T);
#define every_truncation_is_malformed_CALL(T) every_truncation_is_malformed<T>(#T);
#define too_long_is_refused_unseen_CALL(T) too_long_is_refused_unseen<T>(#T);

EVERY_TYPE(every_value_survives)
EVERY_TYPE(unknown_fields_are_passed_over)
EVERY_TYPE(the_order_of_fields_does_not_matter)
EVERY_TYPE(a_missing_field_is_named)
EVERY_TYPE(a_field_of_the_wrong_type_is_named)
EVERY_TYPE(every_truncation_is_malformed)
EVERY_TYPE(too_long_is_refused_unseen)

BOOST_AUTO_TEST_CASE(an_inner_error_names_the_way_to_it) {
  auto m = one_append();
  auto encoded = encode(m);
  auto at = encoded.find("erase");
  BOOST_TEST_REQUIRE(at != std::string::npos);
  encoded.replace(at, 5, "burnt");
  auto decoded = decode<append_request>(encoded);
  BOOST_TEST_REQUIRE(!decoded.has_value());
  BOOST_TEST(decoded.error().detail == "entries: ops: op: unknown name burnt");
}

BOOST_AUTO_TEST_CASE(nan_keeps_its_bits_and_integral_doubles_stay_doubles) {
  telemetry_batch batch;
  double nan = std::numeric_limits<double>::quiet_NaN();
  batch.rows.push_back({unix_ms{-5}, {nan, 3.0, -0.0, std::numeric_limits<double>::infinity()}});
  auto decoded = decode<telemetry_batch>(encode(batch));
  BOOST_TEST_REQUIRE(decoded.has_value());
  const auto& values = decoded->rows.at(0).values;
  BOOST_TEST(std::bit_cast<uint64_t>(values.at(0)) == std::bit_cast<uint64_t>(nan));
  BOOST_TEST(values.at(1) == 3.0);
  BOOST_TEST(encode(batch).find(raw({0xcb, 0x40, 0x08, 0, 0, 0, 0, 0, 0})) != std::string::npos);
  BOOST_TEST(std::signbit(values.at(2)));
  BOOST_TEST(std::isinf(values.at(3)));
  BOOST_TEST(decoded->rows[0].time.value == -5);
}

BOOST_AUTO_TEST_CASE(a_number_where_a_double_belongs_may_be_a_float_or_an_integer) {
  auto with_rtt = [](const std::string& value) {
    open_map map(encode(probe_result{node_id{"n1"}, true, 0.0}));
    map.pairs[2].second = value;
    return decode<probe_result>(map.close());
  };
  BOOST_TEST(with_rtt(raw({0xca, 0x3f, 0xc0, 0, 0}))->rtt_ms == 1.5); // float32
  BOOST_TEST(with_rtt(raw({7}))->rtt_ms == 7.0);
  BOOST_TEST(with_rtt(raw({0xff}))->rtt_ms == -1.0);
  BOOST_TEST(!with_rtt(raw({0xc3})).has_value());
}

BOOST_AUTO_TEST_CASE(an_integer_out_of_range_is_malformed_and_not_cut) {
  open_map map(encode(node_welcome{}));
  map.pairs[1].second = raw({0xcf, 0, 0, 0, 1, 0, 0, 0, 0}); // 2^32 into 32 bits
  auto decoded = decode<node_welcome>(map.close());
  BOOST_TEST_REQUIRE(!decoded.has_value());
  BOOST_TEST(decoded.error().detail == "heartbeat_ms: not an integer in range");
  map.pairs[1].second = raw({0xff}); // -1 into unsigned
  BOOST_TEST(!decode<node_welcome>(map.close()).has_value());
  map.pairs[1].second = raw({0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0}); // 1.0 is no integer
  BOOST_TEST(!decode<node_welcome>(map.close()).has_value());
}

BOOST_AUTO_TEST_CASE(text_and_binary_do_not_pass_for_each_other) {
  open_map map(encode(get_request{partition_id{1}, bytes{"k"}}));
  map.pairs[1].second = raw({0xa1, 'k'});
  BOOST_TEST(decode<get_request>(map.close()).error().detail == "key: not binary");
  open_map hello(encode(node_hello{}));
  hello.pairs[0].second = raw({0xc4, 1, 'n'});
  BOOST_TEST(decode<node_hello>(hello.close()).error().detail == "node: not a string");
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8_is_refused_on_reading_and_cleaned_on_writing) {
  open_map map(encode(error_reply{"io", "x"}));
  map.pairs[1].second = raw({0xa2, 0xc3, 0x28});
  BOOST_TEST(decode<error_reply>(map.close()).error().detail == "detail: not UTF-8");
  auto cleaned = decode<error_reply>(encode(error_reply{"io", "disk \xff gr\xC3\xBC\xC3\x9F"}));
  BOOST_TEST_REQUIRE(cleaned.has_value());
  BOOST_TEST(cleaned->detail == "disk ? gr\xC3\xBC\xC3\x9F");
}

BOOST_AUTO_TEST_CASE(utf8_is_what_rfc_3629_says) {
  for (const char* good : {"", "a", "0123456789abcdef", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80",
                           "\xED\x9F\xBF", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    BOOST_TEST(valid_utf8(good), good);
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "12345678\x80"}) {
    BOOST_TEST(!valid_utf8(bad), bad);
    BOOST_TEST(valid_utf8(clean_utf8(bad)), bad);
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused) {
  auto nested = [](size_t depth) {
    open_map map(encode(done{}));
    map.pairs.emplace_back("x", std::string(depth, '\x91') + '\xc0');
    return decode<done>(map.close());
  };
  BOOST_TEST(nested(10).has_value());
  BOOST_TEST(!nested(20).has_value());
  BOOST_TEST(!nested(100'000).has_value());
}

BOOST_AUTO_TEST_CASE(announced_sizes_beyond_the_bytes_are_refused_before_memory_is_taken) {
  for (auto huge : {raw({0xdd, 0xff, 0xff, 0xff, 0xff}), raw({0xdf, 0xff, 0xff, 0xff, 0xff}),
                    raw({0xdb, 0xff, 0xff, 0xff, 0xff}), raw({0xc6, 0xff, 0xff, 0xff, 0xff})}) {
    auto decoded = decode<console_request>(raw({0x81, 0xa5, 'w', 'o', 'r', 'd', 's'}) + huge
                                           + std::string(1000, 'a'));
    BOOST_TEST((!decoded && decoded.error().code == errc::malformed));
  }
  // Each array alone fits the bytes that are there; all sixteen together do not.
  std::string tower = raw({0x81, 0xa5, 'w', 'o', 'r', 'd', 's'});
  for (int i = 0; i < 15; ++i) tower += raw({0xdd, 0x00, 0x0f, 0x00, 0x00});
  tower.resize(control_body_max, '\xc0');
  auto decoded = decode<console_request>(tower);
  BOOST_TEST_REQUIRE(!decoded.has_value());
  BOOST_TEST(decoded.error().detail.starts_with("more elements announced"), decoded.error().detail);
}

BOOST_AUTO_TEST_CASE(a_body_with_more_elements_than_any_message_needs_is_refused) {
  std::string body = raw({0x81, 0xa4, 'r', 'o', 'w', 's', 0xdd, 0x00, 0x30, 0x00, 0x00});
  body.append(0x300000, '\xc0'); // three million, honest
  auto decoded = decode<rows_reply>(body);
  BOOST_TEST_REQUIRE(!decoded.has_value());
  BOOST_TEST(decoded.error().detail.starts_with("more elements announced"), decoded.error().detail);
}

BOOST_AUTO_TEST_CASE(extension_types_are_refused) {
  open_map map(encode(done{}));
  map.pairs.emplace_back("x", raw({0xd6, 0xff, 0, 0, 0, 1})); // a timestamp
  BOOST_TEST(!decode<done>(map.close()).has_value());
}

BOOST_AUTO_TEST_CASE(a_decoded_value_does_not_point_into_the_bytes) {
  auto encoded =
      encode(put_request{partition_id{7}, {{{op_kind::put, bytes{"key"}, bytes{"value"}}}}});
  auto decoded = decode<put_request>(encoded);
  std::fill(encoded.begin(), encoded.end(), '\0');
  BOOST_TEST(
      (decoded->batch.ops.at(0).key.data == "key" && decoded->batch.ops[0].value.data == "value"));
}

BOOST_AUTO_TEST_CASE(bulk_data_is_shared_with_the_frame_and_bounded) {
  snapshot_chunk chunk;
  chunk.index = 5;
  chunk.rows = blob(std::string(1000, 'r'));
  auto sent = make_frame(3, chunk);
  BOOST_TEST(sent.body.size() < 200u);
  BOOST_TEST(sent.bulk.view().data() == chunk.rows.view().data());
  auto read = read_frame<snapshot_chunk>(sent);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->index == 5u);
  BOOST_TEST(read->rows.view().data() == chunk.rows.view().data());
  sent.bulk = blob(std::string(bulk_body_max + 1, 'r'));
  BOOST_TEST((read_frame<snapshot_chunk>(sent).error().code == errc::oversize));
  auto plain = make_frame(3, done{});
  plain.bulk = blob("passed over");
  BOOST_TEST(read_frame<done>(plain).has_value());
}

BOOST_AUTO_TEST_CASE(read_frame_turns_an_error_reply_into_its_code) {
  auto wrong = read_frame<put_ok>(make_error(3, {errc::not_primary, "n2 is"}));
  BOOST_TEST((wrong.error() == error{errc::not_primary, "n2 is"}));
  auto unknown = read_frame<put_ok>(make_frame(3, error_reply{"from_the_future", "?"}));
  BOOST_TEST((unknown.error() == error{errc::internal, "?"}));
  auto other = read_frame<put_ok>(make_frame(3, done{}));
  BOOST_TEST((other.error().code == errc::unsupported));
  auto garbled = read_frame<put_ok>(frame{"error", 3, "garbage"});
  BOOST_TEST((garbled.error().code == errc::malformed));
  auto right = read_frame<put_ok>(make_frame(3, put_ok{version{epoch{2}, seq_no{9}}}));
  BOOST_TEST((right->version == version{epoch{2}, seq_no{9}}));
}
