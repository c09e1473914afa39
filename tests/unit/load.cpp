#include <boost/test/unit_test.hpp>

#include "app/load.hpp"

using namespace harbinger;

BOOST_AUTO_TEST_CASE(a_value_tells_which_write_of_which_key_made_it) {
  auto value = load_value("w/0/17", 5, 512);
  BOOST_TEST(value.size() == 512u);
  BOOST_TEST(load_number("w/0/17", value) == 5u);
}

BOOST_AUTO_TEST_CASE(a_value_of_another_key_or_with_one_wrong_byte_is_nobodys) {
  auto value = load_value("w/0/17", 5, 512);
  BOOST_TEST(load_number("w/0/18", value) == 0u);
  value[300] = static_cast<char>(value[300] ^ 1);
  BOOST_TEST(load_number("w/0/17", value) == 0u);
  BOOST_TEST(load_number("w/0/17", "") == 0u);
  BOOST_TEST(load_number("w/0/17", "nonsense") == 0u);
}

BOOST_AUTO_TEST_CASE(a_record_keeps_the_newest_try_and_the_newest_acknowledgement_apart) {
  write_record record;
  record.tried(3, 1);
  record.acknowledged(3, 1);
  record.tried(3, 2);
  BOOST_TEST(record.size() == 4u);
  BOOST_TEST(record.at(3).acknowledged == 1u);
  BOOST_TEST(record.at(3).tried == 2u);
  BOOST_TEST(record.at(99).acknowledged == 0u);
}
