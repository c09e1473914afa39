#include <boost/test/unit_test.hpp>

#include "prefetch/copy_source.hpp"
#include "wire/rows.hpp"

using namespace harbinger;

namespace {

const partition_id part{9};
const time_point start = time_point{} + std::chrono::hours(1);

constexpr uint64_t head_bytes = 5, row_bytes = 1 + 2 + 3 + 2 + 1; // as they are packed

/// 100 rows; a "byte" of a chunk is a row.
class hundred_rows final : public snapshot_reader {
public:
  explicit hundred_rows(int& reads) : reads_(reads) {}
  result<slice> read(const std::string& from, size_t bytes_max) override {
    ++reads_;
    int first = from.empty() ? 0 : std::stoi(from) - 100;
    int end = std::min(first + int(bytes_max), 100);
    wire::row_packer packer;
    for (int i = first; i < end; ++i) packer.add(std::to_string(100 + i), "v");
    return slice{packer.finish(), std::to_string(100 + end), end >= 100};
  }

private:
  int& reads_;
};

struct opened_source {
  int reads = 0;
  copy_source source{"life", {.sessions_max = 2, .chunk_bytes = 5}};
  std::string id = source.open(part, {}, std::make_unique<hundred_rows>(reads), start)->snapshot;

  std::string first_key(uint64_t index, time_point now = start) {
    auto chunk = source.pull({id, index}, now);
    BOOST_REQUIRE(chunk);
    auto rows = wire::open_chunk(*chunk);
    return rows->size() == 0 ? "" : std::string(rows->rows()[0].key);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(chunks_come_in_any_order_and_again, opened_source) {
  BOOST_TEST(first_key(3) == "115"); // 0, 1 and 2 are passed on the way
  BOOST_TEST(first_key(0) == "100");
  BOOST_TEST(first_key(3) == "115");
  BOOST_TEST(first_key(1) == "105");
  auto before = reads;
  first_key(2);
  BOOST_TEST(reads == before + 1); // its place was kept
}

BOOST_FIXTURE_TEST_CASE(a_chunk_stays_as_large_as_it_was_first_given_out, opened_source) {
  BOOST_TEST(source.pull({id, 0, 2}, start)->raw_bytes == 2 * row_bytes + head_bytes);
  BOOST_TEST(first_key(1) == "102"); // five rows
  BOOST_TEST(source.pull({id, 0}, start)->raw_bytes == 2 * row_bytes + head_bytes);
  BOOST_TEST(first_key(2) == "107");
  BOOST_TEST(source.pull({id, 2, 3}, start)->raw_bytes == 5 * row_bytes + head_bytes);
  BOOST_TEST(first_key(3) == "112");
  BOOST_TEST(source.pull({id, 4, 1 << 30}, start)->raw_bytes == 5 * row_bytes + head_bytes);
}

BOOST_FIXTURE_TEST_CASE(the_last_chunk_says_so_and_there_is_nothing_beyond, opened_source) {
  BOOST_TEST(!source.pull({id, 18}, start)->last);
  BOOST_TEST(source.pull({id, 19}, start)->last);
  BOOST_TEST(source.pull({id, 25}, start)->last);
  BOOST_TEST(first_key(25) == "");
}

BOOST_FIXTURE_TEST_CASE(a_request_too_far_ahead_is_refused, opened_source) {
  BOOST_CHECK(source.pull({id, 5000}, start).error().code == errc::invalid_argument);
}

BOOST_FIXTURE_TEST_CASE(an_idle_snapshot_expires, opened_source) {
  first_key(0, start + seconds(29));
  first_key(0, start + seconds(58));
  BOOST_CHECK(source.pull({id, 0}, start + seconds(89)).error().code == errc::not_found);
  BOOST_CHECK(source.resume(part, id, start + seconds(89)).error().code == errc::not_found);
}

BOOST_FIXTURE_TEST_CASE(snapshots_are_bounded, opened_source) {
  BOOST_REQUIRE(source.open(part, {}, std::make_unique<hundred_rows>(reads), start));
  BOOST_TEST(!source.has_room(start));
  BOOST_CHECK(source.open(part, {}, nullptr, start).error().code == errc::overloaded);
  BOOST_TEST(source.has_room(start + seconds(31)));
}

BOOST_FIXTURE_TEST_CASE(resume_needs_the_right_partition, opened_source) {
  BOOST_TEST(source.resume(part, id, start)->snapshot == id);
  BOOST_CHECK(source.resume(partition_id{1}, id, start).error().code == errc::not_found);
  BOOST_CHECK(source.resume(part, "other", start).error().code == errc::not_found);
}
