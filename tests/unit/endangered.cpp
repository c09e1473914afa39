#include <boost/test/unit_test.hpp>

#include <cmath>

#include "zones/endangered.hpp"

using namespace harbinger;

namespace {

zone pair_at(double one, double other) {
  zone z;
  z.members = {node_id{"n1"}, node_id{"n2"}};
  z.risks = {one, other};
  z.probability = 0.95;
  return z;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_member_is_endangered_by_its_own_risk_from_the_threshold_on) {
  auto z = pair_at(0.9, 0.899);
  BOOST_TEST(endangered(z, 0, false, 0.9));
  BOOST_TEST(!endangered(z, 1, false, 0.9));
  BOOST_TEST(endangered(z, 1, false, 0.5));
}

BOOST_AUTO_TEST_CASE(a_common_cause_endangers_every_member) {
  auto z = pair_at(0.2, 0.3);
  z.common_cause = 0.9;
  BOOST_TEST(endangered(z, 0, false, 0.9));
  BOOST_TEST(endangered(z, 1, false, 0.9));
}

BOOST_AUTO_TEST_CASE(where_no_own_risk_is_told_that_of_the_zone_counts_and_no_number_is_certain) {
  auto z = pair_at(0.2, 0.3);
  z.risks.pop_back();
  BOOST_TEST(endangered(z, 1, false, 0.9));
  z.risks = {NAN, 0.1};
  BOOST_TEST(endangered(z, 0, false, 0.9));
  BOOST_TEST(!endangered(z, 1, false, 0.9));
  BOOST_TEST(!endangered(z, 2, false, 0.01)); // is no member
}

BOOST_AUTO_TEST_CASE(one_means_never_for_a_prediction) {
  auto z = pair_at(1, 1);
  BOOST_TEST(!endangered(z, 0, false, 1));
  BOOST_TEST(endangered(z, 0, false, 0.99));
}

BOOST_AUTO_TEST_CASE(the_brake_leaves_only_what_is_planned) {
  auto z = pair_at(1, 1);
  BOOST_TEST(!endangered(z, 0, true, 0.9));
  z.within_s = 1800;
  BOOST_TEST(endangered(z, 0, true, 0.9));
  BOOST_TEST(endangered(z, 0, true, 1));
  z = pair_at(0.01, 0.01);
  z.within_s = 1;
  BOOST_TEST(endangered(z, 1, false, 0.9));
}
