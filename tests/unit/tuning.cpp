/// Hyper-parameters and their search.

#include <cmath>

#include <boost/test/unit_test.hpp>

#include "predict/tuning.hpp"

using namespace harbinger;
using namespace harbinger::predict;

namespace {
/// Best at l2 0.3 and clip 7; 0 there, less elsewhere.
double hill(const hyper_values& h) {
  return -std::pow(std::log10(h.at("l2") / 0.3), 2) - std::pow((h.at("clip") - 7) / 4, 2);
}
} // namespace

BOOST_AUTO_TEST_CASE(the_search_finds_the_top_of_a_hill) {
  auto found = tune("logistic", hill, {40, 1});
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->value > -0.05);
  BOOST_TEST(hill({{"l2", 0.01}, {"clip", 5}}) < -1);
  BOOST_TEST(found->value == hill(found->best));
}

BOOST_AUTO_TEST_CASE(the_usual_values_come_first_and_the_count_is_kept) {
  size_t calls = 0;
  auto found =
      tune("forest", [&](const hyper_values& h) { return ++calls, -h.at("smoothing"); }, {9, 1});
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(calls == 9u);
  BOOST_TEST(found->trials.size() == 9u);
  BOOST_TEST((found->trials[0].hyper == *complete_hyper("forest", {})));
  auto one = tune("forest", [](const auto&) { return 0.5; }, {1, 1});
  BOOST_TEST((one->best == *complete_hyper("forest", {})));
}

BOOST_AUTO_TEST_CASE(the_same_seed_asks_the_same_questions) {
  auto first =
      tune("boosting", [](const auto& h) { return -std::fabs(h.at("depth") - 3); }, {15, 7});
  auto again =
      tune("boosting", [](const auto& h) { return -std::fabs(h.at("depth") - 3); }, {15, 7});
  BOOST_REQUIRE(first->trials.size() == again->trials.size());
  for (size_t i = 0; i < first->trials.size(); ++i)
    BOOST_TEST((first->trials[i].hyper == again->trials[i].hyper));
}

BOOST_AUTO_TEST_CASE(every_question_is_within_its_ranges_and_whole_where_it_must_be) {
  for (auto kind : scorer_kinds()) {
    auto found = tune(kind, [](const auto& h) { return std::sin(h.begin()->second); }, {12, 3});
    BOOST_REQUIRE(found.has_value());
    for (const auto& t : found->trials) {
      BOOST_TEST(complete_hyper(kind, t.hyper).has_value());
      for (const auto& r : hyper_ranges(kind)) {
        double v = t.hyper.at(r.name);
        if (r.integer) BOOST_TEST(v == std::round(v), r.name);
        if (!r.searched) BOOST_TEST(v == r.usual, r.name);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(fixed_values_stay_fixed) {
  auto found = tune("logistic", hill, {10, 1}, {{"clip", 3}});
  BOOST_REQUIRE(found.has_value());
  for (const auto& t : found->trials) BOOST_TEST(t.hyper.at("clip") == 3);
}

BOOST_AUTO_TEST_CASE(what_can_not_be_judged_never_wins) {
  auto found =
      tune("logistic", [](const auto& h) { return h.at("l2") > 0.1 ? NAN : h.at("l2"); }, {20, 1});
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->best.at("l2") <= 0.1);
  auto none = tune("logistic", [](const auto&) { return NAN; }, {5, 1});
  BOOST_REQUIRE(!none);
  BOOST_TEST((none.error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(foreign_names_and_wild_values_are_refused) {
  auto code = [](std::string_view kind, const hyper_values& h) {
    return complete_hyper(kind, h).error().code;
  };
  BOOST_TEST((code("oracle", {}) == errc::invalid_argument));
  BOOST_TEST((code("forest", {{"leafs", 3}}) == errc::invalid_argument));
  BOOST_TEST((code("forest", {{"trees", 1e9}}) == errc::invalid_argument));
  BOOST_TEST((code("forest", {{"trees", NAN}}) == errc::invalid_argument));
  BOOST_TEST(!tune("oracle", hill, {}));
  BOOST_TEST(!tune("logistic", hill, {0, 1}));
}
