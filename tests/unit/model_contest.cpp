/// Champion against challenger.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <boost/test/unit_test.hpp>

#include "predict/contest.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {

double unit(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }
double normal(std::mt19937_64& engine) { // Box and Muller
  double radius = std::sqrt(-2 * std::log1p(-unit(engine)));
  return radius * std::cos(2 * 3.14159265358979 * unit(engine));
}
double share_of(double log_odds) { return 1 / (1 + std::exp(-log_odds)); }

/// A model's error: of a machine, the same in all its rows, and of a row.
struct noise {
  double machine = 0, row = 0;
};
struct drawing {
  uint32_t machines = 100;
  double failing = 0.15;
  noise champion{1, 1}, challenger{1, 1};
};
/// Ten rows a machine, of a failing one the last four before its failure.
std::vector<contest_row> draw(const drawing& of, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<contest_row> out;
  for (uint32_t m = 0; m < of.machines; ++m) {
    bool fails = unit(engine) < of.failing;
    double a = of.champion.machine * normal(engine), b = of.challenger.machine * normal(engine);
    for (int t = 0; t < 10; ++t) {
      contest_row r{.machine = m * 17, .time_ms = t * 1000, .label = fails && t >= 6};
      double truth = r.label ? 1 : -3;
      r.champion = share_of(truth + a + of.champion.row * normal(engine));
      r.challenger = share_of(truth + b + of.challenger.row * normal(engine));
      out.push_back(r);
    }
  }
  return out;
}

contest_verdict held(std::vector<contest_row> rows, contest_options options = {}) {
  if (!options.replicates) options.replicates = 100;
  auto v = hold_contest(std::move(rows), options);
  BOOST_REQUIRE_MESSAGE(v, (v ? "" : to_string(v.error())));
  return *v;
}

/// In how many of the draws the challenger is promoted.
int promotions(const drawing& of, int draws) {
  int out = 0;
  for (int seed = 1; seed <= draws; ++seed) {
    contest_options options;
    options.seed = static_cast<uint64_t>(seed);
    out += held(draw(of, options.seed), options).promotes();
  }
  return out;
}

/// So many machines of ten rows, the first `failing` of them failing in all rows.
std::vector<contest_row> fleet(uint32_t machines, uint32_t failing, double champion_if_failing,
                               double challenger_if_failing) {
  std::vector<contest_row> out;
  for (uint32_t m = 0; m < machines; ++m)
    for (int t = 0; t < 10; ++t)
      out.push_back({m, t, m < failing, 1, m < failing ? champion_if_failing : 0.1,
                     m < failing ? challenger_if_failing : 0.1});
  return out;
}

