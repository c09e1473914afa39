#include <boost/test/unit_test.hpp>

#include <cmath>
#include <random>

#include "predict/calibration_drift.hpp"
#include "tests/support/random_seed.hpp"

using namespace harbinger;
using namespace harbinger::predict;
namespace tt = boost::test_tools;

namespace {

constexpr int64_t second = 1000, horizon = 60 * second, every = 10 * second;
constexpr int64_t begin_ms = 1'000'000 * second;
const node_id a{"a"};

calibration_drift_options options() {
  calibration_drift_options out;
  out.every_ms = every;
  out.half_life_s = 1e9;
  return out;
}

/// Nodes that fail at random, each at its own rate, and are back at once. The true probability of a
/// failure within the horizon is 1 - exp(-rate horizon); `said` makes of it what the model says.
template <class Said>
calibration_report stream(unsigned seed, const Said& said, double rate_factor = 1) {
  std::mt19937_64 random(seed);
  calibration_drift watch(options());
  std::exponential_distribution<double> unit;
  constexpr size_t nodes = 40, rounds = 1600; // of 5 s
  std::vector<double> rate_s(nodes), next_s(nodes);
  for (size_t n = 0; n < nodes; ++n) {
    rate_s[n] = rate_factor * 2e-5 * std::pow(2.0, static_cast<double>(n % 8));
    next_s[n] = unit(random) / rate_s[n];
  }
  for (size_t round = 0; round < rounds; ++round) {
    double now_s = 5 * static_cast<double>(round);
    auto now_ms = begin_ms + 5 * second * static_cast<int64_t>(round);
    for (size_t n = 0; n < nodes; ++n) {
      node_id id{"n" + std::to_string(n)};
      for (; next_s[n] <= now_s; next_s[n] += unit(random) / rate_s[n])
        watch.failed(id, begin_ms + static_cast<int64_t>(std::ceil(1000 * next_s[n])));
      watch.add(id, now_ms, said(1 - std::exp(-rate_s[n] * horizon / 1000)), horizon);
    }
    watch.advance(now_ms);
  }
  return watch.report();
}

/// One node, one prediction each ten seconds from `from_s` up to `to_s`.
void say(calibration_drift& watch, int64_t from_s, int64_t to_s, double p = 0.3) {
  for (auto s = from_s; s < to_s; s += 10) watch.add(a, begin_ms + s * second, p, horizon);
}

} // namespace

BOOST_AUTO_TEST_CASE(a_calibrated_stream_nearly_always_fits) {
  size_t fits = 0, within_two = 0;
  double squares = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    auto r = stream(seed, [](double p) { return p; });
    fits += r.verdict == calibration_verdict::fits;
    within_two += std::abs(r.z) < 2;
    squares += r.z * r.z;
  }
  BOOST_TEST(fits >= 98u);
  // The z-score is one: were predictions of one horizon counted one by one, it would be 2.4 wide.
  BOOST_TEST(within_two >= 90u);
  BOOST_TEST(squares / 100 > 0.6);
  BOOST_TEST(squares / 100 < 1.5);
}

BOOST_AUTO_TEST_CASE(the_number_of_failures_expected_and_observed_is_that_of_failures) {
  auto r = stream(7, [](double p) { return p; });
  double failures = 0; // 40 nodes at eight rates, 8000 s, of which the last minute is still open
  for (double rate = 2e-5; rate < 5e-3; rate *= 2)
    failures += 5 * 7940 / 60.0 * (1 - std::exp(-60 * rate));
  BOOST_TEST(r.expected == failures, tt::tolerance(0.01));
  BOOST_TEST(std::abs(r.observed - failures) < 3 * std::sqrt(failures));
  BOOST_TEST(r.node_horizons == 40 * 7940.0 / 60, tt::tolerance(0.01));
  BOOST_TEST(r.error < 0.02);
}

BOOST_AUTO_TEST_CASE(doubled_probabilities_warn_too_much) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    auto r = stream(seed, [](double p) { return 2 * p; });
    BOOST_TEST((r.verdict == calibration_verdict::warns_too_much), describe(r));
    BOOST_TEST(r.ratio == 0.5, tt::tolerance(0.35));
    BOOST_TEST(r.z < -3);
  }
}

BOOST_AUTO_TEST_CASE(halved_probabilities_warn_too_little) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    auto r = stream(seed, [](double p) { return p / 2; });
    BOOST_TEST((r.verdict == calibration_verdict::warns_too_little), describe(r));
  }
}

BOOST_AUTO_TEST_CASE(the_right_sum_with_the_wrong_nodes_shows_in_the_error) {
  auto right = stream(
      1, [](double p) { return p; }, 20);
  auto level = stream(
      1, [&](double) { return right.expected / right.node_horizons; }, 20);
  auto wrong = stream(
      1, [](double p) { return p > 0.4 ? 0.05 : 0.6; }, 20);
  BOOST_TEST((level.verdict == calibration_verdict::fits));
  BOOST_TEST(right.error < 0.03);
  BOOST_TEST(wrong.error > 0.3);
}

