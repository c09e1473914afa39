#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <random>

#include "predict/judgement.hpp"

using namespace harbinger;
using namespace harbinger::predict;
namespace tt = boost::test_tools;

namespace {

constexpr int64_t hour = 3'600'000, day = 24 * hour;

question ask(double threshold = 0.5) {
  question q;
  q.horizon_ms = 3 * hour;
  q.threshold = threshold;
  q.step_ms = hour;
  q.bootstrap.replicates = 50;
  return q;
}

/// One machine, one row an hour.
judged_rows plain(const std::vector<double>& probabilities, const std::vector<int>& labels,
                  const std::vector<double>& weights = {}) {
  judged_rows out;
  out.machines.push_back({"a", "g", ""});
  for (size_t i = 0; i < probabilities.size(); ++i) {
    judged r;
    r.time_ms = static_cast<int64_t>(i) * hour;
    r.probability = probabilities[i];
    r.label = static_cast<uint8_t>(labels[i]);
    if (!weights.empty()) r.weight = weights[i];
    out.rows.push_back(r);
  }
  return out;
}

/// Many machines, ties, weights; half of the machines fail at the end.
judged_rows random_rows(uint64_t seed, size_t machines = 40, size_t rows_each = 30) {
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  judged_rows out;
  for (uint32_t m = 0; m < machines; ++m) {
    out.machines.push_back({"m" + std::to_string(m), "g" + std::to_string(m % 4), ""});
    bool fails = m % 2;
    for (size_t i = 0; i < rows_each; ++i) {
      judged r;
      r.machine = m;
      r.time_ms = static_cast<int64_t>(i) * hour;
      if (fails) r.failure_in_ms = static_cast<int64_t>(rows_each - i) * hour;
      r.label = fails && r.failure_in_ms <= 3 * hour;
      double p = r.label ? std::sqrt(uniform(random)) : 0.6 * uniform(random);
      r.probability = std::round(p * 25) / 25; // ties
      r.score = r.probability * 3 - 7;
      r.weight = static_cast<double>(1 + random() % 3);
      out.rows.push_back(r);
    }
  }
  return out;
}

/// The twins: straight from the definitions, in O(n^2).
double slow_roc(const judged_rows& g) {
  double won = 0, pairs = 0;
  for (const auto& a : g.rows)
    for (const auto& b : g.rows)
      if (a.label && !b.label) {
        pairs += a.weight * b.weight;
        won += a.weight * b.weight
               * (a.probability > b.probability    ? 1
                  : a.probability == b.probability ? 0.5
                                                   : 0);
      }
  return won / pairs;
}
struct hits {
  double hit = 0, alarm = 0, all = 0;
  double precision() const { return hit / alarm; }
  double recall() const { return hit / all; }
  double f1() const { return 2 * hit / (alarm + all); }
};
hits slow_hits(const judged_rows& g, double threshold) {
  hits out;
  for (const auto& r : g.rows) {
    if (r.label) out.all += r.weight;
    if (r.probability < threshold) continue;
    out.alarm += r.weight;
    if (r.label) out.hit += r.weight;
  }
  return out;
}
std::vector<double> thresholds(const judged_rows& g) {
  std::vector<double> out;
  for (const auto& r : g.rows) out.push_back(r.probability);
  std::sort(out.rbegin(), out.rend());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}
double slow_average_precision(const judged_rows& g) {
  double sum = 0, recall = 0;
  for (double t : thresholds(g)) {
    auto h = slow_hits(g, t);
    sum += (h.recall() - recall) * h.precision();
    recall = h.recall();
  }
  return sum;
}
double slow_width_error(const judged_rows& g, size_t bins) {
  double sum = 0, total = 0;
  for (size_t b = 0; b < bins; ++b) {
    double said = 0, came = 0;
    for (const auto& r : g.rows)
      if (std::min(bins - 1, static_cast<size_t>(r.probability * static_cast<double>(bins))) == b) {
        said += r.weight * r.probability;
        came += r.weight * r.label;
      }
    sum += std::abs(said - came);
  }
  for (const auto& r : g.rows) total += r.weight;
  return sum / total;
}

/// Rows of one machine, an hour apart, that fails `failure_h` after the first (-1: never).
void add_machine(judged_rows& out, const std::string& name,
                 const std::vector<double>& probabilities, int64_t failure_h) {
  auto machine = static_cast<uint32_t>(out.machines.size());
  out.machines.push_back({name, "g", ""});
  for (size_t i = 0; i < probabilities.size(); ++i) {
    judged r;
    r.machine = machine;
    r.time_ms = static_cast<int64_t>(i) * hour;
    r.probability = probabilities[i];
    if (failure_h >= 0) r.failure_in_ms = failure_h * hour - r.time_ms;
    r.label = r.failure_in_ms > 0 && r.failure_in_ms <= 3 * hour;
    out.rows.push_back(r);
  }
}

std::string code(const auto& r) { return r ? "accepted" : std::string(to_string(r.error().code)); }

} // namespace

