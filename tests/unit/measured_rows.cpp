#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include "predict/crowd.hpp"
#include "predict/features.hpp"
#include "predict/synthetic_rows.hpp"

/// What `harbinger bench` feeds the prediction engine with.

using namespace harbinger;
using namespace harbinger::predict;

namespace {

/// A node without a sample, then one with two and one with five.
history two_lives() {
  history h;
  h.metrics = {{"host.cpu_busy_ratio", "ratio", history_reading::share, true, 0},
               {"log.errors.io", "1", history_reading::counter, true, 0}};
  for (const char* id : {"silent", "short", "long"}) h.nodes.push_back({node_id{id}, "", {}, 0, 0});
  for (int64_t i = 0; i < 5; ++i) {
    auto x = static_cast<double>(i);
    if (i < 2) h.samples.push_back({1, 1000 * i, {0.1, x}});
    h.samples.push_back({2, 1000 * i, {0.2 + x / 10, 10 * x}});
  }
  return h;
}

bool same_bits(const training_rows& a, const training_rows& b) {
  auto same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.labels == b.labels
         && std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), same);
}

} // namespace

BOOST_AUTO_TEST_CASE(synthetic_rows_have_the_share_of_positives_that_was_asked_for) {
  auto rows = synthetic_rows({2000, 10, 0.01, 0.05, 7});
  BOOST_REQUIRE(rows.has_value());
  BOOST_TEST(rows->size() == 2000u);
  BOOST_TEST(rows->values.size() == 20'000u);
  BOOST_TEST(std::count(rows->labels.begin(), rows->labels.end(), 1) == 20);
  auto missing = std::count_if(rows->values.begin(), rows->values.end(),
                               [](double x) { return std::isnan(x); });
  BOOST_TEST(missing > 800);
  BOOST_TEST(missing < 1200);
  BOOST_TEST(check_training_rows(*rows).has_value());
}

BOOST_AUTO_TEST_CASE(synthetic_rows_are_the_same_for_a_seed_and_differ_between_seeds) {
  auto one = synthetic_rows({200, 8, 0.1, 0.1, 1}), again = synthetic_rows({200, 8, 0.1, 0.1, 1}),
       other = synthetic_rows({200, 8, 0.1, 0.1, 2});
  BOOST_REQUIRE((one.has_value() && again.has_value() && other.has_value()));
  BOOST_TEST(same_bits(*one, *again));
  BOOST_TEST(!same_bits(*one, *other));
}

BOOST_AUTO_TEST_CASE(every_feature_that_counts_in_synthetic_rows_is_higher_in_positive_ones) {
  auto rows = synthetic_rows({4000, 8, 0.05, 0, 3});
  BOOST_REQUIRE(rows.has_value());
  for (size_t f = 0; f < 5; ++f) {
    double positive = 0, healthy = 0;
    for (size_t i = 0; i < rows->size(); ++i)
      (rows->labels[i] ? positive : healthy) += rows->row(i)[f];
    BOOST_TEST(positive / 200 > healthy / 3800 + 0.05, "feature " << f << " tells nothing");
  }
}

BOOST_AUTO_TEST_CASE(synthetic_rows_that_make_no_sense_are_refused) {
  for (const synthetic_options& bad :
       {synthetic_options{19, 8}, synthetic_options{100, 7}, synthetic_options{100, 8, 1.0},
        synthetic_options{100, 8, -0.1}, synthetic_options{100, 8, 0.1, 1.5},
        synthetic_options{100, 8, std::nan("")}})
    BOOST_TEST(!synthetic_rows(bad).has_value());
}

BOOST_AUTO_TEST_CASE(a_crowd_lives_the_recorded_lives_in_turn_up_to_now) {
  auto crowd = crowd_of(two_lives(), {5, 3, 1'000'000});
  BOOST_REQUIRE(crowd.has_value());
  BOOST_REQUIRE(crowd->size() == 5u);
  std::set<node_id> names;
  for (size_t i = 0; i < 5; ++i) {
    const auto& rows = (*crowd)[i];
    names.insert(rows.node);
    bool is_short = i % 2 == 0;
    BOOST_REQUIRE(rows.times.size() == (is_short ? 2u : 3u));
    BOOST_TEST(rows.times.back().value == 1'000'000);
    BOOST_TEST(rows.times.front().value == (is_short ? 999'000 : 998'000));
    BOOST_TEST(rows.row(rows.times.size() - 1)[1] == (is_short ? 1 : 40));
    BOOST_TEST(rows.row(0)[1] == (is_short ? 0 : 20));
  }
  BOOST_TEST(names.size() == 5u);
}

BOOST_AUTO_TEST_CASE(features_are_made_of_a_crowd_and_of_its_newest_samples_again) {
  auto crowd = crowd_of(two_lives(), {7, 5, 1'000'000});
  BOOST_REQUIRE(crowd.has_value());
  feature_engine engine(make_scales({1, 5, 20}, 20, 3));
  for (const auto& rows : *crowd) engine.add(rows, 1'000'000);
  for (const auto& rows : *crowd) {
    auto again = newest_again(rows, 500);
    BOOST_TEST(again.node == rows.node);
    BOOST_REQUIRE(again.times.size() == 1u);
    BOOST_TEST(again.times[0].value == 1'000'500);
    BOOST_TEST(again.row(0)[0] == rows.row(rows.times.size() - 1)[0]);
    engine.add(again, 1'000'500);
  }
  feature_table table;
  engine.table(1'000'500, table);
  BOOST_TEST(table.nodes.size() == 7u);
  for (double age : table.ages_s) BOOST_TEST(age == 0);
}

BOOST_AUTO_TEST_CASE(a_crowd_without_lives_or_too_large_is_refused) {
  BOOST_TEST(!crowd_of(history{}, {5, 3, 0}).has_value());
  BOOST_TEST(!crowd_of(two_lives(), {0, 3, 0}).has_value());
  BOOST_TEST(!crowd_of(two_lives(), {5, 0, 0}).has_value());
  auto large = crowd_of(two_lives(), {crowd_nodes_max + 1, 1, 0});
  BOOST_REQUIRE(!large.has_value());
  BOOST_TEST((large.error().code == errc::oversize));
}