BOOST_AUTO_TEST_CASE(few_failures_are_not_known_yet) {
  calibration_drift watch(options());
  say(watch, 0, 600, 0.01);
  watch.failed(a, begin_ms + 595 * second);
  say(watch, 600, 1000, 0.01);
  watch.advance(begin_ms + 1000 * second);
  auto r = watch.report();
  BOOST_TEST(r.observed == 1, tt::tolerance(1e-6));
  BOOST_TEST(r.z > 2);
  BOOST_TEST((r.verdict == calibration_verdict::not_known));
  BOOST_TEST((calibration_drift(options()).report().verdict == calibration_verdict::not_known));
}

BOOST_AUTO_TEST_CASE(a_failure_is_observed_once_however_many_predictions_it_fulfils) {
  calibration_drift watch(options());
  say(watch, 0, 300);
  watch.failed(a, begin_ms + 295 * second);
  watch.failed(a, begin_ms + 295 * second); // said twice
  say(watch, 300, 500);
  watch.advance(begin_ms + 500 * second);
  BOOST_TEST(watch.report().observed == 1, tt::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(the_horizon_includes_its_end_and_not_its_beginning) {
  auto observed = [](int64_t failed_ms) {
    calibration_drift watch(options());
    watch.add(a, begin_ms, 0.5, horizon);
    watch.failed(a, begin_ms + failed_ms);
    watch.add(a, begin_ms + 3 * horizon, 0.5, horizon);
    watch.advance(begin_ms + 3 * horizon);
    BOOST_TEST(watch.report().counted == 1u);
    return watch.report().observed > 0;
  };
  BOOST_TEST(!observed(0));
  BOOST_TEST(observed(1));
  BOOST_TEST(observed(horizon));
  BOOST_TEST(!observed(horizon + 1));
}

BOOST_AUTO_TEST_CASE(failures_do_not_come_before_the_survivors_that_belong_to_them) {
  calibration_drift watch(options());
  watch.add(a, begin_ms, 0.5, horizon);
  watch.add(node_id{"b"}, begin_ms, 0.5, horizon);
  watch.failed(a, begin_ms + second);
  watch.add(node_id{"b"}, begin_ms + horizon - 1, 0.5, horizon);
  watch.advance(begin_ms + horizon - 1);
  BOOST_TEST(watch.report().counted == 0u);
  watch.add(node_id{"b"}, begin_ms + horizon, 0.5, horizon);
  watch.advance(begin_ms + horizon);
  BOOST_TEST(watch.report().counted == 2u);
}

BOOST_AUTO_TEST_CASE(a_planned_departure_is_censored) {
  calibration_drift watch(options());
  say(watch, 0, 100);
  watch.left(a, begin_ms + 95 * second);
  watch.advance(begin_ms + 300 * second);
  auto r = watch.report();
  BOOST_TEST(r.open == 0u);
  BOOST_TEST(r.counted == 4u); // of 0 to 30 s: their horizon was over
  BOOST_TEST(r.censored == 6u);
  BOOST_TEST(r.observed == 0);
}

BOOST_AUTO_TEST_CASE(a_node_that_left_and_came_back_has_not_shown_that_it_would_have_lived) {
  calibration_drift watch(options());
  watch.add(a, begin_ms, 0.5, horizon);
  watch.left(a, begin_ms + 20 * second);
  watch.add(a, begin_ms + horizon, 0.5, horizon);
  watch.advance(begin_ms + horizon);
  BOOST_TEST(watch.report().counted == 0u);
  BOOST_TEST(watch.report().censored == 1u);
  BOOST_TEST(watch.report().open == 1u);
}

BOOST_AUTO_TEST_CASE(what_failed_before_it_left_has_failed) {
  calibration_drift watch(options());
  watch.add(a, begin_ms, 0.5, horizon);
  watch.failed(a, begin_ms + 20 * second);
  watch.left(a, begin_ms + 30 * second);
  watch.advance(begin_ms + horizon);
  BOOST_TEST(watch.report().observed > 0);
  BOOST_TEST(watch.report().censored == 0u);
}

BOOST_AUTO_TEST_CASE(a_silent_node_is_awaited_and_then_censored) {
  calibration_drift watch(options());
  watch.add(a, begin_ms, 0.5, horizon);
  watch.advance(begin_ms + 2 * horizon - 1);
  BOOST_TEST(watch.report().open == 1u);
  watch.advance(begin_ms + 2 * horizon);
  BOOST_TEST(watch.report().open == 0u);
  BOOST_TEST(watch.report().censored == 1u);
}

BOOST_AUTO_TEST_CASE(a_failure_that_is_told_late_still_counts) {
  calibration_drift watch(options());
  watch.add(a, begin_ms, 0.5, horizon);
  watch.advance(begin_ms + horizon + 5 * second);
  BOOST_TEST(watch.report().counted == 0u);
  watch.failed(a, begin_ms + horizon - second);
  watch.advance(begin_ms + horizon + 6 * second);
  BOOST_TEST(watch.report().counted == 1u);
  BOOST_TEST(watch.report().observed > 0);
}

BOOST_AUTO_TEST_CASE(what_comes_too_soon_is_not_taken_but_shows_that_the_node_lives) {
  calibration_drift watch(options());
  BOOST_TEST(watch.add(a, begin_ms, 0.5, horizon));
  for (int64_t s = 1; s < 10; ++s) BOOST_TEST(!watch.add(a, begin_ms + s * second, 0.5, horizon));
  BOOST_TEST(watch.add(a, begin_ms + every, 0.5, horizon));
  BOOST_TEST(watch.report().open == 2u);
}

BOOST_AUTO_TEST_CASE(a_long_horizon_takes_no_more_than_twenty_predictions_a_node) {
  calibration_drift watch(options());
  size_t taken = 0;
  for (int64_t t = 0; t < 86'400 * second; t += every)
    taken += watch.add(a, begin_ms + t, 0.5, 86'400 * second);
  BOOST_TEST(taken <= 21u);
  BOOST_TEST(taken >= 20u);
}

BOOST_AUTO_TEST_CASE(a_short_horizon_counts_each_prediction_once) {
  calibration_drift watch(options());
  for (int64_t t = 0; t < 100 * second; t += every) watch.add(a, begin_ms + t, 0.25, second);
  watch.advance(begin_ms + 100 * second - every);
  auto r = watch.report();
  BOOST_TEST(r.node_horizons == 9);
  BOOST_TEST(r.expected == 9 * 0.25, tt::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(predictions_fall_into_the_bin_of_their_probability) {
  calibration_drift watch(options());
  std::vector<double> said{0, 0.001, 0.02, 0.2, 0.6, 1};
  for (auto t : {begin_ms, begin_ms + every})
    for (size_t i = 0; i < said.size(); ++i)
      watch.add(node_id{"n" + std::to_string(i)}, t, said[i], every);
  watch.advance(begin_ms + every);
  auto r = watch.report();
  std::vector<double> counts;
  for (const auto& b : r.bins) {
    counts.push_back(b.node_horizons);
    if (b.node_horizons > 0) {
      BOOST_TEST(b.expected >= b.from);
      BOOST_TEST(b.expected <= b.to);
    }
  }
  BOOST_TEST(counts == (std::vector<double>{1, 1, 0, 1, 0, 0, 1, 0, 1, 1}), tt::per_element());
}

BOOST_AUTO_TEST_CASE(old_outcomes_fade) {
  auto fading = options();
  fading.half_life_s = 1000;
  calibration_drift watch(fading);
  say(watch, 0, 2000, 0.5);
  watch.advance(begin_ms + 2000 * second);
  auto before = watch.report();
  watch.advance(begin_ms + 3200 * second);
  auto after = watch.report();
  BOOST_TEST(after.counted == before.counted);
  BOOST_TEST(after.expected == before.expected * std::exp2(-1.2), tt::tolerance(1e-9));
  // As the sum and its deviation fade alike, what was significant stays so.
  BOOST_TEST(after.z == before.z, tt::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(past_the_limit_new_predictions_are_refused_and_counted_and_old_ones_ripen) {
  calibration_drift watch(options());
  auto round = [&](int64_t at_ms) {
    for (size_t n = 0; n < 30'000; ++n)
      watch.add(node_id{std::to_string(n)}, at_ms, 0.1, 20 * every);
  };
  for (int64_t i = 0; i < 20; ++i) round(begin_ms + i * every);
  BOOST_TEST(watch.report().open == calibration_drift::open_max);
  BOOST_TEST(watch.report().refused == 20 * 30'000 - calibration_drift::open_max);
  round(begin_ms + 20 * every);
  watch.advance(begin_ms + 20 * every);
  BOOST_TEST(watch.report().counted == 30'000u);
}

BOOST_AUTO_TEST_CASE(nodes_past_the_limit_are_refused_until_others_are_forgotten) {
  calibration_drift watch(options());
  for (size_t n = 0; n < calibration_drift::nodes_max; ++n)
    watch.add(node_id{std::to_string(n)}, begin_ms, 0.1, horizon);
  BOOST_TEST(!watch.add(a, begin_ms, 0.1, horizon));
  BOOST_TEST(watch.report().refused == 1u);
  watch.advance(begin_ms + 2 * horizon); // all censored
  BOOST_TEST(watch.add(a, begin_ms + 2 * horizon, 0.1, horizon));
}

BOOST_AUTO_TEST_CASE(the_report_says_it_in_words) {
  calibration_report r;
  r.expected = 12.34;
  r.observed = 25;
  r.ratio = 2.026;
  r.z = 3.61;
  r.verdict = calibration_verdict::warns_too_little;
  BOOST_TEST(describe(r)
             == "12.3 failures expected, 25.0 came (ratio 2.03, z 3.6): warns too little");
}