BOOST_AUTO_TEST_CASE(areas_are_those_of_the_textbook_example, *boost::unit_test::tolerance(1e-12)) {
  // The example of scikit-learn's documentation: ROC-AUC 0.75, average precision 0.8333...
  auto j = *judge(plain({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1}), ask());
  BOOST_TEST(j.roc_auc.value == 0.75);
  BOOST_TEST(j.pr_auc.value == 0.5 * 1 + 0.5 * 2 / 3);
}

BOOST_AUTO_TEST_CASE(ties_go_together, *boost::unit_test::tolerance(1e-12)) {
  auto j = *judge(plain({0.5, 0.5, 0.5, 0.5}, {1, 0, 1, 0}), ask());
  BOOST_TEST(j.roc_auc.value == 0.5);
  BOOST_TEST(j.pr_auc.value == 0.5);
  auto half = *judge(plain({0.9, 0.9, 0.2, 0.1}, {1, 0, 1, 0}), ask());
  BOOST_TEST(half.roc_auc.value == (0.5 + 1 + 0 + 1) / 4);
  BOOST_TEST(half.pr_auc.value == 0.5 * 0.5 + 0.5 * 2 / 3);
}

BOOST_AUTO_TEST_CASE(a_weight_is_as_good_as_repeating_the_row,
                     *boost::unit_test::tolerance(1e-12)) {
  auto weighted = *judge(plain({0.9, 0.6, 0.4, 0.3}, {1, 0, 1, 0}, {1, 2, 1, 3}), ask());
  auto repeated = *judge(plain({0.9, 0.6, 0.6, 0.4, 0.3, 0.3, 0.3}, {1, 0, 0, 1, 0, 0, 0}), ask());
  BOOST_TEST(weighted.roc_auc.value == repeated.roc_auc.value);
  BOOST_TEST(weighted.pr_auc.value == repeated.pr_auc.value);
  BOOST_TEST(weighted.brier.value == repeated.brier.value);
  BOOST_TEST(weighted.f1.value == repeated.f1.value);
  BOOST_TEST(weighted.calibration_error_by_width.value
             == repeated.calibration_error_by_width.value);
  BOOST_TEST(weighted.base_rate == repeated.base_rate);
  BOOST_TEST(weighted.machine_months == repeated.machine_months);
}

