/// What differs between two models.

#include <functional>
#include <memory>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "predict/model_diff.hpp"
#include "predict/scorer.hpp"

using namespace harbinger::predict;

namespace {

std::shared_ptr<const scorer> machine(size_t width, bool forest) {
  training_rows rows;
  rows.width = width;
  for (int i = 0; i < 40; ++i) {
    rows.values.insert(rows.values.end(), width, i % 2 ? 1.0 : 0.0);
    rows.labels.push_back(static_cast<uint8_t>(i % 2));
  }
  forest_options few;
  few.trees = 3;
  if (forest) return std::move(*train_forest(rows, few));
  return std::move(*train_logistic(rows));
}

struct recipe {
  std::vector<statistic> of_load{statistic::level, statistic::mean, statistic::trend};
  std::vector<double> windows_s{5, 30, 120};
  double horizon_s = 60;
  std::vector<double> typical{0.25, 0, 1e9};
  std::vector<calibration_point> calibration{{0, 0.01, 3}, {1, 0.5, 3}};
  std::string report = R"({"rows":100,"validation":{"pr_auc":0.5,"folds":[1,2]},"kind":"forest"})";
  bool forest = false;
};
model make(const recipe& r) {
  auto s = std::make_shared<schema>();
  s->series.push_back({"load", 0.01, true, "load", ""});
  for (auto what : r.of_load) s->features.push_back({"load", what, 0});
  return model(s, make_scales(r.windows_s, r.horizon_s, 10), r.typical,
               {{r.horizon_s, machine(r.of_load.size(), r.forest), calibration(r.calibration)}},
               r.report);
}

/// The row of that name; what is not there has "?" on both sides.
difference row(const std::vector<difference>& rows, std::string_view what) {
  for (const auto& d : rows)
    if (d.what == what) return d;
  return {std::string(what), "?", "?"};
}
std::vector<difference> changed(const std::function<void(recipe&)>& change) {
  recipe other;
  change(other);
  return compare_models(make({}), make(other));
}
bool is(const difference& d, std::string_view a, std::string_view b) {
  return d.a == a && d.b == b;
}

} // namespace

BOOST_AUTO_TEST_CASE(equal_models_do_not_differ) {
  BOOST_TEST(compare_models(make({}), make({})).empty());
  auto again = model::parse(make({}).serialize());
  BOOST_TEST(compare_models(make({}), *again).empty());
}

BOOST_AUTO_TEST_CASE(the_version_always_differs_first) {
  auto rows = changed([](recipe& r) { r.horizon_s = 90; });
  BOOST_TEST(rows[0].what == "version");
  BOOST_TEST(rows[0].a == make({}).version());
  BOOST_TEST(rows.size() == 2u);
  BOOST_TEST(is(row(rows, "horizon_s"), "60", "90"));
}

BOOST_AUTO_TEST_CASE(kind_windows_and_features_are_named) {
  auto rows = changed([](recipe& r) {
    r.forest = true;
    r.windows_s = {5, 30, 300};
    r.of_load = {statistic::level, statistic::peak, statistic::trend, statistic::baseline};
    r.typical = {0.25, 0, 1e9, 0};
  });
  BOOST_TEST(is(row(rows, "kind"), "logistic", "forest"));
  BOOST_TEST(is(row(rows, "windows_s"), "5, 30, 120", "5, 30, 300"));
  BOOST_TEST(is(row(rows, "features"), "3", "4"));
  BOOST_TEST(is(row(rows, "feature load mean"), "yes", "-"));
  BOOST_TEST(is(row(rows, "feature load peak"), "-", "yes"));
  BOOST_TEST(is(row(rows, "feature load baseline"), "-", "yes"));
  BOOST_TEST(is(row(rows, "feature load level"), "?", "?"));
}

