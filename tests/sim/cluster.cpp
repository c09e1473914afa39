/// Whole clusters of the project's own state machines in virtual time, with everything that can go
/// wrong, against the promises (docs/TESTING.md, "Simulation").

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iostream>

#include "tests/support/seeds.hpp"
#include "tests/support/sim_cluster.hpp"

using namespace harbinger;

BOOST_AUTO_TEST_CASE(promises_hold_whatever_happens_to_a_cluster) {
  auto begun = std::chrono::steady_clock::now();
  sim::run_summary sum;
  double slowest = 0.0;
  for (auto seed : test::seeds(150)) {
    BOOST_TEST_CONTEXT(test::repeat_with(seed)) {
      sim::cluster c(seed);
      try {
        auto one = c.run();
        sum.events += one.events;
        sum.acknowledged += one.acknowledged;
        sum.told += one.told;
        sum.unknown += one.unknown;
        sum.read += one.read;
        sum.promotions += one.promotions;
        sum.handed_over += one.handed_over;
        sum.left += one.left;
        sum.troubles += one.troubles;
        sum.excused += one.excused;
        sum.virtual_s += one.virtual_s;
        slowest = std::max(slowest, one.recovery_s);
      } catch (const std::exception& e) {
        BOOST_ERROR(e.what() << "\nwhat happened last:\n" << c.trace());
      }
    }
  }
  auto real_s = to_seconds(std::chrono::steady_clock::now() - begun);
  std::cout << "virtual " << sum.virtual_s << " s in " << real_s << " s (" << sum.virtual_s / real_s
            << " times real time), " << sum.events << " events, " << sum.acknowledged
            << " acknowledged, " << sum.told << " told to watchers, " << sum.unknown << " unknown, "
            << sum.read << " read, " << sum.promotions << " changes of primary, " << sum.handed_over
            << " handed over, " << sum.left << " left before they fail, " << sum.troubles
            << " troubles, " << sum.excused << " partitions excused, slowest recovery " << slowest
            << " s\n";
  BOOST_TEST(sum.promotions > 0u);
  BOOST_TEST(sum.acknowledged > 0u);
  BOOST_TEST(sum.told > 0u);
  if (test::seeds(150).size() < 100) return; // rare things need many seeds
  BOOST_TEST(sum.handed_over > 0u);
  BOOST_TEST(sum.left > 0u);
}
