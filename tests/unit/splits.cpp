#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "predict/splits.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {

constexpr int64_t hour = 3'600'000;

struct sample_rows {
  std::vector<std::string> machines, groups;
  std::vector<split_row> rows;
};

/// Machines m0.. in five groups, with rows at random hours.
sample_rows make(uint64_t seed, size_t machines = 60, size_t rows = 4000) {
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  sample_rows out;
  for (size_t i = 0; i < machines; ++i) out.machines.push_back("m" + std::to_string(i));
  for (size_t i = 0; i < 5; ++i) out.groups.push_back("g" + std::to_string(i));
  for (size_t i = 0; i < rows; ++i) {
    auto m = random() % machines;
    out.rows.push_back(
        {out.machines[m], out.groups[m % 5], static_cast<int64_t>(random() % 1000) * hour});
  }
  return out;
}

std::map<part, std::set<std::string_view>> sides(const std::vector<split_row>& rows,
                                                 const std::vector<part>& parts) {
  std::map<part, std::set<std::string_view>> out;
  for (size_t i = 0; i < rows.size(); ++i) out[parts[i]].insert(rows[i].machine);
  return out;
}

bool disjoint(const std::set<std::string_view>& a, const std::set<std::string_view>& b) {
  return std::none_of(a.begin(), a.end(), [&](auto name) { return b.contains(name); });
}

using splitter = std::function<std::vector<part>(const std::vector<split_row>&)>;
const std::map<std::string, splitter> splitters{
    {"time", [](const auto& r) { return *split_by_time(r, *cuts_by_share(r, {}), 24 * hour); }},
    {"machine", [](const auto& r) { return *split_by_machine(r, {}, 7); }},
    {"both",
     [](const auto& r) {
       return *split_by_time_and_machine(r, *cuts_by_share(r, {}), 24 * hour, {}, 7);
     }},
    {"group", [](const auto& r) { return (*leave_one_group_out(r, 0.2, 7))[1].parts; }},
};

} // namespace

BOOST_AUTO_TEST_CASE(a_row_is_dealt_by_its_time_and_its_horizon) {
  std::vector<split_row> rows;
  for (int64_t t : {0, 8, 9, 10, 18, 19, 20, 99}) rows.push_back({"a", "g", t});
  auto parts = *split_by_time(rows, {10, 20}, 2);
  std::vector<part> wanted{part::train,      part::train,    part::left_out, part::validation,
                           part::validation, part::left_out, part::test,     part::test};
  BOOST_TEST((parts == wanted));
}

BOOST_AUTO_TEST_CASE(no_label_of_an_earlier_part_is_decided_inside_a_later_one) {
  for (int64_t horizon : {int64_t{0}, hour, 30 * hour, 200 * hour}) {
    auto s = make(11);
    auto cuts = *cuts_by_share(s.rows, {0.2, 0.3});
    auto parts = *split_by_time(s.rows, cuts, horizon);
    std::map<part, std::pair<int64_t, int64_t>> span; // first decision, last moment looked at
    for (size_t i = 0; i < parts.size(); ++i) {
      auto [at, fresh] = span.try_emplace(parts[i], s.rows[i].time_ms, s.rows[i].time_ms + horizon);
      at->second.first = std::min(at->second.first, s.rows[i].time_ms);
      at->second.second = std::max(at->second.second, s.rows[i].time_ms + horizon);
    }
    BOOST_TEST(span[part::train].second <= span[part::validation].first);
    BOOST_TEST(span[part::validation].second <= span[part::test].first);
  }
}

BOOST_AUTO_TEST_CASE(cuts_by_share_give_about_the_shares) {
  auto s = make(12);
  auto parts = *split_by_time(s.rows, *cuts_by_share(s.rows, {0.2, 0.3}), 0);
  auto summary = summarize(s.rows, parts);
  BOOST_TEST(std::abs(static_cast<double>(summary[3].rows) / 4000 - 0.3) < 0.01);
  BOOST_TEST(std::abs(static_cast<double>(summary[2].rows) / 4000 - 0.2) < 0.01);
  BOOST_TEST(summary[0].rows == 0u);
  BOOST_TEST(summary[1].machines == 60u);
  BOOST_TEST(summary[1].last_ms < summary[2].first_ms);
}

BOOST_AUTO_TEST_CASE(a_split_without_validation_has_one_gap) {
  auto s = make(13);
  auto cuts = *cuts_by_share(s.rows, {0, 0.3});
  BOOST_TEST(cuts.validation_from_ms == cuts.test_from_ms);
  auto summary = summarize(s.rows, *split_by_time(s.rows, cuts, hour));
  BOOST_TEST(summary[2].rows == 0u);
  BOOST_TEST(summary[3].rows > 0u);
}

BOOST_AUTO_TEST_CASE(no_machine_is_on_two_sides) {
  auto s = make(14);
  for (const char* name : {"machine", "both", "group"}) {
    auto by = sides(s.rows, splitters.at(name)(s.rows));
    BOOST_TEST(!by[part::train].empty(), name);
    BOOST_TEST(!by[part::validation].empty(), name);
    BOOST_TEST(!by[part::test].empty(), name);
    BOOST_TEST(disjoint(by[part::train], by[part::test]), name);
    BOOST_TEST(disjoint(by[part::train], by[part::validation]), name);
    BOOST_TEST(disjoint(by[part::validation], by[part::test]), name);
  }
}

