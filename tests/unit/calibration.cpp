/// Scores to probabilities, and how good they are.

#include <cmath>
#include <random>

#include <boost/test/unit_test.hpp>

#include "predict/calibration.hpp"
#include "predict/judgement.hpp"

using namespace harbinger::predict;

namespace {
double unit(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }

/// Rows of `groups` groups whose true probability is curve(score).
template <class Curve>
std::vector<scored_label> draw(uint32_t groups, uint32_t rows_a_group, uint64_t seed, Curve curve) {
  std::mt19937_64 engine(seed);
  std::vector<scored_label> out;
  for (uint32_t g = 0; g < groups; ++g)
    for (uint32_t i = 0; i < rows_a_group; ++i) {
      double score = unit(engine);
      out.push_back({score, static_cast<uint8_t>(unit(engine) < curve(score)), 1, g});
    }
  return out;
}

std::vector<scored_label> said(const calibration& c, std::vector<scored_label> rows) {
  for (auto& r : rows) r.score = c.probability(r.score);
  return rows;
}

double step(double score) { return score < 0.5 ? 0.05 : 0.6; }
double log_curve(double score) { // log-odds doubled and lowered
  double x = 2 * std::log(score / (1 - score)) - 2;
  return 1 / (1 + std::exp(-x));
}

void check_properties(const calibration& c) {
  double before = 0;
  for (double score = -0.5; score < 1.5; score += 0.003) {
    double p = c.probability(score), u = c.uncertainty(score);
    BOOST_TEST_REQUIRE(p >= before);
    BOOST_TEST_REQUIRE(p >= 1e-6);
    BOOST_TEST_REQUIRE(p <= 0.999);
    BOOST_TEST_REQUIRE(u > 0);
    BOOST_TEST_REQUIRE(u <= 0.5);
    before = p;
  }
}

judgement judged_of(const std::vector<scored_label>& rows) {
  judged_rows given;
  given.machines.resize(1);
  for (const auto& r : rows) {
    judged row;
    row.label = r.label;
    row.probability = r.score;
    row.weight = r.weight;
    row.time_ms = std::ssize(given.rows);
    given.rows.push_back(row);
  }
  question q;
  q.horizon_ms = 1;
  q.bootstrap.replicates = 2;
  return judge(given, q).value();
}
} // namespace

BOOST_AUTO_TEST_CASE(probabilities_rise_with_the_score_and_stay_in_bounds) {
  for (uint64_t seed : {1u, 2u, 3u}) {
    auto rows = draw(40, 30, seed, step);
    check_properties(calibration::fit(rows));
    check_properties(calibration::fit_platt(rows));
  }
}

BOOST_AUTO_TEST_CASE(both_methods_beat_the_base_rate_on_rows_they_never_saw) {
  auto learned = draw(60, 50, 11, log_curve), later = draw(60, 50, 12, log_curve);
  double base = 0;
  for (const auto& r : later) base += r.label / static_cast<double>(later.size());
  for (auto fit : {&calibration::fit, &calibration::fit_platt}) {
    auto rows = said(fit(learned), later);
    auto j = judged_of(rows);
    BOOST_TEST(j.brier.value < 0.6 * base * (1 - base));
    BOOST_TEST(j.calibration_error.value < 0.02);
  }
}

BOOST_AUTO_TEST_CASE(platt_finds_the_curve_and_draws_it_through_its_points) {
  auto c = calibration::fit_platt(draw(100, 200, 5, log_curve));
  for (double score = 0.1; score < 0.95; score += 0.05)
    BOOST_TEST(std::fabs(c.probability(score) - log_curve(score)) < 0.02);
  BOOST_TEST(c.points().size() < 100u);
}

BOOST_AUTO_TEST_CASE(platt_is_chosen_for_few_smooth_rows_and_isotonic_for_a_step) {
  auto smooth = choose_calibration(draw(30, 25, 3, log_curve));
  BOOST_TEST(smooth.method == "platt");
  BOOST_TEST(smooth.platt_log_loss < smooth.isotonic_log_loss);
  auto stepped = choose_calibration(draw(60, 100, 3, step));
  BOOST_TEST(stepped.method == "isotonic");
  BOOST_TEST(stepped.isotonic_log_loss < stepped.platt_log_loss);
}

BOOST_AUTO_TEST_CASE(the_choice_is_judged_by_groups_not_by_rows) {
  // In each group all rows say the same thing twice: score 0.1 (half of the groups dead), the rest
  // by the group's own score. A split by rows would find isotonic perfect; by groups nothing is
  // known.
  std::vector<scored_label> rows;
  for (uint32_t g = 0; g < 50; ++g)
    for (int i = 0; i < 20; ++i)
      rows.push_back({0.3 + 0.004 * g, static_cast<uint8_t>((g * 7 / 3) % 2), 1, g});
  auto choice = choose_calibration(rows);
  BOOST_TEST(choice.method == "platt");
  BOOST_TEST(choice.platt_log_loss > 0.6);
}

