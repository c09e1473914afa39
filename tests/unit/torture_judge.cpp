/// The judge of the torture test sees what it is there for, and its plans are what they promise.

#include <boost/test/unit_test.hpp>

#include <set>

#include "tests/support/torture_judge.hpp"
#include "tests/support/torture_plan.hpp"

using namespace harbinger;
using namespace harbinger::torture;

namespace {

constexpr auto here = make_partition_id(1, 0);
constexpr auto elsewhere = make_partition_id(1, 1);

told_version told(uint64_t e, uint64_t seq, int64_t asked, int64_t answered, bool write) {
  return {here, {epoch{e}, seq_no{seq}}, asked, answered, write, "x"};
}
acknowledged written(uint64_t e, uint64_t seq) { return {here, {epoch{e}, seq_no{seq}}, {}}; }

} // namespace

BOOST_AUTO_TEST_CASE(versions_that_grow_are_well_and_overlapping_ones_come_in_any_order) {
  BOOST_TEST(judge_versions({}).empty());
  BOOST_TEST(judge_versions({told(1, 1, 0, 5, true), told(1, 2, 6, 7, true)}).empty());
  BOOST_TEST(judge_versions({told(1, 2, 0, 5, true), told(1, 1, 1, 7, true)}).empty());
  BOOST_TEST(judge_versions({told(1, 1, 0, 5, true), told(1, 1, 6, 7, false)}).empty());
}

BOOST_AUTO_TEST_CASE(two_writes_at_one_place_are_seen) { // P1
  BOOST_TEST(judge_versions({told(1, 1, 0, 5, true), told(1, 1, 1, 7, true)}).size() == 1u);
  // The place was given away again by a later epoch: the first one was lost.
  BOOST_TEST(judge_versions({told(1, 1, 0, 5, true), told(2, 1, 1, 7, true)}).size() == 1u);
  auto other = told(1, 1, 1, 7, true);
  other.partition = elsewhere;
  BOOST_TEST(judge_versions({told(1, 1, 0, 5, true), other}).empty());
}

BOOST_AUTO_TEST_CASE(a_version_that_goes_back_is_seen) { // P2
  BOOST_TEST(judge_versions({told(1, 2, 0, 5, true), told(1, 1, 6, 7, true)}).size() == 1u);
  BOOST_TEST(judge_versions({told(1, 2, 0, 5, true), told(1, 1, 6, 7, false)}).size() == 1u);
  BOOST_TEST(judge_versions({told(2, 2, 0, 5, false), told(1, 3, 6, 7, false)}).size() == 1u);
  // A later epoch that has less: what is missing was acknowledged.
  BOOST_TEST(judge_versions({told(1, 5, 0, 5, true), told(2, 4, 6, 7, false)}).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_write_that_is_not_on_the_history_is_seen) { // P2
  std::map<partition_id, epoch_history> histories{
      {here, {{epoch{2}, seq_no{1}}, {epoch{4}, seq_no{9}}}}};
  BOOST_TEST(judge_history({written(2, 1), written(2, 8), written(4, 9)}, histories).empty());
  BOOST_TEST(judge_history({written(2, 9)}, histories).size() == 1u);
  BOOST_TEST(judge_history({written(3, 8)}, histories).size() == 1u);
  histories[here] = {{epoch{4}, seq_no{9}}}; // tells no more of the older ones
  BOOST_TEST(judge_history({written(3, 8)}, histories).empty());
}

BOOST_AUTO_TEST_CASE(lost_and_doubled_increments_are_seen) {
  std::map<std::string, raised> counters{{"k", {10, 2}}};
  for (uint64_t value : {10, 11, 12}) BOOST_TEST(judge_counters(counters, {{"k", value}}).empty());
  for (uint64_t value : {9, 13}) BOOST_TEST(judge_counters(counters, {{"k", value}}).size() == 1u);
  BOOST_TEST(judge_counters(counters, {}).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_key_that_was_no_register_is_seen) {
  using sim::operation;
  operation w{operation::kind::write, "a", 1, 2}, r{operation::kind::read, {}, 3, 4};
  BOOST_TEST(judge_histories({{"k", {w}}}).empty());
  BOOST_TEST(judge_histories({{"k", {w, r}}}).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_plan_is_the_same_for_the_same_seed_and_its_troubles_end_within_it) {
  std::set<trouble> kinds;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    auto plan = make_plan(seed, 5, seconds(20));
    BOOST_REQUIRE(!plan.empty());
    auto longer = make_plan(seed, 5, seconds(60));
    auto again = make_plan(seed, 5, seconds(20));
    milliseconds last{0};
    for (size_t i = 0; i < plan.size(); ++i) {
      const auto& s = plan[i];
      BOOST_REQUIRE(to_string(s) == to_string(again.at(i)));
      BOOST_REQUIRE(s.at >= last);
      BOOST_REQUIRE(s.at + s.lasts < seconds(20));
      BOOST_REQUIRE(s.lasts > milliseconds(0));
      for (auto n : s.nodes) BOOST_REQUIRE(n < 5u);
      if (s.what == trouble::cut_pair) BOOST_REQUIRE(s.other != s.nodes.at(0));
      last = s.at;
      kinds.insert(s.what);
    }
    BOOST_REQUIRE(longer.size() > plan.size());
  }
  BOOST_TEST(kinds.size() == trouble_kinds);
}