BOOST_AUTO_TEST_CASE(the_order_of_the_rows_changes_nothing) {
  auto s = make(15);
  std::vector<size_t> order(s.rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(15));
  std::vector<split_row> shuffled;
  for (auto i : order) shuffled.push_back(s.rows[i]);
  for (const auto& [name, split] : splitters) {
    auto straight = split(s.rows), mixed = split(shuffled);
    BOOST_TEST((straight == split(s.rows)), name);
    for (size_t i = 0; i < order.size(); ++i)
      if (mixed[i] != straight[order[i]]) BOOST_FAIL(name << ": row " << order[i]);
  }
}

BOOST_AUTO_TEST_CASE(a_machine_stays_on_its_side_whatever_else_is_there) {
  auto all = make(16);
  auto few = make(17, 9, 500);
  auto a = sides(all.rows, *split_by_machine(all.rows, {}, 3));
  auto b = sides(few.rows, *split_by_machine(few.rows, {}, 3));
  for (const auto& [side, machines] : b)
    for (const auto& m : machines) BOOST_TEST(a[side].contains(m));
  BOOST_TEST((a != sides(all.rows, *split_by_machine(all.rows, {}, 4))), "the seed matters");
}

BOOST_AUTO_TEST_CASE(the_shares_of_machines_hold_on_average) {
  size_t test = 0, validation = 0;
  for (size_t i = 0; i < 20000; ++i) {
    auto side = side_of("node-" + std::to_string(i), {0.1, 0.25}, 1);
    test += side == part::test;
    validation += side == part::validation;
  }
  BOOST_TEST(std::abs(static_cast<double>(test) / 20000 - 0.25) < 0.01);
  BOOST_TEST(std::abs(static_cast<double>(validation) / 20000 - 0.10) < 0.01);
}

BOOST_AUTO_TEST_CASE(later_time_and_other_machines_hold_at_once) {
  auto s = make(18);
  auto cuts = *cuts_by_share(s.rows, {});
  auto time = *split_by_time(s.rows, cuts, 24 * hour);
  auto machine = *split_by_machine(s.rows, {}, 7);
  auto both = *split_by_time_and_machine(s.rows, cuts, 24 * hour, {}, 7);
  for (size_t i = 0; i < both.size(); ++i)
    if ((both[i] == part::left_out) != (time[i] != machine[i] || time[i] == part::left_out))
      BOOST_FAIL("row " << i);
}

BOOST_AUTO_TEST_CASE(without_machines_for_validation_the_training_machines_validate_later) {
  auto s = make(19);
  auto parts = *split_by_time_and_machine(s.rows, *cuts_by_share(s.rows, {}), hour, {0, 0.3}, 7);
  auto by = sides(s.rows, parts);
  BOOST_TEST(!by[part::validation].empty());
  BOOST_TEST(disjoint(by[part::validation], by[part::test]));
  BOOST_TEST(disjoint(by[part::train], by[part::test]));
}

BOOST_AUTO_TEST_CASE(each_group_is_held_out_once_and_as_a_whole) {
  auto s = make(20);
  auto folds = *leave_one_group_out(s.rows, 0.2, 1);
  BOOST_TEST(folds.size() == 5u);
  for (const auto& fold : folds)
    for (size_t i = 0; i < s.rows.size(); ++i)
      if ((fold.parts[i] == part::test) != (s.rows[i].group == fold.group))
        BOOST_FAIL(fold.group << " row " << i);
}

BOOST_AUTO_TEST_CASE(a_single_machine_validates_where_the_share_would_give_none) {
  std::vector<split_row> rows{{"a", "1", 0}, {"b", "2", 0}, {"c", "3", 0}};
  auto folds = *leave_one_group_out(rows, 0.01, 5);
  for (const auto& fold : folds)
    BOOST_TEST(std::count(fold.parts.begin(), fold.parts.end(), part::validation) == 1);
}

BOOST_AUTO_TEST_CASE(what_can_not_be_split_is_refused) {
  std::vector<split_row> none, same{{"a", "g", 5}, {"b", "g", 5}};
  auto code = [](const auto& r) { return r ? "accepted" : std::string(to_string(r.error().code)); };
  BOOST_TEST(code(cuts_by_share(none, {})) == "invalid_argument");
  BOOST_TEST(code(cuts_by_share(same, {})) == "invalid_argument");
  BOOST_TEST(code(cuts_by_share(same, {0.5, 0.5})) == "invalid_argument");
  BOOST_TEST(code(split_by_time(same, {2, 1}, 0)) == "invalid_argument");
  BOOST_TEST(code(split_by_time(same, {1, 2}, -1)) == "invalid_argument");
  BOOST_TEST(code(split_by_machine(same, {-0.1, 0.5}, 0)) == "invalid_argument");
  BOOST_TEST(code(leave_one_group_out(same, 0.2, 0)) == "invalid_argument");
  std::vector<split_row> torn{{"a", "g", 1}, {"a", "h", 2}};
  auto refused = leave_one_group_out(torn, 0.2, 0);
  BOOST_TEST(refused.error().detail == "machine a is in group g and in h");
  std::vector<split_row> two{{"a", "g", 1}, {"b", "h", 2}};
  BOOST_TEST(code(leave_one_group_out(two, 0.2, 0)) == "invalid_argument");
}
