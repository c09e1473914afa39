#include <boost/test/unit_test.hpp>

#include "versions/fork_point.hpp"

using namespace harbinger;

namespace {

epoch_start from(uint64_t e, uint64_t first) { return {epoch{e}, seq_no{first}}; }
version at(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

} // namespace

BOOST_AUTO_TEST_CASE(an_equal_log_forks_at_its_own_head) {
  BOOST_TEST(*fork_point(at(2, 9), {from(1, 1), from(2, 5)}, {from(1, 1), from(2, 5)}) == at(2, 9));
}

BOOST_AUTO_TEST_CASE(a_log_that_is_only_behind_forks_at_its_own_head) {
  BOOST_TEST(*fork_point(at(1, 3), {from(1, 1)}, {from(1, 1), from(2, 5)}) == at(1, 3));
}

BOOST_AUTO_TEST_CASE(an_old_primary_with_an_uncommitted_tail_forks_where_the_next_epoch_began) {
  BOOST_TEST(*fork_point(at(1, 8), {from(1, 1)}, {from(1, 1), from(2, 5)}) == at(1, 4));
}

BOOST_AUTO_TEST_CASE(an_epoch_nobody_else_has_is_divergent_as_a_whole) {
  BOOST_TEST(*fork_point(at(2, 7), {from(1, 1), from(2, 5)}, {from(1, 1), from(3, 5)}) == at(1, 4));
}

BOOST_AUTO_TEST_CASE(logs_without_a_common_epoch_share_nothing) {
  BOOST_TEST(*fork_point(at(2, 4), {from(2, 1)}, {from(3, 1)}) == version{});
}

BOOST_AUTO_TEST_CASE(an_empty_log_forks_at_the_beginning) {
  BOOST_TEST(*fork_point({}, {}, {from(7, 900)}) == version{});
}

BOOST_AUTO_TEST_CASE(a_history_that_was_trimmed_too_far_gives_no_answer) {
  BOOST_TEST(!fork_point(at(1, 8), {from(1, 1)}, {from(70, 500), from(71, 600)}).has_value());
}

BOOST_AUTO_TEST_CASE(an_epoch_known_by_name_only_does_not_count) {
  BOOST_TEST(*fork_point(at(1, 4), {from(1, 1), from(2, 5)}, {from(1, 1), from(2, 5)}) == at(1, 4));
}

BOOST_AUTO_TEST_CASE(an_epoch_without_entries_in_the_true_history_is_passed_over) {
  BOOST_TEST(*fork_point(at(2, 5), {from(1, 1), from(2, 5)}, {from(1, 1), from(2, 5), from(3, 5)})
             == at(1, 4));
}

BOOST_AUTO_TEST_CASE(a_version_lies_on_the_history_only_inside_its_epoch) {
  epoch_history truth{from(1, 1), from(3, 5)};
  BOOST_TEST(on_history({}, truth));
  BOOST_TEST(on_history(at(1, 4), truth));
  BOOST_TEST(!on_history(at(1, 5), truth));
  BOOST_TEST(!on_history(at(2, 5), truth));
  BOOST_TEST(!on_history(at(3, 4), truth));
  BOOST_TEST(on_history(at(3, 500), truth));
  BOOST_TEST(epoch_of(seq_no{4}, truth) == epoch{1});
  BOOST_TEST(epoch_of(seq_no{5}, truth) == epoch{3});
}
