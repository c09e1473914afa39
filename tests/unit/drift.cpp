#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "predict/drift.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/three_features.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using harbinger::testing::three_features;
namespace tt = boost::test_tools;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t second = 1000, begin_ms = 1'000'000 * second;

using row = std::array<double, 3>;

row usual(std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  double flag = random() % 10 == 0 ? 1 : 0;
  return {40 + 5 * normal(random), flag, random() % 20 == 0 ? none : normal(random)};
}

profile_ptr learned(std::mt19937_64& random, size_t n = 5000) {
  training_rows rows;
  rows.width = 3;
  for (size_t i = 0; i < n; ++i) {
    auto r = usual(random);
    rows.values.insert(rows.values.end(), r.begin(), r.end());
  }
  rows.labels.resize(n);
  return std::make_shared<feature_profile>(make_profile(rows).value());
}

drift_options options() {
  drift_options out;
  out.half_life_s = 600;
  out.every_ms = 10 * second;
  return out;
}

/// A fleet that is looked at each ten seconds.
struct fleet {
  std::mt19937_64 random;
  input_drift watch;
  int64_t now_ms = begin_ms;
  size_t nodes = 20;
  explicit fleet(unsigned seed, size_t learned_rows = 5000)
      : random(seed), watch(three_features(), learned(random, learned_rows), options()) {}

  /// `change(node, row)` makes of a usual row what is measured now.
  template <class Change>
  void run(size_t rounds, const Change& change) {
    for (size_t i = 0; i < rounds; ++i, now_ms += 10 * second)
      for (size_t n = 0; n < nodes; ++n) {
        auto r = usual(random);
        change(n, r);
        watch.add(node_id{"n" + std::to_string(n)}, r, now_ms);
      }
  }
  void run(size_t rounds) {
    run(rounds, [](size_t, row&) {});
  }
  drift_report report() const { return watch.report(now_ms); }
};

const metric_drift& of(const drift_report& r, const std::string& metric) {
  for (const auto& m : r.metrics)
    if (m.metric == metric) return m;
  throw std::runtime_error("no " + metric);
}

} // namespace

