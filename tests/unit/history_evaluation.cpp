#include <boost/test/unit_test.hpp>

#include <cmath>

#include "predict/history_evaluation.hpp"
#include "predict/report_html.hpp"
#include "tests/support/failing_history.hpp"

using namespace harbinger;
using namespace harbinger::predict;
using namespace harbinger::testing;

namespace {

evaluation_options quick() {
  evaluation_options o;
  o.study.horizon_ms = 24 * hour;
  o.study.kinds = {"logistic", "boosting"};
  o.study.evaluations = 1;
  o.rows.every_ms = 6 * hour;
  o.windows_s = {6 * 3600, 24 * 3600, 7 * 24 * 3600};
  o.command_line = "test";
  return o;
}

report evaluated(const history& h, const evaluation_options& o) {
  auto made = evaluate_history(h, o);
  std::string why = made ? "" : to_string(made.error());
  BOOST_REQUIRE_MESSAGE(made.has_value(), why);
  return std::move(*made);
}

} // namespace

BOOST_AUTO_TEST_CASE(what_announces_itself_is_found_and_its_probability_is_right) {
  auto r = evaluated(failing_history(1), quick());
  BOOST_REQUIRE(r.models.size() == 2u);
  for (const auto& m : r.models) {
    BOOST_TEST(m.judged.pr_auc.value > 0.9, m.name);
    BOOST_TEST(m.judged.brier.value < 0.3 * m.judged.base_brier.value, m.name);
    BOOST_REQUIRE(!m.importances.empty());
    BOOST_TEST(m.importances.front().feature == "heat");
  }
  BOOST_TEST((r.models[0].chosen != r.models[1].chosen));
}

BOOST_AUTO_TEST_CASE(without_a_signal_nothing_is_claimed) {
  auto h = failing_history(2);
  for (auto& s : h.samples) s.values[0] = s.values[1];
  auto o = quick();
  o.study.kinds = {"logistic"};
  auto r = evaluated(h, o);
  const auto& j = r.models[0].judged;
  BOOST_TEST(j.roc_auc.value < 0.65);
  BOOST_TEST(j.calibration_error.value < 0.05);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_bytes_whatever_the_threads) {
  auto h = failing_history(3);
  auto o = quick();
  auto first = report_json(evaluated(h, o));
  o.study.threads = 1;
  BOOST_TEST(report_json(evaluated(h, o)) == first);
  BOOST_TEST(report_html(evaluated(h, o)).size() > 5000u);
}

BOOST_AUTO_TEST_CASE(what_happens_in_the_test_part_chooses_nothing) {
  auto h = failing_history(4);
  auto o = quick();
  auto before = evaluated(h, o);
  auto changed = h;
  auto late = begin_ms + 52 * 24 * hour; // the test part begins at four fifths
  std::erase_if(changed.events, [&](const auto& e) { return e.time_ms > late && e.node % 2; });
  for (auto& s : changed.samples)
    if (s.time_ms > late) s.values[0] = 40;
  auto after = evaluated(changed, o);
  for (size_t i = 0; i < before.models.size(); ++i) {
    BOOST_TEST(after.models[i].why == before.models[i].why);
    BOOST_TEST(after.models[i].judged.asked.threshold == before.models[i].judged.asked.threshold);
    BOOST_TEST(after.models[i].judged.pr_auc.value != before.models[i].judged.pr_auc.value);
  }
}

BOOST_AUTO_TEST_CASE(each_group_is_judged_by_machines_that_never_saw_it) {
  auto o = quick();
  o.study.kinds = {"logistic"};
  o.split = split_rule::groups;
  o.rows.group = "site";
  auto h = failing_history(5);
  auto r = evaluated(h, o);
  BOOST_TEST(r.models[0].judged.machines == 40u);
  BOOST_TEST(r.models[0].judged.pr_auc.value > 0.9);
  // A site whose failures come without heat: only its own figures can fall.
  for (auto& s : h.samples)
    if (s.node % 4 == 0) s.values[0] = 40;
  BOOST_TEST(evaluated(h, o).models[0].judged.pr_auc.value < r.models[0].judged.pr_auc.value);
}

BOOST_AUTO_TEST_CASE(histories_that_teach_nothing_are_refused_with_the_reason) {
  auto refusal = [](const history& h, const evaluation_options& o) {
    auto made = evaluate_history(h, o);
    BOOST_REQUIRE(!made.has_value());
    return to_string(made.error());
  };
  history empty;
  BOOST_TEST(refusal(empty, quick()).find("no nodes") != std::string::npos);
  auto calm = failing_history(6);
  calm.events.clear();
  BOOST_TEST(refusal(calm, quick()).find("with and without a failure") != std::string::npos);
  auto o = quick();
  o.study.horizon_ms = 0;
  BOOST_TEST(refusal(failing_history(6), o).find("horizon") != std::string::npos);
  o = quick();
  o.split = split_rule::groups;
  o.rows.group = "no such attribute";
  BOOST_TEST(refusal(failing_history(6), o).find("group") != std::string::npos);
}
