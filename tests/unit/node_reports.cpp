#include <boost/test/unit_test.hpp>

#include "replica/node_reports.hpp"

using namespace harbinger;

namespace {

constexpr auto p1 = make_partition_id(1, 0), p2 = make_partition_id(1, 1);

struct a_node {
  time_point now{std::chrono::hours(1)};
  node_replicas held;

  partition_head& head(partition_id id, replica_role role, copy_id copy = {}) {
    partition_head h;
    h.partition = id;
    h.role = role;
    h.state = replica_state::following;
    h.version = {epoch{2}, seq_no{10}};
    h.records = 7;
    h.copy = copy;
    held.heads.push_back(h);
    return held.heads.back();
  }
  copy_table::row row(copy_id copy, bool following) {
    copy_table::row r;
    r.copy = copy;
    r.source = node_id{"n1"};
    r.following = following;
    r.lag_ms = 5;
    r.as_of = now - milliseconds(20);
    return r;
  }
  replica_report only() {
    auto reports = node_reports(held, now);
    BOOST_REQUIRE_EQUAL(reports.size(), 1u);
    return reports.front();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_reports_, a_node)

BOOST_AUTO_TEST_CASE(a_replica_speaks_for_itself_but_the_store_knows_its_records) {
  head(p1, replica_role::primary);
  auto& said = held.known[p1];
  said.partition = p1;
  said.role = replica_role::sealed;
  said.version = {epoch{2}, seq_no{10}};
  BOOST_TEST((only().role == replica_role::sealed));
  BOOST_TEST(only().records == 7u);
  held.known[p1].version.seq.value = 9; // of another moment
  BOOST_TEST(only().records == 0u);
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_pulled_follows_and_its_lag_grows) {
  head(p1, replica_role::copy, copy_id{4});
  held.copies[p1] = row(copy_id{4}, true);
  BOOST_TEST((only().state == replica_state::following));
  BOOST_TEST(only().source.value == "n1");
  BOOST_TEST(only().lag_ms == 25.0);
}

BOOST_AUTO_TEST_CASE(a_copy_that_nobody_pulls_for_is_detached) {
  head(p1, replica_role::copy, copy_id{4});
  BOOST_TEST((only().state == replica_state::detached));
  held.copies[p1] = row(copy_id{4}, false);
  BOOST_TEST((only().state == replica_state::detached));
  held.copies[p1] = row(copy_id{5}, true); // another attempt, of which nothing is stored yet
  BOOST_TEST((only().state == replica_state::detached));
  BOOST_TEST((only().copy == copy_id{4}));
}

BOOST_AUTO_TEST_CASE(a_copy_of_which_nothing_is_stored_is_reported_and_so_is_its_failure) {
  held.copies[p2] = row(copy_id{4}, false);
  BOOST_TEST((only().state == replica_state::copying));
  held.copies[p2].failure = "no_space";
  BOOST_TEST((only().state == replica_state::failed));
  BOOST_TEST(only().failure == "no_space");
}

BOOST_AUTO_TEST_CASE(known_damage_is_told_and_hides_no_other_failure) {
  head(p1, replica_role::secondary);
  held.damage[p1] = "bucket 3";
  BOOST_TEST(only().failure == "bucket 3");
  held.heads[0].failure = "given up";
  BOOST_TEST(only().failure == "given up");
}

BOOST_AUTO_TEST_SUITE_END()
