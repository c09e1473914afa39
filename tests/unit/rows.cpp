#include <boost/test/unit_test.hpp>

#include <random>

#include "core/digest.hpp"
#include "wire/rows.hpp"

using namespace harbinger;
using namespace std::string_literals;

namespace {

record_row row(std::string key, std::string value) {
  return {bytes{std::move(key)}, bytes{std::move(value)}};
}

std::vector<record_row> many_rows(size_t count, size_t value_bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<record_row> rows;
  for (size_t i = 0; i < count; ++i) {
    std::string value(value_bytes, '\0');
    for (auto& c : value) c = static_cast<char>(random());
    rows.push_back(row("key" + std::to_string(i), value));
  }
  return rows;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_msgpack) {
  auto body = wire::pack_rows({row("k", "v"), row("long", std::string(300, 'x'))});
  auto expected = "\x92\x92\xc4\x01k\xc4\x01v\x92\xc4\x04long\xc5\x01\x2c"s + std::string(300, 'x');
  BOOST_TEST(body == expected);
  BOOST_TEST(wire::pack_rows({}) == "\x90"s);
}

BOOST_AUTO_TEST_CASE(rows_of_every_size_come_back) {
  for (size_t count : {0u, 1u, 15u, 16u, 70'000u}) {
    auto rows = many_rows(count, 3, count);
    auto back = wire::unpack_rows(wire::pack_rows(rows));
    BOOST_REQUIRE(back);
    BOOST_CHECK(*back == rows);
  }
  auto large = many_rows(3, value_bytes_max, 1);
  BOOST_CHECK(wire::unpack_rows(wire::pack_rows(large)).value() == large);
}

BOOST_AUTO_TEST_CASE(hostile_rows_are_malformed) {
  for (const auto& body :
       {""s, "\x91"s, "\xdd\xff\xff\xff\xff"s, "\x91\x91\xc4\x01k"s, "\x91\x92\xa1k\xc4\x00"s,
        "\x91\x92\xc4\x01k\xc4\x01v!"s, "\x91\x92\xc4\x00\xc4\x01v"s,
        "\x91\x92\xc6\xff\xff\xff\xff"s, "\xc0"s}) {
    auto rows = wire::unpack_rows(body);
    BOOST_REQUIRE(!rows);
    BOOST_CHECK(rows.error().code == errc::malformed);
  }
  BOOST_CHECK(wire::unpack_rows(std::string(bulk_body_max + 1, '\x90')).error().code
              == errc::oversize);
  auto long_key = wire::pack_rows({row(std::string(key_bytes_max + 1, 'k'), "v")});
  BOOST_CHECK(wire::unpack_rows(long_key).error().code == errc::malformed);
}

BOOST_AUTO_TEST_CASE(mutated_rows_never_do_harm) {
  auto body = wire::pack_rows(many_rows(20, 30, 7));
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    auto bad = body.substr(0, random() % (body.size() + 1));
    if (!bad.empty()) bad[random() % bad.size()] = static_cast<char>(random());
    auto rows = wire::unpack_rows(bad);
    BOOST_REQUIRE(!rows || rows->size() <= bad.size());
  }
}

BOOST_AUTO_TEST_CASE(a_packer_may_not_know_how_many_rows_will_come) {
  wire::row_packer packer(1000);
  for (size_t count : {0, 1, 15, 16, 70'000}) { // reused
    auto rows = many_rows(count, 3, 9);
    for (const auto& r : rows) packer.add(r.key.data, r.value.data);
    BOOST_TEST(packer.count() == count);
    auto read = wire::unpack_rows(packer.finish());
    BOOST_REQUIRE_MESSAGE(read.has_value(), count << " rows");
    BOOST_TEST((*read == rows));
    BOOST_TEST((*wire::unpack_rows(wire::pack_rows(rows)) == rows));
  }
}

BOOST_AUTO_TEST_CASE(a_chunk_is_compressed_only_when_it_pays) {
  auto plain = wire::make_chunk("s", 0, false, wire::pack_rows(many_rows(200, 1000, 5)));
  BOOST_TEST(!plain.zstd);
  auto dull =
      wire::make_chunk("s", 1, true, wire::pack_rows({row("k", std::string(100'000, 'a'))}));
  BOOST_TEST(dull.zstd);
  BOOST_TEST(dull.rows.size() < dull.raw_bytes / 10);
  BOOST_TEST(wire::open_chunk(plain)->size() == 200u);
  BOOST_TEST(wire::open_chunk(dull)->rows()[0].value.size() == 100'000u);
}

BOOST_AUTO_TEST_CASE(a_damaged_chunk_is_noticed) {
  auto chunk =
      wire::make_chunk("s", 0, false, wire::pack_rows({row("k", std::string(100'000, 'a'))}));
  auto bad = chunk;
  std::string bytes{chunk.rows.view()};
  bytes[9] ^= 4;
  bad.rows = blob(bytes);
  BOOST_CHECK(wire::open_chunk(bad).error().code == errc::checksum);
  bad = chunk;
  bad.raw_bytes = 1ull << 40; // would be a huge allocation
  BOOST_CHECK(wire::open_chunk(bad).error().code == errc::oversize);
  bad = chunk;
  bad.raw_bytes -= 1;
  BOOST_CHECK(wire::open_chunk(bad).error().code == errc::malformed);
  bad = chunk;
  bad.rows = blob("not zstd");
  bad.checksum = checksum64(bad.rows.view());
  BOOST_CHECK(wire::open_chunk(bad).error().code == errc::malformed);
}
