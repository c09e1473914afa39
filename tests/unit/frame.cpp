#include <boost/test/unit_test.hpp>

#include <limits>

#include "wire/codec.hpp"

using namespace harbinger;
using namespace harbinger::wire;

namespace {
std::string raw(std::initializer_list<uint64_t> values) {
  std::string out;
  for (auto v : values) out += static_cast<char>(v);
  return out;
}
errc code_of(const result<header>& r) {
  BOOST_TEST_REQUIRE(!r.has_value());
  return r.error().code;
}
} // namespace

BOOST_AUTO_TEST_CASE(a_header_survives) {
  for (uint64_t id :
       {uint64_t{0}, uint64_t{1}, uint64_t{300}, std::numeric_limits<uint64_t>::max()}) {
    auto head = decode_header(encode_header("client.put", id));
    BOOST_TEST_REQUIRE(head.has_value());
    BOOST_TEST(head->type == "client.put");
    BOOST_TEST(head->id == id);
  }
}

BOOST_AUTO_TEST_CASE(the_bytes_of_a_header_are_fixed) {
  BOOST_TEST((encode_header("done", 5)
              == raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa4, 'd', 'o', 'n', 'e', 0x05})));
}

BOOST_AUTO_TEST_CASE(another_magic_is_malformed) {
  auto head = encode_header("done", 5);
  head[3] = 'C';
  BOOST_TEST((code_of(decode_header(head)) == errc::malformed));
}

BOOST_AUTO_TEST_CASE(another_version_is_unsupported_whatever_follows_it) {
  BOOST_TEST((code_of(decode_header(raw({0x94, 0xa2, 'H', 'B', 0x01, 0xa1, 'x', 0x05})))
              == errc::unsupported));
  BOOST_TEST((code_of(decode_header(raw({0x92, 0xa2, 'H', 'B', 0x03}))) == errc::unsupported));
  BOOST_TEST((code_of(decode_header(raw({0x95, 0xa2, 'H', 'B', 0x07, 0xc0, 0x80, 0x90})))
              == errc::unsupported));
}

BOOST_AUTO_TEST_CASE(headers_of_other_shapes_are_malformed) {
  for (const auto& bytes : {
           raw({}),
           raw({0x90}),
           raw({0x80}),
           raw({0xc0}),
           raw({0xc1}),
           raw({0x93, 0xa2, 'H', 'B', protocol_version, 0xa1, 'x'}),
           raw({0x95, 0xa2, 'H', 'B', protocol_version, 0xa1, 'x', 5, 5}), // five parts
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa1, 'x', 5, 5}), // a byte after the end
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa1, 'x', 0xff}), // negative id
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa0, 5}),         // empty type
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa1, 0x07, 5}),   // type not printable
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xa1, 0xff, 5}),   // type not UTF-8
           raw({0x94, 0xa2, 'H', 'B', protocol_version, 0xc4, 1, 'x', 5}), // type as binary
           raw({0x94, 0xa2, 'H', 'B', 0xa1, '1', 0xa1, 'x', 5}),           // version as text
           raw({0xdd, 0xff, 0xff, 0xff, 0xff, 0xa2, 'H', 'B'}),
       })
    BOOST_TEST((code_of(decode_header(bytes)) == errc::malformed));
}

BOOST_AUTO_TEST_CASE(a_long_header_is_refused_unseen) {
  BOOST_TEST((code_of(decode_header(std::string(header_bytes_max + 1, '\x94'))) == errc::oversize));
}
