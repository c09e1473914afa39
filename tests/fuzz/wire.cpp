#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/random_message.hpp"
#include "wire/codec.hpp"
#include "wire/rows.hpp"
#include "wire/telemetry_codec.hpp"
#include "wire/types.hpp"

using namespace harbinger;
using namespace harbinger::wire;
using harbinger::test::engine;
using namespace std::string_view_literals;

namespace {

constexpr uint64_t seed = 1234567;
constexpr int mutations_per_type = 6000; // of 43 types: about a quarter million in all

/// What decoding promises for any bytes: no crash, no exception, an error with a code that fits and
/// a detail that is text; and what it does accept encodes and decodes again to the same.
template <class T>
bool check(std::string_view body) {
  auto decoded = decode<T>(body);
  if (!decoded) {
    auto code = decoded.error().code;
    BOOST_TEST_REQUIRE((code == errc::malformed || code == errc::oversize));
    BOOST_TEST_REQUIRE(!decoded.error().detail.empty());
    return false;
  }
  auto again = encode(*decoded);
  auto twice = decode<T>(again);
  BOOST_TEST_REQUIRE(twice.has_value());
  BOOST_TEST_REQUIRE((encode(*twice) == again));
  return true;
}

void check_header(std::string_view bytes) {
  auto head = decode_header(bytes);
  if (!head) return;
  auto again = decode_header(encode_header(head->type, head->id));
  BOOST_TEST_REQUIRE((again && again->type == head->type && again->id == head->id));
}

/// One to four edits: flipped bits, bytes that mean much in msgpack, cuts, doubled and moved
/// pieces.
std::string mutate(std::string text, engine& random) {
  static constexpr std::string_view telling = "\x00\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xc3"
                                              "\xc4\xc6\xc7\xc9\xca\xcb\xcc\xcf\xd0\xd3\xd4\xd9"
                                              "\xdb\xdc\xdd\xde\xdf\xe0\xff"sv;
  for (auto edits = random() % 4 + 1; edits > 0 && !text.empty(); --edits) {
    auto at = random() % text.size();
    auto length = std::min<size_t>(random() % 16 + 1, text.size() - at);
    switch (random() % 6) {
    case 0: text[at] = static_cast<char>(text[at] ^ (1 << random() % 8)); break;
    case 1: text[at] = telling[random() % telling.size()]; break;
    case 2: text.resize(at); break;
    case 3: text.erase(at, length); break;
    case 4: text.insert(random() % text.size(), text.substr(at, length)); break;
    case 5: text.insert(at, 1, telling[random() % telling.size()]); break;
    }
  }
  return text;
}

template <class T>
void mutated(engine& random) {
  size_t accepted = 0;
  for (int i = 0; i < mutations_per_type; ++i) {
    auto body = encode(test::random_message<T>(random));
    if (body.size() > 2000) body.resize(2000); // long texts cost time and show nothing new
    accepted += check<T>(mutate(std::move(body), random));
  }
  BOOST_TEST(accepted < mutations_per_type);
}

template <class T>
void noise(engine& random) {
  for (int i = 0; i < 500; ++i) {
    std::string body(random() % 200, '\0');
    for (auto& c : body) c = static_cast<char>(random());
    if (!body.empty() && random() % 2)
      body[0] = static_cast<char>(0x80 | random() % 16); // a map, so that it gets further
    check<T>(body);
  }
}

void all_types(std::string_view body) {
#define HARBINGER_CHECK(T) check<T>(body);
  HARBINGER_WIRE_MESSAGES(HARBINGER_CHECK)
  HARBINGER_STORED_ROWS(HARBINGER_CHECK)
#undef HARBINGER_CHECK
  check_header(body);
}

} // namespace

