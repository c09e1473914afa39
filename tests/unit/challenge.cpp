/// Learning on: when to train again, on what, and whether what came of it is better.

#include <boost/test/unit_test.hpp>

#include "history/merge.hpp"
#include "history/select.hpp"
#include "predict/challenge.hpp"
#include "predict/retraining.hpp"
#include "tests/support/quick_training.hpp"
#include "tests/support/synthetic_runs.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using testing::make_run;
using testing::synthetic_trouble;

namespace {
constexpr int64_t apart_ms = 100'000; ///< from the beginning of a run to that of the next

/// Runs one after the other, as a service lives through them.
history lived_through(const std::vector<synthetic_trouble>& troubles, uint64_t first_seed,
                      const char* name) {
  std::vector<merge_part> parts;
  for (size_t i = 0; i < troubles.size(); ++i) {
    auto one = testing::history_of({make_run(first_seed + i, troubles[i])});
    auto shift = static_cast<int64_t>(i) * apart_ms;
    for (auto& n : one.nodes) {
      n.first_ms += shift;
      n.last_ms += shift;
    }
    for (auto& s : one.samples) {
      s.time_ms += shift;
      s.arrived_ms += shift;
    }
    for (auto& e : one.events) e.time_ms += shift;
    parts.push_back({std::move(one), "run" + std::to_string(i)});
  }
  auto merged = merge_histories(std::move(parts), name);
  BOOST_REQUIRE_MESSAGE(merged, (merged ? "" : to_string(merged.error())));
  return std::move(*merged);
}

std::vector<synthetic_trouble> of(size_t n, std::vector<synthetic_trouble> in_turn) {
  std::vector<synthetic_trouble> out;
  for (size_t i = 0; i < n; ++i) out.push_back(in_turn[i % in_turn.size()]);
  return out;
}

challenge_options quick() {
  challenge_options out;
  out.training = testing::quick_training_of_runs({"logistic"}, 3000);
  out.judging_share = 0.6;
  return out;
}

challenge challenged(const history& base, const history& own, const model* champion,
                     int64_t until_ms = 0) {
  auto made = challenge_champion(base, own, champion, until_ms, quick());
  BOOST_REQUIRE_MESSAGE(made, (made ? "" : to_string(made.error())));
  BOOST_TEST_MESSAGE(made->words << " | " << made->trained_on);
  return std::move(*made);
}

using enum synthetic_trouble;
const history& errors_kill() {
  static const auto one = lived_through(of(14, {errors, few_errors, none}), 1000, "errors kill");
  return one;
}
const history& leaks_kill() {
  static const auto one = lived_through(of(22, {leak, leak, plateau}), 2000, "leaks kill");
  return one;
}
const model& knows_errors() {
  static const auto one = *challenged(errors_kill(), {}, nullptr).challenger;
  return one;
}
} // namespace