bool says(const contest_verdict& v, std::string_view text) {
  return v.words.find(text) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(figures)

BOOST_AUTO_TEST_CASE(they_are_those_of_the_definitions) {
  std::vector<contest_row> rows{{7, 1, 1, 2, 0.5, 0.8},
                                {7, 2, 0, 1, 0.25, 0.5},
                                {9, 3, 0, 1, 0, 0.2},
                                {9, 3, 0, 0, 0.9, 0.9}};
  auto v = held(rows);
  double champion = (2 * std::log(2) + std::log(4.0 / 3) + 1e-6) / 4;
  double challenger = (2 * std::log(1.25) + std::log(2) + std::log(1.25)) / 4;
  BOOST_TEST(v.champion.log_loss.value == champion, boost::test_tools::tolerance(1e-5));
  BOOST_TEST(v.challenger.log_loss.value == challenger, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(v.gain.value == champion - challenger, boost::test_tools::tolerance(1e-5));
  BOOST_TEST(v.challenger.brier.value == (2 * 0.04 + 0.25 + 0.04) / 4,
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(v.challenger.pr_auc.value == 1.0);
  BOOST_TEST(v.rows == 3u); // a row without weight is none
  BOOST_TEST(v.positives == 1u);
  BOOST_TEST(v.machines == 2u);
  BOOST_TEST(v.failures == 1u);
  BOOST_TEST(v.base_rate == 0.5);
  BOOST_TEST(v.first_ms == 1);
  BOOST_TEST(v.last_ms == 3);
}

BOOST_AUTO_TEST_CASE(a_certain_error_costs_fourteen_not_infinity) {
  auto v = held(fleet(40, 10, 0, 0.5));
  BOOST_TEST(v.champion.log_loss.value == (-std::log(1e-6) * 10 - std::log(0.9) * 30) / 40,
             boost::test_tools::tolerance(1e-9));
  v = held(fleet(40, 40, 1, 1));
  BOOST_TEST(v.champion.log_loss.value < 2e-6);
}

BOOST_AUTO_TEST_CASE(swapped_roles_give_the_opposite_sign) {
  drawing of;
  of.champion = {2, 1};
  auto rows = draw(of, 5), swapped = rows;
  for (auto& r : swapped) std::swap(r.champion, r.challenger);
  auto there = held(rows), back = held(swapped);
  BOOST_TEST(there.gain.value == -back.gain.value);
  BOOST_TEST(there.gain.low == -back.gain.high, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(there.gain.high == -back.gain.low, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(there.pr_auc_gain.value == -back.pr_auc_gain.value);
  BOOST_TEST(there.champion.brier.value == back.challenger.brier.value);
  BOOST_TEST(there.promotes());
  BOOST_TEST(!back.promotes());
  BOOST_TEST(says(back, "the challenger is worse"));
}

BOOST_AUTO_TEST_CASE(the_order_of_the_rows_and_the_names_of_machines_do_not_matter) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    auto rows = draw({}, seed), mixed = rows;
    std::mt19937_64 engine(seed);
    for (size_t i = mixed.size(); i > 1; --i) std::swap(mixed[i - 1], mixed[engine() % i]);
    for (auto& r : mixed) r.machine += 4'000'000'000u;
    auto a = held(rows), b = held(mixed);
    BOOST_TEST(a.words == b.words);
    BOOST_TEST(a.gain.value == b.gain.value);
    BOOST_TEST(a.gain.low == b.gain.low);
    BOOST_TEST(a.challenger.log_loss.high == b.challenger.log_loss.high);
    BOOST_TEST(a.pr_auc_gain.high == b.pr_auc_gain.high);
  }
}

BOOST_AUTO_TEST_CASE(rows_of_one_machine_are_no_independent_evidence) {
  auto rows = draw({}, 4), tenfold = rows;
  for (int i = 1; i < 10; ++i)
    for (auto r : rows) {
      r.time_ms += 10'000 * i;
      tenfold.push_back(r);
    }
  auto one = held(rows), ten = held(tenfold);
  BOOST_TEST(one.gain.low == ten.gain.low, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(one.gain.high == ten.gain.high, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(students_quantiles_are_those_of_the_tables) {
  const std::pair<double, double> table[]{{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},
                                          {5, 2.571},  {10, 2.228}, {30, 2.042}, {1e9, 1.960}};
  for (auto [freedom, t] : table)
    BOOST_TEST(student_t_975(freedom) == t, boost::test_tools::tolerance(0.003));
  BOOST_TEST(student_t_975(4.9) == student_t_975(4));
  BOOST_TEST(student_t_975(-1) == student_t_975(1));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(verdicts)

BOOST_AUTO_TEST_CASE(one_truly_better_is_promoted_once_there_is_enough_data) {
  drawing of;
  of.machines = 200;
  of.champion = {1.5, 1};
  of.challenger = {0.7, 0.5};
  BOOST_TEST(promotions(of, 40) >= 38);
  auto v = held(draw(of, 1));
  BOOST_TEST(says(v, "promote the challenger, it is better: log-loss "));
  BOOST_TEST(says(v, " machines, "));
  BOOST_TEST(v.gain.low > 0);
}

// Nominal is 2.5 %; the interval is careful with few failures.
BOOST_AUTO_TEST_CASE(one_better_by_chance_alone_is_promoted_no_more_often_than_announced) {
  for (double failing : {0.05, 0.15, 0.4}) {
    drawing of;
    of.failing = failing;
    int count = promotions(of, 200);
    BOOST_TEST(count <= 10, "failing " << failing << ": " << count << " of 200"); // 5 expected
  }
}

// Two constants as good as each other, one below the base rate and one above: which of them looks
// better depends only on how many machines happened to fail.
BOOST_AUTO_TEST_CASE(one_that_only_fits_the_luck_of_the_draw_is_not_promoted_either) {
  const double rate = 0.2 * 0.4, below = 0.05, above = 0.1193; // of equal expected log-loss
  auto loss = [&](double p) { return -rate * std::log(p) - (1 - rate) * std::log1p(-p); };
  BOOST_TEST(loss(below) == loss(above), boost::test_tools::tolerance(1e-3));
  for (bool raises : {true, false}) {
    int count = 0;
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      drawing of;
      of.failing = 0.2;
      auto rows = draw(of, seed);
      for (auto& r : rows) {
        r.champion = raises ? below : above;
        r.challenger = raises ? above : below;
      }
      count += held(std::move(rows)).promotes();
    }
    BOOST_TEST(count <= 12, count << " of 200");
  }
}

BOOST_AUTO_TEST_CASE(an_equal_challenger_is_never_promoted) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    auto rows = draw({}, seed);
    for (auto& r : rows) r.challenger = r.champion;
    auto v = held(rows);
    BOOST_TEST(v.gain.value == 0.0);
    BOOST_TEST((v.outcome == contest_outcome::keep));
    BOOST_TEST(says(v, "may be chance"));
  }
}

BOOST_AUTO_TEST_CASE(three_failures_that_agree_may_still_be_chance) {
  BOOST_TEST(!held(fleet(100, 3, 0.2, 0.6)).promotes());
  BOOST_TEST(!held(fleet(100, 5, 0.2, 0.6)).promotes());
  BOOST_TEST(held(fleet(100, 9, 0.2, 0.6)).promotes());
}

BOOST_AUTO_TEST_CASE(too_little_evidence_never_promotes) {
  auto better = fleet(100, 9, 0.2, 0.6);
  auto check = [](const contest_verdict& v, std::string_view missing) {
    BOOST_TEST((v.outcome == contest_outcome::not_enough_evidence));
    BOOST_TEST(says(v, "not enough evidence"));
    BOOST_TEST(says(v, missing), v.words);
  };
  check(held({}), "200 rows are needed");
  check(held({better.begin(), better.begin() + 199}), "200 rows are needed");
  check(held(fleet(100, 2, 0.001, 0.999)), "3 failures are needed");
  check(held(fleet(100, 0, 0, 0)), "3 failures are needed");
  check(held(fleet(30, 30, 0.001, 0.999)), "a row that is not before a failure");
  contest_options one;
  one.failures_min = 1;
  auto alone = better;
  for (auto& r : alone) r.machine = 1;
  check(held(alone, one), "more machines");
  contest_options many;
  many.failures_min = 10;
  check(held(better, many), "10 failures are needed");
  check(held(better, many), "1,000 rows of 100 machines, 9 of them failing");
}

BOOST_AUTO_TEST_CASE(one_that_ranks_worse_is_not_promoted_whatever_its_log_loss) {
  std::mt19937_64 engine(3);
  auto rows = fleet(200, 40, 0, 0);
  for (auto& r : rows) { // the champion ranks perfectly, and is sure of much too much
    r.champion = r.label ? 0.99999 : 0.98 + 0.01 * unit(engine);
    r.challenger = 0.15 + 0.1 * unit(engine);
  }
  auto v = held(rows);
  BOOST_TEST(v.gain.low > 0);
  BOOST_TEST((v.outcome == contest_outcome::keep));
  BOOST_TEST(says(v, "ranks worse"));
  BOOST_TEST(says(v, "PR-AUC differs by -0."));
}

BOOST_AUTO_TEST_CASE(without_a_champion_the_base_rate_is_to_be_beaten) {
  contest_options alone;
  alone.has_champion = false;
  auto rows = draw({}, 8);
  for (auto& r : rows) r.champion = std::nan("");
  auto v = held(rows, alone);
  BOOST_TEST(v.promotes());
  BOOST_TEST(says(v, "of the base rate"));
  double p = v.base_rate;
  BOOST_TEST(v.champion.log_loss.value == -p * std::log(p) - (1 - p) * std::log(1 - p),
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(v.champion.pr_auc.value == p, boost::test_tools::tolerance(1e-9));
  std::mt19937_64 engine(1);
  for (auto& r : rows) r.challenger = share_of(-3 + normal(engine)); // knows nothing
  BOOST_TEST(!held(rows, alone).promotes());
}

BOOST_AUTO_TEST_CASE(rows_that_a_model_may_have_learned_from_do_not_count) {
  contest_options later;
  later.later_than_ms = 4000;
  auto rows = draw({}, 2);
  auto v = held(rows, later);
  BOOST_TEST(v.rows == 500u);
  BOOST_TEST(v.rows_too_early == 500u);
  BOOST_TEST(v.first_ms == 5000);
  for (auto& r : rows)
    if (r.time_ms <= 4000) r.challenger = 0.5;
  BOOST_TEST(held(rows, later).words == v.words);
}

BOOST_AUTO_TEST_CASE(numbers_without_sense_are_refused) {
  auto refused = [](const std::function<void(contest_row&)>& spoil) {
    auto rows = draw({}, 1);
    spoil(rows[3]);
    auto v = hold_contest(rows, {});
    BOOST_REQUIRE(!v);
    BOOST_TEST((v.error().code == errc::invalid_argument));
    BOOST_TEST(v.error().detail.starts_with("row 3: "));
  };
  refused([](auto& r) { r.champion = std::nan(""); });
  refused([](auto& r) { r.challenger = std::nan(""); });
  refused([](auto& r) { r.challenger = 1.01; });
  refused([](auto& r) { r.champion = -0.01; });
  refused([](auto& r) { r.label = 2; });
  refused([](auto& r) { r.weight = -1; });
  refused([](auto& r) { r.weight = std::numeric_limits<double>::infinity(); });
  for (contest_options bad : {contest_options{.failures_min = 0}, contest_options{.replicates = 99},
                              contest_options{.replicates = 10'001}})
    BOOST_TEST((hold_contest(draw({}, 1), bad).error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_SUITE_END()
