#include <boost/test/unit_test.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "app/judged_tasks.hpp"
#include "app/public_sets.hpp"
#include "app/table.hpp"
#include "tests/support/temp_dir.hpp"

/// Which public sets are at hand, how they are judged, and the table of what came out.

using namespace harbinger;

namespace {

std::string schema_file(std::string_view schema) {
  return HARBINGER_SOURCE_DIR "/config/histories/" + std::string(schema) + ".toml";
}

/// A report as `harbinger evaluate --json` writes it, with the figures that the table needs.
std::string report(const std::string& pr_auc) {
  return R"({"models": [{"name": "forest", "chosen": true, "figures": {
    "rows": {"value": 5100, "low": null, "high": null},
    "base_rate": {"value": 0.02, "low": null, "high": null},
    "pr_auc": )"
         + pr_auc + R"(,
    "roc_auc": {"value": 0.9, "low": 0.8, "high": 0.95},
    "f1": {"value": 0.75, "low": 0.7, "high": 0.8},
    "brier": {"value": 0.01, "low": 0.009, "high": 0.011},
    "base_brier": {"value": 0.0196, "low": null, "high": null},
    "calibration_error": {"value": 0.002, "low": 0.001, "high": 0.003}}}]})";
}
const std::string good_figure = R"({"value": 0.5, "low": 0.4, "high": 0.6})";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_CASE(every_set_has_a_schema_and_a_task_and_every_task_a_set) {
  std::set<std::string_view> sets, judged, titles;
  for (const auto& set : public_sets()) {
    sets.insert(set.schema);
    BOOST_TEST(missing_tables(schema_file(set.schema), "/nonexistent").has_value(), set.schema);
  }
  for (const auto& task : public_tasks()) {
    judged.insert(task.schema);
    titles.insert(task.title);
  }
  BOOST_TEST((sets == judged));
  BOOST_TEST(titles.size() == public_tasks().size());
}

BOOST_AUTO_TEST_CASE(the_page_lists_the_commands_by_which_the_sets_are_judged) {
  std::ifstream in(HARBINGER_SOURCE_DIR "/docs/PREDICTION.md");
  std::string page(std::istreambuf_iterator<char>(in), {});
  for (const auto& task : public_tasks()) {
    auto command = "harbinger evaluate --history " + std::string(task.schema) + ' '
                   + std::string(task.arguments) + " --search ";
    BOOST_TEST(contains(page, command), "docs/PREDICTION.md lacks: " << command);
  }
}

BOOST_AUTO_TEST_CASE(a_set_is_there_when_all_its_tables_are_and_otherwise_names_what_is_missing) {
  test::temp_dir dir;
  auto missing = missing_tables(schema_file("backblaze"), dir.path());
  BOOST_REQUIRE(missing.has_value());
  BOOST_TEST((*missing == std::vector<std::string>{"drives.csv", "intervals.csv"}));
  dir.put("drives.csv", "drive\n");
  std::filesystem::create_directory(dir / "intervals.csv"); // a directory is no table
  missing = missing_tables(schema_file("backblaze"), dir.path());
  BOOST_REQUIRE(missing.has_value());
  BOOST_TEST((*missing == std::vector<std::string>{"intervals.csv"}));
  std::filesystem::remove(dir / "intervals.csv");
  dir.put("intervals.csv", "drive\n");
  missing = missing_tables(schema_file("backblaze"), dir.path());
  BOOST_REQUIRE(missing.has_value());
  BOOST_TEST(missing->empty());
  BOOST_TEST(!missing_tables(dir / "no_schema.toml", dir.path()).has_value());
}

BOOST_AUTO_TEST_CASE(arguments_are_parted_at_spaces) {
  BOOST_TEST((words_of("--at 6h --x") == std::vector<std::string>{"--at", "6h", "--x"}));
  BOOST_TEST(words_of("").empty());
}

BOOST_AUTO_TEST_CASE(a_report_becomes_a_row_beside_what_no_model_would_have_reached) {
  auto judged = read_judged("PdM, 24 h", report(good_figure));
  BOOST_REQUIRE(judged.has_value());
  BOOST_REQUIRE(judged->size() == 1u);
  BOOST_TEST(judged->front().of("brier").value == 0.01);
  BOOST_TEST(std::isnan(judged->front().of("unheard_of").value));
  auto table = render_document(judged_table(*judged));
  for (const char* part : {"PdM, 24 h", "forest", "yes", "5,100", "0.02", "0.500 [0.400, 0.600]",
                           "0.750", "0.01", "0.0196", "0.002"})
    BOOST_TEST(contains(table, part), part << " is not in\n" << table);
  BOOST_TEST(!contains(table, "[0.7"), "one interval a row is enough\n" << table);
  BOOST_TEST(!contains(table, "before_injection"), table);
}

BOOST_AUTO_TEST_CASE(the_ranking_before_the_injection_is_shown_where_it_was_asked_for) {
  auto text = report(good_figure);
  text.insert(text.find("\"rows\""), R"("roc_auc_before_injected": {"value": 0.53, "low": null,
    "high": null}, )");
  auto with = read_judged("PREVENT", text), without = read_judged("PdM", report(good_figure));
  BOOST_REQUIRE((with.has_value() && without.has_value()));
  with->insert(with->end(), without->begin(), without->end());
  auto table = render_document(judged_table(*with));
  BOOST_TEST(contains(table, "before_injection"), table);
  BOOST_TEST(contains(table, "0.530"), table);
  BOOST_TEST(!contains(table, "not defined"), table);
}

BOOST_AUTO_TEST_CASE(what_could_not_be_judged_is_said_to_be_not_defined) {
  auto judged = read_judged("PdM", report(R"({"value": null, "low": null, "high": null})"));
  BOOST_REQUIRE(judged.has_value());
  BOOST_TEST(contains(render_document(judged_table(*judged)), "not defined"));
}

BOOST_AUTO_TEST_CASE(a_report_that_is_none_is_refused) {
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[1]"), std::string(R"({"models": []})"),
        report("7"), report(good_figure).substr(0, 200)}) {
    auto judged = read_judged("PdM", text);
    BOOST_REQUIRE_MESSAGE(!judged.has_value(), text);
    BOOST_TEST((judged.error().code == errc::malformed), text);
  }
  auto lacking = report(good_figure);
  lacking.replace(lacking.find("\"f1\""), 4, "\"f2\"");
  BOOST_TEST(!read_judged("PdM", lacking).has_value());
}