BOOST_AUTO_TEST_CASE(mutated_messages_of_every_type) {
  BOOST_TEST_MESSAGE("seed " << seed);
  engine random(seed);
#define HARBINGER_MUTATE(T) mutated<T>(random);
  HARBINGER_WIRE_MESSAGES(HARBINGER_MUTATE)
  HARBINGER_STORED_ROWS(HARBINGER_MUTATE)
#undef HARBINGER_MUTATE
}

BOOST_AUTO_TEST_CASE(random_bytes_as_every_type) {
  engine random(seed);
#define HARBINGER_NOISE(T) noise<T>(random);
  HARBINGER_WIRE_MESSAGES(HARBINGER_NOISE)
  HARBINGER_STORED_ROWS(HARBINGER_NOISE)
#undef HARBINGER_NOISE
}

BOOST_AUTO_TEST_CASE(a_body_of_one_type_read_as_every_other) {
  engine random(seed);
#define HARBINGER_CROSS(T) all_types(encode(test::random_message<T>(random)));
  HARBINGER_WIRE_MESSAGES(HARBINGER_CROSS)
  HARBINGER_STORED_ROWS(HARBINGER_CROSS)
#undef HARBINGER_CROSS
}

BOOST_AUTO_TEST_CASE(mutated_rows_and_chunks) {
  engine random(seed);
  std::vector<record_row> rows;
  for (int i = 0; i < 20; ++i)
    rows.push_back({bytes{"key" + std::to_string(i)}, bytes{std::string(random() % 300, 'v')}});
  auto body = pack_rows(rows);
  for (int i = 0; i < 50'000; ++i)
    if (auto read = unpack_rows(mutate(body, random)))
      BOOST_TEST_REQUIRE(unpack_rows(pack_rows(*read)).has_value());
  for (int i = 0; i < 20'000; ++i) {
    auto chunk = make_chunk("s", 1, false, body);
    BOOST_TEST_REQUIRE(chunk.zstd);
    chunk.rows = blob(mutate(std::string(chunk.rows.view()), random));
    if (random() % 8 == 0) chunk.raw_bytes = random() >> random() % 64;
    chunk.checksum = checksum64(chunk.rows.view()); // a hostile source has its checksums right
    auto opened = open_chunk(chunk);
    if (!opened) continue;
    row_packer packer;
    for (const auto& row : opened->rows()) packer.add(row.key, row.value);
    BOOST_TEST_REQUIRE(unpack_rows(packer.finish()).has_value());
  }
}

BOOST_AUTO_TEST_CASE(the_fast_reader_of_telemetry_takes_no_more_than_the_slow_one) {
  engine random(seed);
  telemetry_reader reader;
  size_t accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    auto batch = test::random_message<telemetry_batch>(random);
    for (auto& row : batch.rows) row.values.resize(batch.metrics.size());
    auto body = encode(batch);
    if (body.size() > 2000) continue;
    if (random() % 4) body = mutate(std::move(body), random);
    auto fast = reader.read(body);
    if (!fast) continue;
    ++accepted;
    auto slow = decode<telemetry_batch>(body);
    BOOST_TEST_REQUIRE(slow.has_value(), "accepted " << i << ", but " << slow.error().detail);
    BOOST_TEST_REQUIRE((fast->node == slow->node && fast->times.size() == slow->rows.size()));
  }
  BOOST_TEST(accepted > 1000u);
}

BOOST_AUTO_TEST_CASE(mutated_headers) {
  engine random(seed);
  for (int i = 0; i < 100'000; ++i)
    check_header(mutate(encode_header("replica.append_ok", random()), random));
}

BOOST_AUTO_TEST_CASE(the_corpus) {
  size_t files = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(HARBINGER_SOURCE_DIR "/tests/fuzz/corpus/wire")) {
    std::ifstream in(file.path(), std::ios::binary);
    std::string body{std::istreambuf_iterator<char>(in), {}};
    BOOST_TEST_CONTEXT(file.path().filename()) { all_types(body); }
    ++files;
  }
  BOOST_TEST(files >= 10u);
}