BOOST_AUTO_TEST_CASE(few_groups_shift_the_log_odds_and_do_not_bend_them) {
  auto rows = draw(8, 50, 7, log_curve);
  auto choice = choose_calibration(rows);
  BOOST_TEST(choice.method == "offset");
  auto log_odds = [](double p) { return std::log(p / (1 - p)); };
  auto shift = [&](const calibration_point& p) {
    return log_odds(p.probability) - log_odds(p.score);
  };
  const auto& points = choice.chosen.points();
  for (const auto& p : points)
    if (p.score > 0 && p.score < 1)
      BOOST_TEST(std::fabs(shift(p) - shift(points[points.size() / 2])) < 0.01);
  double said = 0, base = 0;
  for (const auto& r : rows) {
    said += choice.chosen.probability(r.score) / static_cast<double>(rows.size());
    base += r.label / static_cast<double>(rows.size());
  }
  BOOST_TEST(std::fabs(said - base) < 0.02);
  // What no row reached keeps its order.
  BOOST_TEST(choice.chosen.probability(0.999) > choice.chosen.probability(rows.back().score));
}

BOOST_AUTO_TEST_CASE(too_few_groups_with_deaths_are_not_judged) {
  std::vector<scored_label> rows;
  for (uint32_t i = 0; i < 100; ++i)
    rows.push_back({i / 100.0, static_cast<uint8_t>(i > 90), 1, i > 90 ? 0 : i});
  auto choice = choose_calibration(rows);
  BOOST_TEST(choice.method == "offset");
  BOOST_TEST(std::isnan(choice.platt_log_loss));
  BOOST_TEST(!choice.chosen.empty());
  for (auto& r : rows) r.label = 0;
  BOOST_TEST(choose_calibration(rows).method == "none");
  BOOST_TEST(calibration::fit_platt(rows).empty());
  BOOST_TEST(choose_calibration({}).chosen.empty());
}

BOOST_AUTO_TEST_CASE(scores_that_fall_with_deaths_give_the_base_rate) {
  auto c = calibration::fit_platt(draw(50, 40, 4, [](double s) { return 0.4 * (1 - s); }));
  BOOST_TEST(c.probability(0.01) == c.probability(0.99));
  BOOST_TEST(std::fabs(c.probability(0.5) - 0.2) < 0.03);
}

BOOST_AUTO_TEST_CASE(weights_count_like_repeated_rows) {
  auto rows = draw(20, 20, 8, log_curve);
  std::vector<scored_label> repeated;
  for (auto& r : rows) {
    r.weight = 1 + r.run % 3;
    for (double w = 0; w < r.weight; ++w) repeated.push_back({r.score, r.label, 1, r.run});
  }
  for (auto fit : {&calibration::fit, &calibration::fit_platt})
    for (double s = 0.05; s < 1; s += 0.1)
      BOOST_TEST(std::fabs(fit(rows).probability(s) - fit(repeated).probability(s)) < 1e-6);
}

BOOST_AUTO_TEST_CASE(rows_without_a_number_or_weight_are_left_out) {
  auto rows = draw(20, 20, 8, log_curve);
  auto spoilt = rows;
  spoilt.push_back({std::nan(""), 1, 1, 0});
  spoilt.push_back({INFINITY, 1, 1, 0});
  spoilt.push_back({0.5, 1, 0, 0});
  spoilt.push_back({0.5, 1, -3, 0});
  for (auto fit : {&calibration::fit, &calibration::fit_platt})
    BOOST_TEST(fit(rows).probability(0.5) == fit(spoilt).probability(0.5));
}

BOOST_AUTO_TEST_CASE(few_groups_are_less_certain_than_many_with_the_same_rows) {
  auto rows = draw(100, 20, 2, step);
  auto few = rows;
  for (auto& r : few) r.run %= 5;
  BOOST_TEST(calibration::fit(few).uncertainty(0.8) > 2 * calibration::fit(rows).uncertainty(0.8));
}

BOOST_AUTO_TEST_CASE(rare_deaths_keep_their_probability_and_own_points) {
  auto curve = [](double s) { return s < 0.99 ? 2e-4 : 0.2; };
  auto c = choose_calibration(draw(2000, 50, 21, curve)).chosen;
  for (double score : {0.01, 0.3, 0.9, 0.98}) BOOST_TEST(c.probability(score) < 2e-3);
  BOOST_TEST(c.probability(0.995) > 0.1);
  auto rows = said(c, draw(2000, 50, 22, curve));
  BOOST_TEST(judged_of(rows).calibration_error.value < 0.002);
}

BOOST_AUTO_TEST_CASE(few_groups_do_not_bend_the_score_and_many_do) {
  // The scores are right but for the mean; in the groups that were seen they seemed to tell
  // nothing.
  auto flat = [](double) { return 0.3; };
  auto slope_of = [](const calibration& c) {
    auto log_odds = [](double p) { return std::log(p / (1 - p)); };
    return (log_odds(c.probability(0.8)) - log_odds(c.probability(0.2)))
           / (log_odds(0.8) - log_odds(0.2));
  };
  std::vector<scored_label> few;
  for (const auto& r : draw(300, 10, 7, flat)) {
    few.push_back(r);
    few.back().run = r.label ? 0 : 1; // all deaths are one machine's
  }
  BOOST_TEST(slope_of(calibration::fit_platt(few)) > 0.3);
  BOOST_TEST(slope_of(calibration::fit_platt(draw(3000, 10, 7, flat))) < 0.1);
}
