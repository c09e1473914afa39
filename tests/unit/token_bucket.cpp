#include <boost/test/unit_test.hpp>

#include <random>

#include "prefetch/token_bucket.hpp"

using namespace harbinger;

BOOST_AUTO_TEST_CASE(no_rate_is_no_limit) {
  token_bucket bucket;
  time_point now{};
  bucket.spend(1ull << 40, now);
  BOOST_TEST(bucket.ready(now));
}

BOOST_AUTO_TEST_CASE(debt_is_paid_back_before_the_next) {
  token_bucket bucket;
  time_point now = time_point{} + seconds(10);
  bucket.set_rate(1000);
  BOOST_TEST(bucket.ready(now));
  bucket.spend(600, now); // 100 saved up, 500 owed
  BOOST_TEST(!bucket.ready(now + milliseconds(499)));
  BOOST_TEST(bucket.ready(now + milliseconds(501)));
}

BOOST_AUTO_TEST_CASE(over_any_span_the_rate_holds) {
  std::mt19937_64 random(5);
  token_bucket bucket;
  bucket.set_rate(10'000);
  time_point begin = time_point{} + seconds(1), now = begin;
  uint64_t spent = 0;
  for (int i = 0; i < 10'000; ++i) {
    now += milliseconds(random() % 20);
    if (!bucket.ready(now)) continue;
    uint64_t bytes = random() % 2000;
    bucket.spend(bytes, now);
    spent += bytes;
    BOOST_REQUIRE(static_cast<double>(spent) <= 10'000 * to_seconds(now - begin) + 1000 + 2000);
  }
  BOOST_TEST(static_cast<double>(spent) > 9'000 * to_seconds(now - begin)); // and it is used
}

BOOST_AUTO_TEST_CASE(time_that_goes_back_gives_nothing) {
  token_bucket bucket;
  bucket.set_rate(1000);
  bucket.spend(1000, time_point{} + seconds(100));
  BOOST_TEST(!bucket.ready(time_point{} + seconds(50)));
}
