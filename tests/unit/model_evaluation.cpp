/// A given model, judged on a history.

#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "history/select.hpp"
#include "predict/model_evaluation.hpp"
#include "tests/support/failing_history.hpp"
#include "tests/support/quick_training.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using namespace harbinger::testing;

namespace {
struct stage {
  history whole = failing_history(1);
  int64_t cut_ms = 0;
  std::vector<model> made;
  stage() {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (const auto& n : whole.nodes) {
      first = std::min(first, n.first_ms);
      last = std::max(last, n.last_ms);
    }
    cut_ms = first + (last - first) * 6 / 10;
    auto trained = train(cut_history(whole, cut_ms), nullptr,
                         quick_training({24 * hour, 72 * hour}, {"logistic"}));
    BOOST_REQUIRE_MESSAGE(trained, (trained ? "" : to_string(trained.error())));
    made.push_back(std::move(*trained));
  }
  const model& of() const { return made.front(); }
};
const stage& prepared() {
  static const stage one;
  return one;
}

model_evaluation_options later() {
  model_evaluation_options o;
  o.from_ms = prepared().cut_ms + 1;
  return o;
}
} // namespace

BOOST_AUTO_TEST_CASE(a_model_is_judged_by_its_own_thresholds_on_what_came_later) {
  const auto& s = prepared();
  auto got = evaluate_model(s.of(), s.whole, later());
  BOOST_REQUIRE_MESSAGE(got, (got ? "" : to_string(got.error())));
  BOOST_REQUIRE(got->models.size() == 2u);
  BOOST_TEST(got->notes.empty());
  for (size_t h = 0; h < 2; ++h) {
    const auto& j = got->models[h].judged;
    BOOST_TEST(j.asked.threshold == s.of().horizons()[h].threshold);
    BOOST_TEST(static_cast<double>(j.asked.horizon_ms) == s.of().horizons()[h].horizon_s * 1000);
    BOOST_TEST(j.roc_auc.value > (h == 0 ? 0.9 : 0.6)); // machines run hot for a day
  }
  BOOST_TEST(got->models[0].chosen);
  BOOST_TEST(!got->models[1].chosen);
  BOOST_TEST(got->models[1].judged.positives > got->models[0].judged.positives);
}

BOOST_AUTO_TEST_CASE(rows_of_the_time_it_learned_from_are_told) {
  const auto& s = prepared();
  auto all = evaluate_model(s.of(), s.whole, {});
  BOOST_REQUIRE(all);
  BOOST_REQUIRE(all->notes.size() == 1u);
  BOOST_TEST(all->notes[0].find("learned from") != std::string::npos);
  BOOST_TEST(all->models[0].judged.rows
             > evaluate_model(s.of(), s.whole, later())->models[0].judged.rows);
  auto renamed = s.whole;
  renamed.name = "others";
  BOOST_TEST(evaluate_model(s.of(), renamed, {})->notes.empty());
}

BOOST_AUTO_TEST_CASE(what_came_before_only_leads_up_to_it) {
  // The same rows get the same answers whether the earlier ones are judged or not.
  const auto& s = prepared();
  auto all = evaluate_model(s.of(), s.whole, {}), late = evaluate_model(s.of(), s.whole, later());
  auto same = evaluate_model(s.of(), cut_history(s.whole, INT64_MAX), later());
  BOOST_TEST(late->models[0].judged.brier.value == same->models[0].judged.brier.value);
  // Without a past to build features from, answers would be others.
  auto bare = s.whole;
  std::erase_if(bare.samples, [&](const auto& x) { return x.time_ms < s.cut_ms; });
  BOOST_TEST(late->models[0].judged.brier.value
             != evaluate_model(s.of(), bare, later())->models[0].judged.brier.value);
  BOOST_TEST(all->models[0].judged.brier.value != late->models[0].judged.brier.value);
}

BOOST_AUTO_TEST_CASE(a_history_of_something_else_is_refused_and_a_poorer_one_told) {
  const auto& s = prepared();
  auto other = s.whole;
  for (auto& m : other.metrics) m.name += "_else";
  for (auto& e : other.events) e.code += "_else";
  auto refused = evaluate_model(s.of(), other, later());
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == errc::unsupported));
  BOOST_TEST(refused.error().detail.find(s.of().schema().series.front().metric)
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nothing_to_judge_by_is_an_error_that_says_so) {
  const auto& s = prepared();
  auto o = later();
  o.from_ms = INT64_MAX;
  BOOST_TEST((evaluate_model(s.of(), s.whole, o).error().code == errc::invalid_argument));
  auto calm = s.whole;
  std::erase_if(calm.events, [](const auto& e) { return e.what == happening::failure; });
  auto none = evaluate_model(s.of(), calm, later());
  BOOST_REQUIRE(!none);
  BOOST_TEST(none.error().detail.find("before a failure") != std::string::npos);
}