BOOST_AUTO_TEST_CASE(the_same_distribution_is_no_drift) {
  auto seed = random_seed();
  BOOST_TEST_CONTEXT("HARBINGER_SEED=" << seed) {
    fleet f(seed);
    f.run(100);
    auto r = f.report();
    BOOST_TEST((r.level == drift_level::none));
    BOOST_TEST(r.metrics.size() == 2u);
    for (const auto& m : r.metrics) {
      BOOST_TEST(m.index < 0.05);
      BOOST_TEST(m.index >= 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(chance_alone_hardly_ever_passes_the_smallest_number_of_rows) {
  size_t wrong = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    fleet f(seed);
    f.run(20);
    BOOST_REQUIRE((f.report().level != drift_level::not_known));
    wrong += f.report().level != drift_level::none;
  }
  BOOST_TEST(wrong <= 1u);
}

BOOST_AUTO_TEST_CASE(a_shifted_mean_is_much_drift_and_comes_first) {
  fleet f(1);
  f.run(50, [](size_t, row& r) { r[0] += 10; });
  auto r = f.report();
  BOOST_TEST((r.level == drift_level::much));
  BOOST_TEST(r.metrics[0].metric == "heat");
  BOOST_TEST(r.metrics[0].feature == "heat level");
  BOOST_TEST((of(r, "heat").level == drift_level::much));
  BOOST_TEST((of(r, "load").level == drift_level::none));
  BOOST_TEST(describe(r.metrics[0]).starts_with("heat: much drift (PSI "));
  BOOST_TEST(describe(r.metrics[0]).ends_with(", heat level)"));
}

BOOST_AUTO_TEST_CASE(a_small_shift_is_some_drift) {
  fleet f(2);
  f.run(150, [](size_t, row& r) { r[0] += 2.2; });
  BOOST_TEST((f.report().level == drift_level::some));
}

BOOST_AUTO_TEST_CASE(the_index_is_that_of_its_definition) {
  fleet f(3);
  auto profile = learned(f.random);
  input_drift watch(three_features(), profile, options());
  std::vector<double> counts(profile->bins(0));
  for (int i = 0; i < 400; ++i) {
    auto r = usual(f.random);
    r[0] += 3;
    counts[profile->bin(0, r[0])] += 1;
    watch.add(node_id{"n" + std::to_string(i)}, r, begin_ms);
  }
  double expected = 0, all = 1 + 0.01 * static_cast<double>(counts.size());
  for (size_t b = 0; b < counts.size(); ++b) {
    double now = (counts[b] / 400 + 0.01) / all, then = (profile->share(0, b) + 0.01) / all;
    expected += (now - then) * std::log(now / then);
  }
  BOOST_TEST(of(watch.report(begin_ms), "heat").index == expected, tt::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_metric_that_vanishes_is_drift_and_is_said) {
  fleet f(4);
  f.run(50, [](size_t, row& r) { r[2] = none; });
  auto m = of(f.report(), "load");
  BOOST_TEST((m.level == drift_level::much));
  BOOST_TEST(m.missing_now == 1);
  BOOST_TEST(m.missing_then == 0.05, tt::tolerance(0.3));
  BOOST_TEST(describe(m).find("; missing in 100 % of the rows, ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_metric_that_appears_is_drift_too) {
  training_rows rows;
  rows.width = 3;
  rows.labels.resize(1000);
  for (size_t i = 0; i < 1000; ++i)
    rows.values.insert(rows.values.end(), {static_cast<double>(i), 0, none});
  auto profile = std::make_shared<feature_profile>(make_profile(rows).value());
  input_drift watch(three_features(), profile, options());
  for (int i = 0; i < 1000; ++i)
    watch.add(node_id{"n" + std::to_string(i)}, row{static_cast<double>(i), 0, 1.5}, begin_ms);
  auto r = watch.report(begin_ms);
  BOOST_TEST((of(r, "load").level == drift_level::much));
  BOOST_TEST(of(r, "load").missing_then == 1);
  BOOST_TEST(of(r, "load").missing_now == 0);
  BOOST_TEST((of(r, "heat").level == drift_level::none));
}

BOOST_AUTO_TEST_CASE(too_few_rows_are_not_known_yet) {
  fleet f(5);
  f.run(10, [](size_t, row& r) { r[0] += 50; });
  BOOST_TEST(f.report().rows < 300);
  BOOST_TEST((f.report().level == drift_level::not_known));
  BOOST_TEST(describe(f.report().metrics[0]).starts_with("heat: drift not known yet (PSI "));
  f.run(40, [](size_t, row& r) { r[0] += 50; });
  BOOST_TEST((f.report().level == drift_level::much));

  fleet learned_little(5, 200); // then as many as you like now do not help
  learned_little.run(100);
  BOOST_TEST((learned_little.report().level == drift_level::not_known));
}

BOOST_AUTO_TEST_CASE(nothing_seen_is_not_known_and_no_drift) {
  fleet f(6);
  auto r = f.report();
  BOOST_TEST(r.rows == 0);
  BOOST_TEST((r.level == drift_level::not_known));
  for (const auto& m : r.metrics) BOOST_TEST(m.index == 0);
}

BOOST_AUTO_TEST_CASE(one_odd_node_of_twenty_is_no_drift_of_the_fleet) {
  fleet f(7);
  f.run(100, [](size_t n, row& r) {
    if (n == 3) r = {1e6, -5, none};
  });
  BOOST_TEST((f.report().level == drift_level::none));
}

BOOST_AUTO_TEST_CASE(a_node_counts_no_more_by_sending_more) {
  fleet f(8);
  size_t counted = 0;
  for (int i = 0; i < 100; ++i) {
    f.run(1);
    for (int k = 0; k < 50; ++k)
      counted += f.watch.add(node_id{"loud"}, row{1e6, 1e6, 1e6}, f.now_ms - 10 * second + k);
  }
  BOOST_TEST(counted == 100u);
  BOOST_TEST((f.report().level == drift_level::none));
}

BOOST_AUTO_TEST_CASE(what_is_long_past_is_forgotten) {
  fleet f(9);
  f.run(100, [](size_t, row& r) { r[0] += 20; });
  BOOST_TEST((f.report().level == drift_level::much));
  f.run(600); // ten half-lives
  BOOST_TEST((f.report().level == drift_level::none));
  auto rows = f.report().rows;
  BOOST_TEST(f.watch.report(f.now_ms + 600 * second).rows == rows / 2, tt::tolerance(1e-9));
  // A fleet that went silent is not known any more.
  BOOST_TEST((f.watch.report(f.now_ms + 6000 * second).level == drift_level::not_known));
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_does_no_harm) {
  fleet f(10);
  f.run(50);
  auto rows = f.report().rows;
  BOOST_TEST(f.watch.add(node_id{"new"}, row{40, 0, 0}, begin_ms - 1'000'000 * second));
  BOOST_TEST(f.report().rows > rows);
  BOOST_TEST(f.report().rows < rows + 1.01);
}

BOOST_AUTO_TEST_CASE(more_nodes_than_the_limit_are_passed_over_and_counted) {
  fleet f(11);
  for (size_t i = 0; i < input_drift::nodes_max; ++i)
    f.watch.add(node_id{"n" + std::to_string(i)}, row{40, 0, 0}, begin_ms);
  BOOST_TEST(!f.watch.add(node_id{"late"}, row{40, 0, 0}, begin_ms));
  BOOST_TEST(f.watch.passed_over() == 1u);
  // In the next interval the others need not be remembered.
  BOOST_TEST(f.watch.add(node_id{"late"}, row{40, 0, 0}, begin_ms + 10 * second));
}