BOOST_AUTO_TEST_CASE(typical_values_come_furthest_first_whatever_their_unit) {
  auto rows = changed([](recipe& r) { r.typical = {0.5, 0.01, 3e9}; });
  BOOST_REQUIRE(rows.size() == 4u);
  BOOST_TEST(rows[1].what == "typical load trend (moved 0.667)");
  BOOST_TEST(is(rows[1], "1e+09", "3e+09"));
  BOOST_TEST(rows[2].what == "typical load level (moved 0.167)");
  BOOST_TEST(rows[3].what == "typical load mean (moved 0.01)");
}

BOOST_AUTO_TEST_CASE(calibrations_are_compared_by_what_scores_come_to) {
  auto rows = changed([](recipe& r) { r.calibration[1].probability = 0.9; });
  BOOST_TEST(is(row(rows, "horizons[0].calibration at 0.5"), "0.255", "0.455"));
  BOOST_TEST(is(row(rows, "horizons[0].calibration"), "?", "?")); // as many points
  rows = changed([](recipe& r) { r.calibration.clear(); });
  BOOST_TEST(is(row(rows, "horizons[0].calibration"), "2", "0"));
  BOOST_TEST(is(row(rows, "horizons[0].calibration at 0.5"), "0.255", "0.5"));
}

BOOST_AUTO_TEST_CASE(every_number_of_the_reports_is_compared) {
  auto rows = changed([](recipe& r) {
    r.report = R"({"rows":120,"validation":{"pr_auc":0.75,"folds":[1,3,4]},"kind":"logistic",)"
               R"("new":{"deep":true}})";
  });
  BOOST_TEST(rows.size() == 7u);
  BOOST_TEST(is(row(rows, "report rows"), "100", "120"));
  BOOST_TEST(is(row(rows, "report validation.pr_auc"), "0.5", "0.75"));
  BOOST_TEST(is(row(rows, "report validation.folds[1]"), "2", "3"));
  BOOST_TEST(is(row(rows, "report validation.folds[2]"), "-", "4"));
  BOOST_TEST(is(row(rows, "report kind"), "forest", "logistic"));
  BOOST_TEST(is(row(rows, "report new.deep"), "-", "true"));
}

BOOST_AUTO_TEST_CASE(numbers_that_differ_late_are_shown_in_full) {
  recipe a, b;
  a.report = R"({"x":0.12345678})";
  b.report = R"({"x":0.12345679})";
  auto rows = compare_models(make(a), make(b));
  BOOST_TEST(is(row(rows, "report x"), "0.12345678", "0.12345679"));
}

BOOST_AUTO_TEST_CASE(swapping_the_models_swaps_the_sides) {
  recipe other;
  other.report = R"({"rows":7})";
  other.of_load = {statistic::level, statistic::peak, statistic::trend};
  auto there = compare_models(make({}), make(other)), back = compare_models(make(other), make({}));
  BOOST_TEST(there.size() == back.size());
  for (const auto& d : there) BOOST_TEST(is(row(back, d.what), d.b, d.a), d.what);
}

BOOST_AUTO_TEST_CASE(reports_of_strangers_do_no_harm) {
  recipe deep, broken, wide, text;
  deep.report = std::string(200'000, '[') + "1" + std::string(200'000, ']');
  BOOST_TEST(compare_models(make({}), make(deep)).size() > 1u);
  broken.report = "not { JSON";
  auto rows = compare_models(make({}), make(broken));
  BOOST_TEST(row(rows, "report (not JSON)").b == "not { JSON");
  wide.report = nlohmann::json(std::vector<int>(1000, 1)).dump();
  rows = compare_models(make({}), make(wide));
  BOOST_TEST(rows.back().what == "report ... and 605 more"); // 5 leaves of the other, 1000 here
  BOOST_TEST(rows.size() == 1 + diff_limits{}.report + 1);
  text.report = nlohmann::json{{"kind", std::string(79, 'x') + "\xc3\xa4" + "end"}}.dump();
  BOOST_TEST(row(compare_models(make({}), make(text)), "report kind").b
             == std::string(79, 'x') + "...");
}