BOOST_AUTO_TEST_CASE(the_first_model_learns_from_all_there_is_and_is_taken) {
  auto first = challenged(errors_kill(), leaks_kill(), nullptr);
  BOOST_TEST(first.promote);
  BOOST_TEST(!first.verdict);
  BOOST_TEST(first.trained_until_ms > 0);
  BOOST_TEST(first.trained_on.find("22 failures") == std::string::npos); // 5 + 15
  BOOST_TEST(first.trained_on.find("20 failures") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_challenger_that_knows_what_kills_here_is_promoted) {
  auto news = challenged(errors_kill(), leaks_kill(), &knows_errors());
  BOOST_REQUIRE(news.verdict);
  BOOST_TEST(news.promote, news.words);
  BOOST_TEST(news.verdict->failures == 9u);
  // What it learned from ends before what it was judged on.
  BOOST_TEST(news.trained_until_ms < news.verdict->first_ms);
  BOOST_TEST(news.verdict->challenger.pr_auc.value > news.verdict->champion.pr_auc.value);
}

BOOST_AUTO_TEST_CASE(a_champion_that_is_as_good_stays) {
  auto champion = *challenged(errors_kill(), leaks_kill(), &knows_errors()).challenger;
  auto again = challenged(errors_kill(), leaks_kill(), &champion);
  BOOST_REQUIRE(again.verdict);
  BOOST_TEST(!again.promote);
  BOOST_REQUIRE(again.challenger); // it is there for who wants it
  // Rows up to what the champion learned from do not count.
  int64_t last = 0;
  for (const auto& n : leaks_kill().nodes) last = std::max(last, n.last_ms);
  auto late = challenged(errors_kill(), leaks_kill(), &knows_errors(), last);
  BOOST_REQUIRE(late.verdict);
  BOOST_TEST(late.verdict->rows == 0u);
  BOOST_TEST(!late.promote);
}

BOOST_AUTO_TEST_CASE(with_too_few_failures_nothing_is_trained_and_the_words_say_so) {
  auto calm = lived_through(of(4, {none, leak, leak, plateau}), 3000, "calm");
  auto none_made = challenged(errors_kill(), calm, &knows_errors());
  BOOST_TEST(!none_made.challenger);
  BOOST_TEST(!none_made.promote);
  BOOST_TEST(none_made.words.find("of 2 failures") != std::string::npos);
  auto nothing = challenge_champion({}, {}, nullptr, 0, quick());
  BOOST_TEST(!nothing);
}

BOOST_AUTO_TEST_CASE(a_history_that_is_cut_knows_nothing_of_what_comes_later) {
  const auto& whole = leaks_kill();
  auto cut_ms = whole.nodes.front().first_ms + 5 * apart_ms / 2;
  auto cut = cut_history(whole, cut_ms);
  BOOST_TEST(cut.nodes.size() == 18u); // three runs of six
  for (const auto& n : cut.nodes) BOOST_TEST((n.last_ms <= cut_ms && n.known_ms <= cut_ms));
  for (const auto& s : cut.samples)
    BOOST_TEST_REQUIRE((s.arrived_ms <= cut_ms && s.node < cut.nodes.size()));
  size_t failures = 0;
  for (const auto& e : cut.events) {
    BOOST_TEST(e.time_ms <= cut_ms);
    failures += e.what == happening::failure;
  }
  BOOST_TEST(failures == 2u); // the third run's plateau, and all later ones, are not there
  // Nobody's fate is known beyond: a node that dies a second later is not healthy, it is censored.
  example_options options;
  options.every_ms = 1000;
  auto death_ms = whole.events.front().time_ms;
  auto before = make_examples(cut_history(whole, death_ms - 1000), service_schema(),
                              make_scales({3, 10, 40}, 12, 2), options);
  BOOST_REQUIRE(before);
  for (size_t i = 0; i < before->size(); ++i)
    if (before->time_ms[i] > death_ms - 12'000) BOOST_TEST(!before->label(i, 12'000));
}

BOOST_AUTO_TEST_CASE(training_is_due_by_schedule_after_failures_and_when_asked) {
  retraining_plan plan({10'000, 2, 3000}, 0);
  BOOST_TEST(!plan.due(9'999));
  BOOST_TEST(*plan.due(10'000) == "by schedule");
  BOOST_TEST(*plan.next_ms() == 10'000);
  plan.begun(10'000);
  plan.failure_seen();
  BOOST_TEST(!plan.due(14'000));
  plan.failure_seen();
  BOOST_TEST(!plan.due(12'999)); // the pause
  BOOST_TEST(*plan.due(13'000) == "2 nodes failed");
  plan.begun(13'000);
  BOOST_TEST(!plan.due(13'001));
  plan.ask();
  BOOST_TEST(*plan.due(13'001) == "somebody asked for it");
  plan.begun(13'001);
  BOOST_TEST(plan.failures() == 0u);
  retraining_plan never({0, 0, 0}, 0);
  never.failure_seen();
  BOOST_TEST(!never.due(INT64_MAX));
  BOOST_TEST(!never.next_ms());
}
