#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "predict/profile.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;
using namespace harbinger::predict;
namespace tt = boost::test_tools;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

/// One feature, one value a row.
training_rows column(const std::vector<double>& values) {
  training_rows out;
  out.width = 1;
  out.values = values;
  out.labels.resize(values.size());
  return out;
}

feature_profile profile_of(const std::vector<double>& values) {
  return make_profile(column(values)).value();
}

/// Three features: smooth, nearly always 0, missing in places.
training_rows random_rows(std::mt19937_64& random, size_t n) {
  training_rows out;
  out.width = 3;
  std::normal_distribution<double> normal(5, 2);
  for (size_t i = 0; i < n; ++i) {
    out.values.push_back(normal(random));
    out.values.push_back(random() % 20 == 0 ? static_cast<double>(random() % 4) : 0);
    out.values.push_back(random() % 3 == 0 ? none : normal(random) / 10);
    out.labels.push_back(0);
    out.weights.push_back(static_cast<float>(1 + random() % 5));
  }
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(ten_bins_hold_a_tenth_of_the_rows_each) {
  std::vector<double> values(1000);
  std::iota(values.begin(), values.end(), 1);
  auto p = profile_of(values);
  BOOST_TEST(p.of(0).edges == (std::vector<float>{100, 200, 300, 400, 500, 600, 700, 800, 900}),
             tt::per_element());
  for (float share : p.of(0).shares) BOOST_TEST(share == 0.1f);
  BOOST_TEST(p.bins(0) == 11u);
  BOOST_TEST(p.rows() == 1000);
  BOOST_TEST(p.rank(0, 250).value() == 0.25, tt::tolerance(1e-6));
  BOOST_TEST(p.rank(0, -7).value() == 0);
  BOOST_TEST(p.rank(0, 5000).value() == 1);
}

BOOST_AUTO_TEST_CASE(a_flag_that_was_nearly_always_0_has_a_bin_for_0_and_one_on_either_side) {
  std::vector<double> values(97, 0.0);
  values.resize(100, 1.0);
  auto p = profile_of(values);
  BOOST_TEST(p.bins(0) == 4u);
  BOOST_TEST(p.share(0, p.bin(0, 0)) == 0.97, tt::tolerance(1e-6));
  BOOST_TEST(p.share(0, p.bin(0, 1)) == 0.03, tt::tolerance(1e-6));
  BOOST_TEST(p.share(0, p.bin(0, -1e-9)) == 0);
  BOOST_TEST(p.bin(0, 0.5) == p.bin(0, 1));
  BOOST_TEST(p.rank(0, 0).value() == 0.97 / 2, tt::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(a_feature_that_never_moved_tells_what_is_below_and_above) {
  auto p = profile_of(std::vector<double>(50, 7.0));
  BOOST_TEST(p.bins(0) == 4u);
  BOOST_TEST(p.share(0, p.bin(0, 7)) == 1);
  BOOST_TEST(p.share(0, p.bin(0, 6.9)) == 0);
  BOOST_TEST(p.share(0, p.bin(0, 7.1)) == 0);
  BOOST_TEST(p.rank(0, 7).value() == 0.5);
  BOOST_TEST(p.rank(0, 6.9).value() == 0);
  BOOST_TEST(p.rank(0, 7.1).value() == 1);
}

BOOST_AUTO_TEST_CASE(below_the_lowest_is_0_also_where_a_tenth_of_the_rows_is_the_lowest) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(1 + i / 10);
  auto p = profile_of(values);
  BOOST_TEST(p.rank(0, 0.9).value() == 0);
  BOOST_TEST(p.rank(0, 1).value() == 0.05, tt::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(missing_is_a_bin_of_its_own_and_has_no_rank) {
  auto p = profile_of({1, none, 2, infinite});
  auto last = p.bins(0) - 1;
  BOOST_TEST(p.share(0, last) == 0.5);
  for (double x : {none, infinite, -infinite}) {
    BOOST_TEST(p.bin(0, x) == last);
    BOOST_TEST(!p.rank(0, x).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_feature_that_no_row_knew_ranks_nothing) {
  auto p = profile_of({none, none});
  BOOST_TEST(p.bins(0) == 2u);
  BOOST_TEST(p.share(0, p.bin(0, none)) == 1);
  BOOST_TEST(p.share(0, p.bin(0, 3)) == 0);
  BOOST_TEST(!p.rank(0, 3).has_value());
}

BOOST_AUTO_TEST_CASE(a_row_counts_as_many_times_as_it_weighs) {
  auto weighted = column({1, 2, none});
  weighted.weights = {6, 3, 1};
  auto heavy = make_profile(weighted).value();
  auto spelled = profile_of({1, 1, 1, 1, 1, 1, 2, 2, 2, none});
  BOOST_TEST((heavy.of(0) == spelled.of(0)));
  BOOST_TEST(heavy.rows() == 100.0 / 46, tt::tolerance(1e-9));
  weighted.weights = {1, 0, std::nanf("")};
  BOOST_TEST((make_profile(weighted)->of(0) == profile_of({1}).of(0)));
}

BOOST_AUTO_TEST_CASE(the_learned_rows_themselves_fall_into_the_bins_by_their_shares) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    auto rows = random_rows(random, 3000);
    auto p = make_profile(rows).value();
    double total = 0;
    for (float w : rows.weights) total += static_cast<double>(w);
    for (size_t f = 0; f < rows.width; ++f) {
      std::vector<double> sums(p.bins(f));
      for (size_t i = 0; i < rows.size(); ++i) sums[p.bin(f, rows.row(i)[f])] += rows.weight(i);
      for (size_t b = 0; b < sums.size(); ++b)
        BOOST_TEST(std::abs(sums[b] / total - p.share(f, b)) < 1e-6);
    }
  }
}

BOOST_AUTO_TEST_CASE(ranks_are_even_and_never_fall_when_the_value_rises) {
  auto seed = random_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    auto rows = random_rows(random, 3000);
    auto p = make_profile(rows).value();
    for (size_t f = 0; f < rows.width; ++f) {
      double before = 0;
      for (double x = -10; x < 20; x += 0.01) {
        auto rank = p.rank(f, x).value();
        BOOST_REQUIRE(rank >= before);
        BOOST_REQUIRE(rank <= 1);
        before = rank;
      }
      double sum = 0, weight = 0; // the mean of mid-ranks is a half
      for (size_t i = 0; i < rows.size(); ++i) {
        auto rank = p.rank(f, rows.row(i)[f]);
        sum += rank ? *rank * rows.weight(i) : 0;
        weight += rank ? rows.weight(i) : 0;
      }
      BOOST_TEST(std::abs(sum / weight - 0.5) < 0.03);
    }
  }
}

BOOST_AUTO_TEST_CASE(examples_give_the_same_profile_as_their_rows) {
  auto made = std::make_shared<schema>();
  made->features.resize(2);
  examples from;
  from.schema = made;
  training_rows same;
  same.width = 2;
  std::vector<size_t> chosen;
  for (size_t i = 0; i < 60; ++i) {
    auto a = static_cast<float>(i * 7 % 11), b = i % 4 ? static_cast<float>(i) / 8 : std::nanf("");
    from.values.insert(from.values.end(), {a, b});
    from.node.push_back(0);
    from.weight.push_back(static_cast<float>(1 + i % 3));
    if (i % 2) continue;
    chosen.push_back(i);
    same.values.insert(same.values.end(), {static_cast<double>(a), static_cast<double>(b)});
    same.labels.push_back(0);
    same.weights.push_back(from.weight.back());
  }
  auto p = make_profile(from, chosen).value();
  BOOST_TEST((p == make_profile(same).value()));
  BOOST_TEST((make_profile(from, std::vector<size_t>{60}).error().code == errc::invalid_argument));
  BOOST_TEST((make_profile(from, {}).error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(of_very_many_rows_a_spread_sample_is_enough) {
  auto n = feature_profile::rows_max * 5 / 2;
  training_rows many;
  many.width = 1;
  for (size_t i = 0; i < n; ++i) many.values.push_back(static_cast<double>(i % 1000));
  many.labels.resize(n);
  auto p = make_profile(many).value();
  BOOST_TEST(p.rows() == static_cast<double>(feature_profile::rows_max));
  for (size_t b = 0; b < 10; ++b) BOOST_TEST(std::abs(p.share(0, b) - 0.1) < 0.01);
  for (size_t e = 0; e < 9; ++e)
    BOOST_TEST(std::abs(p.of(0).edges[e] - 100.0f * static_cast<float>(e + 1)) < 10);
}

BOOST_AUTO_TEST_CASE(too_many_features_are_refused) {
  training_rows wide;
  wide.width = training_width_max + 1;
  wide.values.resize(wide.width);
  wide.labels.resize(1);
  BOOST_TEST((make_profile(wide).error().code == errc::oversize));
}

BOOST_AUTO_TEST_CASE(a_profile_survives_its_bytes_and_a_piece_of_them_is_malformed) {
  std::mt19937_64 random(3);
  auto p = make_profile(random_rows(random, 500)).value();
  auto bytes = p.serialize();
  auto again = feature_profile::parse(bytes);
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST((*again == p));
  for (size_t n = 0; n < bytes.size(); ++n)
    BOOST_TEST((feature_profile::parse(bytes.substr(0, n)).error().code == errc::malformed));
  BOOST_TEST((feature_profile::parse(bytes + '\0').error().code == errc::malformed));
}

BOOST_AUTO_TEST_CASE(flipped_bits_give_an_error_or_a_profile_that_holds_together) {
  std::mt19937_64 random(4);
  auto bytes = make_profile(random_rows(random, 300))->serialize();
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    auto p = feature_profile::parse(changed);
    if (!p) {
      ++refused;
      continue;
    }
    for (size_t f = 0; f < p->width(); ++f)
      for (double x : {-1e300, -1.0, 0.0, 0.3, 5.0, 1e300, none}) {
        BOOST_REQUIRE(p->bin(f, x) < p->bins(f));
        auto rank = p->rank(f, x);
        BOOST_REQUIRE((!rank || (*rank >= 0 && *rank <= 1)));
      }
  }
  BOOST_TEST(refused > 100u);
}
