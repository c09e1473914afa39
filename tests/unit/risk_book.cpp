#include <boost/test/unit_test.hpp>

#include "app/risk_book.hpp"

using namespace harbinger;

namespace {

struct book_fixture {
  time_point now{std::chrono::hours(1)};
  risk_book book;
  const node_id a{"a"}, b{"b"};

  nodes_at_risk news(std::vector<node_id> nodes, uint64_t term = 1, uint32_t age_ms = 0) {
    return {harbinger::term{term}, true, std::move(nodes), age_ms};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(risk_book_, book_fixture)

BOOST_AUTO_TEST_CASE(nobody_is_at_risk_as_long_as_nothing_is_known) {
  BOOST_TEST(!book.at_risk(a, now));
  auto unsettled = news({a});
  unsettled.known = false;
  book.heard(unsettled, now);
  BOOST_TEST(!book.at_risk(a, now));
}

BOOST_AUTO_TEST_CASE(who_is_named_is_at_risk_until_the_news_are_old) {
  book.heard(news({a}), now);
  BOOST_TEST(book.at_risk(a, now));
  BOOST_TEST(!book.at_risk(b, now));
  BOOST_TEST(book.at_risk(a, now + risk_book::valid_for - milliseconds(1)));
  BOOST_TEST(!book.at_risk(a, now + risk_book::valid_for));
}

BOOST_AUTO_TEST_CASE(the_time_that_news_waited_at_the_centre_counts) {
  book.heard(news({a}, 1, 4000), now);
  BOOST_TEST(book.at_risk(a, now + milliseconds(999)));
  BOOST_TEST(!book.at_risk(a, now + milliseconds(1000)));
}

BOOST_AUTO_TEST_CASE(newer_news_replace_older_ones_and_late_ones_are_passed_over) {
  book.heard(news({a}, 2), now);
  book.heard(news({b}, 1), now); // of an earlier life of the centre
  BOOST_TEST(book.at_risk(a, now));
  book.heard(news({b}, 2, 500), now); // overtaken on the way
  BOOST_TEST(book.at_risk(a, now));
  book.heard(news({}, 2), now + milliseconds(1));
  BOOST_TEST(!book.at_risk(a, now + milliseconds(1)));
}

BOOST_AUTO_TEST_CASE(it_is_asked_for_once_a_period) {
  BOOST_TEST(book.due(now));
  book.asked(now);
  BOOST_TEST(!book.due(now + milliseconds(999)));
  BOOST_TEST(book.due(now + risk_book::ask_period));
}

BOOST_AUTO_TEST_SUITE_END()
