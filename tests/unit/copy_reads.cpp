#include "replica/copy_reads.hpp"

#include <boost/test/unit_test.hpp>

using namespace harbinger;

namespace {

version at(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

partition_head copy_at(version v) {
  partition_head h;
  h.role = replica_role::copy;
  h.state = replica_state::following;
  h.version = v;
  h.committed = v.seq;
  return h;
}
const copy_currency current{true, 20.0};

errc code(const partition_head& h, std::optional<copy_currency> c, version v = {},
          uint32_t max_lag_ms = 0) {
  auto r = readable_copy(h, c, v, max_lag_ms);
  BOOST_REQUIRE(!r);
  return r.error().code;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_complete_copy_is_read_however_old_it_is_when_nobody_minds) {
  auto h = copy_at(at(2, 10));
  BOOST_TEST(readable_copy(h, current, {}, 0).has_value());
  BOOST_TEST(readable_copy(h, std::nullopt, {}, 0).has_value());
  h.state = replica_state::detached;
  BOOST_TEST(readable_copy(h, std::nullopt, at(2, 10), 0).has_value());
}

BOOST_AUTO_TEST_CASE(an_older_version_or_a_longer_lag_than_asked_for_is_refused) {
  auto h = copy_at(at(2, 10));
  BOOST_CHECK(code(h, current, at(2, 11)) == errc::gap);
  BOOST_CHECK(code(h, current, at(3, 1)) == errc::gap);
  BOOST_TEST(readable_copy(h, current, at(2, 10), 20).has_value());
  BOOST_CHECK(code(h, current, at(2, 10), 19) == errc::gap);
}

BOOST_AUTO_TEST_CASE(the_age_of_a_copy_that_follows_nobody_is_not_guessed) {
  auto h = copy_at(at(2, 10));
  BOOST_CHECK(code(h, std::nullopt, {}, 60'000) == errc::gap);
  BOOST_CHECK(code(h, copy_currency{false, 0.0}, {}, 60'000) == errc::gap);
}

BOOST_AUTO_TEST_CASE(what_is_no_complete_copy_or_not_all_committed_is_never_read) {
  for (auto role : {replica_role::primary, replica_role::secondary, replica_role::sealed}) {
    auto h = copy_at(at(2, 10));
    h.role = role;
    BOOST_CHECK(code(h, current) == errc::unavailable);
  }
  for (auto state : {replica_state::copying, replica_state::failed}) {
    auto h = copy_at(at(2, 10));
    h.state = state;
    BOOST_CHECK(code(h, current) == errc::unavailable);
  }
  auto joiner = copy_at(at(2, 10));
  joiner.committed = seq_no{9}; // got an entry that may still be lost
  BOOST_CHECK(code(joiner, current) == errc::unavailable);
}
