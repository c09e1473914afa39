#include <boost/test/unit_test.hpp>

#include "recovery/outages.hpp"

using namespace harbinger;
using namespace harbinger::recovery;

namespace {

constexpr auto p1 = make_partition_id(1, 0), p2 = make_partition_id(1, 1);

struct timed_outage {
  time_point began{std::chrono::hours(1)};
  outage_log log;

  timed_outage() { lose("n1", began); }
  void lose(const std::string& node, time_point when) {
    outage o;
    o.node = node_id{node};
    o.began = when;
    o.unserved = o.thin = {p1, p2};
    BOOST_REQUIRE(log.open(o));
  }
  time_point after(int ms) const { return began + milliseconds(ms); }
  const outage row(size_t at = 0) const { return log.rows().at(at); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(outages_, timed_outage)

BOOST_AUTO_TEST_CASE(each_phase_ends_with_its_last_partition) {
  log.sealed(p1, after(3));
  log.decided(p1, after(5));
  log.served(p1, after(8));
  log.sealed(p2, after(4));
  log.decided(p2, after(9));
  log.served(p2, after(12));
  BOOST_TEST(row().seal_ms == 4.0);
  BOOST_TEST(row().decide_ms == 9.0);
  BOOST_TEST(row().promote_ms == 12.0);
  log.restored(p1, after(20));
  log.restored(p2, after(30));
  BOOST_TEST(row().redundancy_ms == 30.0);
  BOOST_TEST(row().over());
}

BOOST_AUTO_TEST_CASE(a_later_change_of_primary_is_not_counted_once_a_partition_is_served) {
  log.sealed(p1, after(3));
  log.decided(p1, after(5));
  log.served(p1, after(8));
  log.sealed(p1, after(1000));
  log.decided(p1, after(1000));
  BOOST_TEST(row().seal_ms == 3.0);
  BOOST_TEST(row().decide_ms == 5.0);
}

BOOST_AUTO_TEST_CASE(the_first_client_of_any_partition_counts_also_after_the_outage_is_over) {
  log.used(p1, 1.0, 1.0); // by its old primary
  BOOST_TEST(!row().first_read_ms);
  for (auto id : {p1, p2}) {
    log.served(id, after(10));
    log.restored(id, after(11));
  }
  log.tidy();
  log.used(p1, 0.0, 40.0);
  BOOST_TEST(!row().first_read_ms);
  log.used(p2, 5.0, 0.0);
  log.used(p1, 25.0, 40.0);
  BOOST_TEST(*row().first_read_ms == 15.0);
  BOOST_TEST(*row().first_write_ms == 50.0);
}

BOOST_AUTO_TEST_CASE(clients_of_the_next_primary_are_not_those_of_the_one_before) {
  log.served(p1, after(10));
  lose("n2", after(1000));
  log.served(p1, after(1010));
  log.used(p1, 5.0, 5.0);
  BOOST_TEST(*row(0).first_read_ms == 15.0);
  BOOST_TEST(!row(1).first_read_ms);
}

BOOST_AUTO_TEST_SUITE_END()
