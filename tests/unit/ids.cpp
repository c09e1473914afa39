#include <boost/test/unit_test.hpp>

#include <unordered_set>

#include "core/ids.hpp"
#include "core/version.hpp"

using namespace harbinger;

BOOST_AUTO_TEST_CASE(a_partition_id_is_volume_and_index) {
  auto id = make_partition_id(3, 17);
  BOOST_TEST(id.value == (uint64_t{3} << 32 | 17));
  BOOST_TEST(volume_of(id) == 3u);
  BOOST_TEST(index_of(id) == 17u);
  BOOST_TEST(to_string(id) == "3.17");
}

BOOST_AUTO_TEST_CASE(the_text_of_a_partition_id_reads_back) {
  for (auto id : {make_partition_id(0, 0), make_partition_id(1, 2),
                  make_partition_id(UINT32_MAX, UINT32_MAX)})
    BOOST_TEST((parse_partition_id(to_string(id)) == id));
}

BOOST_AUTO_TEST_CASE(other_text_is_no_partition_id) {
  for (const char* text : {"", ".", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", "+1.2", " 1.2",
                           "1.2 ", "a.b", "0x1.2", "4294967296.0", "0.4294967296", "1,2"})
    BOOST_TEST(!parse_partition_id(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(node_ids_are_short_plain_names) {
  for (const char* good : {"n1", "A", "rack-3_node.7"}) BOOST_TEST(valid_node_id(good), good);
  BOOST_TEST(valid_node_id(std::string(64, 'n')));
  BOOST_TEST(!valid_node_id(std::string(65, 'n')));
  for (const char* bad : {"", "n 1", "n/1", "n\n", "gr\xC3\xBC", "n:1"})
    BOOST_TEST(!valid_node_id(bad), bad);
}

BOOST_AUTO_TEST_CASE(a_later_epoch_beats_any_sequence_number) {
  BOOST_TEST((version{epoch{2}, seq_no{1}} > version{epoch{1}, seq_no{999}}));
  BOOST_TEST((version{epoch{2}, seq_no{2}} > version{epoch{2}, seq_no{1}}));
  BOOST_TEST(to_string(version{epoch{2}, seq_no{7}}) == "2:7");
}

BOOST_AUTO_TEST_CASE(strong_types_hash) {
  std::unordered_set<node_id> ids{node_id{"a"}, node_id{"b"}, node_id{"a"}};
  BOOST_TEST(ids.size() == 2u);
}