BOOST_AUTO_TEST_CASE(every_figure_equals_its_slow_twin, *boost::unit_test::tolerance(1e-9)) {
  for (uint64_t seed : {1, 2, 3, 4}) {
    auto g = random_rows(seed, 12, 20);
    for (double threshold : {0.2, 0.52, 0.8}) {
      auto j = *judge(g, ask(threshold));
      auto h = slow_hits(g, threshold);
      BOOST_TEST(j.roc_auc.value == slow_roc(g));
      BOOST_TEST(j.roc_auc_of_score == slow_roc(g));
      BOOST_TEST(j.pr_auc.value == slow_average_precision(g));
      BOOST_TEST(j.pr_auc_of_score == slow_average_precision(g));
      BOOST_TEST(j.precision.value == h.precision());
      BOOST_TEST(j.recall.value == h.recall());
      BOOST_TEST(j.f1.value == h.f1());
      BOOST_TEST(j.calibration_error_by_width.value == slow_width_error(g, 10));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_threshold_is_the_best_of_all, *boost::unit_test::tolerance(1e-9)) {
  for (uint64_t seed : {5, 6, 7}) {
    auto g = random_rows(seed, 12, 20);
    double best = 0;
    for (double t : thresholds(g)) best = std::max(best, slow_hits(g, t).f1());
    BOOST_TEST(slow_hits(g, *best_threshold(g)).f1() == best);
  }
  BOOST_TEST(*best_threshold(plain({0.9, 0.8, 0.2, 0.1}, {1, 1, 0, 0})) == 0.5);
  BOOST_TEST(*best_threshold(plain({0.9, 0.8}, {1, 1})) == 0.8);
}

BOOST_AUTO_TEST_CASE(the_brier_score_stands_beside_that_of_the_base_rate,
                     *boost::unit_test::tolerance(1e-12)) {
  auto rows = plain({0.8, 0.2, 0.4, 0.0}, {1, 0, 0, 0});
  auto j = *judge(rows, ask());
  BOOST_TEST(j.brier.value == (0.04 + 0.04 + 0.16 + 0) / 4);
  BOOST_TEST(j.base_brier.value == 0.25 * 0.75);
  BOOST_TEST(j.skill.value == 1 - 0.06 / 0.1875);
  auto q = ask();
  q.base_rate = 0.5;
  BOOST_TEST(judge(rows, q)->base_brier.value == 0.25);
}

BOOST_AUTO_TEST_CASE(bins_of_equal_mass_keep_ties_together, *boost::unit_test::tolerance(1e-12)) {
  auto q = ask();
  q.bins = 4;
  auto j = *judge(plain({0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.7, 0.9}, {0, 0, 1, 0, 0, 1, 0, 1}), q);
  BOOST_TEST_REQUIRE(j.reliability.size() == 2u);
  BOOST_TEST(j.reliability[0].weight == 6);
  BOOST_TEST(j.reliability[0].from == 0.1);
  BOOST_TEST(j.reliability[0].to == 0.6);
  BOOST_TEST(j.reliability[0].came.value == 2.0 / 6);
  BOOST_TEST(j.reliability[1].said == 0.8);
  BOOST_TEST(j.reliability[1].came.value == 0.5);
  BOOST_TEST(j.calibration_error.value == (std::abs(1.1 - 2) + std::abs(1.6 - 1)) / 8);
}

BOOST_AUTO_TEST_CASE(the_bins_hold_all_rows_and_give_the_calibration_error,
                     *boost::unit_test::tolerance(1e-9)) {
  auto j = *judge(random_rows(8), ask());
  for (const auto* bins : {&j.reliability, &j.reliability_by_width}) {
    double weight = 0, error = 0;
    for (const auto& b : *bins) {
      weight += b.weight;
      error += b.weight * std::abs(b.said - b.came.value);
      BOOST_TEST(b.said <= b.to + 1e-12);
      BOOST_TEST(b.said >= b.from - 1e-12);
    }
    BOOST_TEST(weight == j.weight);
    BOOST_TEST(
        error / weight
        == (bins == &j.reliability ? j.calibration_error : j.calibration_error_by_width).value);
  }
}

BOOST_AUTO_TEST_CASE(one_class_only_is_said_in_words_and_never_crashes) {
  for (int label : {0, 1}) {
    auto j = *judge(plain({0.2, 0.7, 0.1}, {label, label, label}), ask());
    BOOST_TEST(std::isnan(j.roc_auc.value));
    BOOST_TEST(std::isnan(j.pr_auc.value));
    BOOST_TEST(j.roc.empty());
    BOOST_TEST(!std::isnan(j.brier.value));
    BOOST_TEST(std::isnan(j.f1.value) == (label == 0));
    bool said = false;
    for (const auto& f : figures(j))
      if (f.key == "roc_auc") said = to_text(f.value, f.format) == "not defined";
    BOOST_TEST(said);
  }
  auto none = *judge(judged_rows{}, ask());
  BOOST_TEST(std::isnan(none.brier.value));
  BOOST_TEST(std::isnan(none.event_recall.value));
  BOOST_TEST(code(best_threshold(plain({0.2}, {0}))) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(no_warning_means_no_precision) {
  auto j = *judge(plain({0.2, 0.1}, {1, 0}), ask(0.5));
  BOOST_TEST(std::isnan(j.precision.value));
  BOOST_TEST(j.recall.value == 0);
  BOOST_TEST(j.f1.value == 0);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_the_row) {
  auto good = plain({0.2, 0.4}, {0, 1});
  const std::vector<std::pair<std::string, void (*)(judged&)>> faults{
      {"the probability is not a number", [](judged& r) { r.probability = undefined; }},
      {"the probability is outside 0..1", [](judged& r) { r.probability = 1.01; }},
      {"the probability is outside 0..1", [](judged& r) { r.probability = -INFINITY; }},
      {"the score is not finite", [](judged& r) { r.score = INFINITY; }},
      {"the label is neither 0 nor 1", [](judged& r) { r.label = 2; }},
      {"there is no such machine", [](judged& r) { r.machine = 1; }},
      {"the weight is not a number from 0 on", [](judged& r) { r.weight = -1; }},
      {"the weight is not a number from 0 on", [](judged& r) { r.weight = undefined; }},
      {"the time to the failure is negative", [](judged& r) { r.failure_in_ms = -2; }},
  };
  for (const auto& [detail, spoil] : faults) {
    auto bad = good;
    spoil(bad.rows[1]);
    auto refused = judge(bad, ask());
    BOOST_TEST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error()) == "invalid_argument: row 1: " + detail);
    BOOST_TEST(code(best_threshold(bad)) == "invalid_argument");
  }
  const std::vector<void (*)(question&)> nonsense{
      [](question& q) { q.horizon_ms = 0; },
      [](question& q) { q.threshold = undefined; },
      [](question& q) { q.base_rate = 2; },
      [](question& q) { q.step_ms = -1; },
      [](question& q) { q.bins = 0; },
      [](question& q) { q.bins = 1000; },
      [](question& q) { q.bootstrap.replicates = 1u << 31; },
  };
  for (auto spoil : nonsense) {
    auto q = ask();
    spoil(q);
    BOOST_TEST(!judge(good, q));
  }
}

BOOST_AUTO_TEST_CASE(a_failure_is_warned_of_when_one_row_within_the_horizon_warns) {
  judged_rows g;
  add_machine(g, "held", {0, 0, 0.9, 0.9, 0.9}, 5);      // up from hour 2 to the failure
  add_machine(g, "withdrawn", {0, 0, 0.9, 0.9, 0.1}, 5); // warned, then taken back
  add_machine(g, "missed", {0.9, 0, 0, 0.2, 0.1}, 5);    // too early, five hours before
  add_machine(g, "healthy", {0, 0.9, 0.9, 0, 0.8}, -1);  // two false alarms
  auto j = *judge(g, ask());
  BOOST_TEST(j.failures == 3u);
  BOOST_TEST(j.failures_warned == 2u);
  BOOST_TEST(j.failing_machines_warned == 2u);
  BOOST_TEST(j.event_recall.value == 2.0 / 3, tt::tolerance(1e-12));
  BOOST_TEST(j.warnings_held == 1u);
  BOOST_TEST(j.lead_median_ms.value == 3.0 * hour);
  BOOST_TEST(j.false_alarms == 3);
  BOOST_TEST(j.machine_months == 20.0 / (30 * 24), tt::tolerance(1e-12));
  BOOST_TEST(j.false_alarms_per_month.value == 3 / (20.0 / 720), tt::tolerance(1e-12));
  BOOST_TEST_REQUIRE(j.missed.size() == 1u);
  BOOST_TEST(g.machines[j.missed[0].machine].node == "missed");
  BOOST_TEST(j.missed[0].peak_probability == 0.2);
  BOOST_TEST(j.missed[0].peak_ms == 3 * hour);
  BOOST_TEST_REQUIRE(j.false_alarmed.size() == 2u);
  BOOST_TEST(g.machines[j.false_alarmed[0].machine].node == "healthy");
  BOOST_TEST(j.false_alarmed[0].from_ms == hour);
  BOOST_TEST(j.false_alarmed[0].until_ms == 2 * hour);
}

BOOST_AUTO_TEST_CASE(a_warning_longer_than_the_horizon_came_true_and_its_lead_is_whole) {
  judged_rows g;
  add_machine(g, "early", {0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9}, 8);
  auto j = *judge(g, ask());
  BOOST_TEST(j.false_alarms == 0);
  BOOST_TEST(j.lead_median_ms.value == 8.0 * hour);
}

BOOST_AUTO_TEST_CASE(
    the_horizon_itself_is_within_the_horizon_and_the_failure_is_not_before_itself) {
  judged_rows g;
  add_machine(g, "just", {0, 0, 0.9, 0, 0}, 5);        // three hours before
  add_machine(g, "too early", {0, 0.9, 0, 0, 0}, 5);   // four
  add_machine(g, "too late", {0, 0, 0, 0, 0, 0.9}, 5); // at the failure
  auto j = *judge(g, ask());
  BOOST_TEST(j.failures == 3u);
  BOOST_TEST(j.failures_warned == 1u);
  BOOST_TEST(j.false_alarms == 2);
}

BOOST_AUTO_TEST_CASE(each_of_several_failures_of_a_machine_counts) {
  judged_rows g;
  g.machines.push_back({"a", "g", ""});
  for (int64_t t = 0; t < 20; ++t) {
    judged r;
    r.time_ms = t * hour;
    int64_t next = t < 5 ? 5 : t < 15 ? 15 : -1;
    r.failure_in_ms = next < 0 ? -1 : (next - t) * hour;
    r.label = next >= 0 && next - t <= 3;
    r.probability = t == 4 || t == 5 || t == 17 ? 0.9 : 0.1; // 5 and 17 are false
    g.rows.push_back(r);
  }
  auto j = *judge(g, ask());
  BOOST_TEST(j.failures == 2u);
  BOOST_TEST(j.failures_warned == 1u);
  BOOST_TEST(j.failing_machines == 1u);
  BOOST_TEST(j.failing_machines_warned == 1u);
  BOOST_TEST(j.false_alarms == 2);
  BOOST_TEST(j.lead_median_ms.value == 1.0 * hour);
}

BOOST_AUTO_TEST_CASE(a_long_pause_ends_a_warning_and_thinned_rows_count_by_weight) {
  judged_rows g;
  add_machine(g, "a", {0.9, 0.9}, -1);
  g.rows[1].time_ms = 10 * hour;
  for (auto& r : g.rows) r.weight = 5;
  auto j = *judge(g, ask());
  BOOST_TEST(j.false_alarms == 10);
  BOOST_TEST(j.machine_months == 10.0 / 720, tt::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(without_a_step_the_median_distance_of_rows_is_taken) {
  auto q = ask();
  q.step_ms = 0;
  judged_rows g;
  add_machine(g, "a", {0, 0, 0, 0, 0}, -1);
  BOOST_TEST(judge(g, q)->machine_months == 5.0 / 720, tt::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(intervals_contain_the_value_and_shrink_with_more_machines) {
  auto few = *judge(random_rows(9, 20), ask()), many = *judge(random_rows(9, 320), ask());
  for (auto f : {few.roc_auc, few.pr_auc, few.brier, few.f1, few.calibration_error_by_width,
                 few.false_alarms_per_month}) {
    BOOST_TEST(f.low <= f.value + 0.05);
    BOOST_TEST(f.value <= f.high + 0.05);
    BOOST_TEST(f.low < f.high);
  }
  BOOST_TEST(many.roc_auc.high - many.roc_auc.low < few.roc_auc.high - few.roc_auc.low);
  BOOST_TEST(few.units == 20u);
  BOOST_TEST(few.units_positive == 10u);
}

BOOST_AUTO_TEST_CASE(machines_are_resampled_not_rows) {
  // Every machine says the same a hundred times over: the interval must not become narrower.
  auto once = random_rows(10, 30, 1);
  for (size_t i = 0; i < once.rows.size(); ++i) once.rows[i].label = i % 2;
  auto often = once;
  for (int copy = 1; copy < 100; ++copy)
    for (auto r : once.rows) {
      r.time_ms += copy * day;
      often.rows.push_back(r);
    }
  auto q = ask();
  q.bootstrap.replicates = 200;
  auto a = judge(once, q)->roc_auc, b = judge(often, q)->roc_auc;
  BOOST_TEST(a.low == b.low, tt::tolerance(1e-9));
  BOOST_TEST(a.high == b.high, tt::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(groups_are_resampled_where_asked_and_one_group_gives_no_interval) {
  auto q = ask();
  q.bootstrap.unit = resampling::groups;
  auto g = random_rows(11);
  BOOST_TEST(judge(g, q)->units == 4u);
  for (auto& m : g.machines) m.group = "all";
  auto j = *judge(g, q);
  BOOST_TEST(!std::isnan(j.roc_auc.value));
  BOOST_TEST(std::isnan(j.roc_auc.low));
  BOOST_TEST(to_text(j.roc_auc, figure_format::share).find('[') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_same_rows_in_any_order_and_the_same_seed_give_the_same_bits) {
  auto g = random_rows(12);
  auto mixed = g;
  std::shuffle(mixed.rows.begin(), mixed.rows.end(), std::mt19937_64(12));
  auto a = figures(*judge(g, ask())), b = figures(*judge(mixed, ask()));
  for (size_t i = 0; i < a.size(); ++i) {
    auto same = [&](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
    BOOST_TEST(same(a[i].value.value, b[i].value.value), a[i].key);
    BOOST_TEST(same(a[i].value.low, b[i].value.low), a[i].key);
    BOOST_TEST(same(a[i].value.high, b[i].value.high), a[i].key);
  }
  auto q = ask();
  q.bootstrap.seed = 2;
  BOOST_TEST(judge(g, q)->roc_auc.low != judge(g, ask())->roc_auc.low);
}

BOOST_AUTO_TEST_CASE(curves_begin_and_end_where_they_must_and_stay_small) {
  judged_rows g;
  g.machines.push_back({"a", "g", ""});
  std::mt19937_64 random(13);
  std::uniform_real_distribution<double> uniform;
  for (int64_t i = 0; i < 50'000; ++i) {
    judged r;
    r.time_ms = i;
    r.label = i % 3 == 0;
    r.probability = r.label ? std::sqrt(uniform(random)) : uniform(random);
    g.rows.push_back(r);
  }
  auto q = ask();
  q.bootstrap.replicates = 1;
  auto j = *judge(g, q);
  BOOST_TEST(j.roc.front().x == 0);
  BOOST_TEST(j.roc.back().x == 1, tt::tolerance(1e-12));
  BOOST_TEST(j.roc.back().y == 1, tt::tolerance(1e-12));
  BOOST_TEST(j.pr.back().x == 1, tt::tolerance(1e-12));
  BOOST_TEST(j.roc.size() <= curve_points_max);
  BOOST_TEST(j.pr.size() <= curve_points_max);
  double area = 0;
  for (size_t i = 1; i < j.roc.size(); ++i)
    area += (j.roc[i].x - j.roc[i - 1].x) * (j.roc[i].y + j.roc[i - 1].y) / 2;
  BOOST_TEST(std::abs(area - j.roc_auc.value) < 0.002);
}

BOOST_AUTO_TEST_CASE(values_read_like_a_person_writes_them) {
  using enum figure_format;
  BOOST_TEST(to_text(0.98765, share) == "0.988");
  BOOST_TEST(to_text(0.00041234, small) == "0.000412");
  BOOST_TEST(to_text(414955, count) == "414,955");
  BOOST_TEST(to_text(999, count) == "999");
  BOOST_TEST(to_text(-1234567, count) == "-1,234,567");
  BOOST_TEST(to_text(90'000, duration) == "90.0 s");
  BOOST_TEST(to_text(3.0 * day, duration) == "3.0 d");
  BOOST_TEST(to_text(figure{0.5, 0.25, 0.75}, share) == "0.500 [0.250, 0.750]");
}

BOOST_AUTO_TEST_CASE(quantiles_lie_between_the_nearest_values) {
  std::vector<double> values{1, 2, 4};
  BOOST_TEST(quantile(values, 0) == 1);
  BOOST_TEST(quantile(values, 0.5) == 2);
  BOOST_TEST(quantile(values, 0.75) == 3);
  BOOST_TEST(quantile(values, 1) == 4);
  BOOST_TEST(std::isnan(quantile({}, 0.5)));
}
