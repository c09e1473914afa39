#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "app/console_client.hpp"
#include "app/console_routes.hpp"
#include "app/daemon_process.hpp"
#include "app/status.hpp"
#include "app/table.hpp"

using namespace harbinger;

namespace {

result<console_route> ask(const std::string& line, daemon_role role = daemon_role::central) {
  return route_console(role, *split_words(line));
}

struct scratch {
  std::filesystem::path path = std::filesystem::temp_directory_path()
                               / ("harbinger-test-console-" + std::to_string(::getpid()));
  scratch() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~scratch() { std::filesystem::remove_all(path); }
};

} // namespace

BOOST_AUTO_TEST_CASE(lines_go_to_the_actor_that_knows) {
  auto risk = ask("risk n3");
  BOOST_REQUIRE(risk.has_value());
  BOOST_TEST(risk->actor == "failure_predictor");
  BOOST_TEST(std::get<show_request>(risk->question).words.at(0) == "n3");
  BOOST_TEST(ask("copies", daemon_role::node)->actor == "copy_receiver");
  BOOST_TEST(std::get<kill_actor>(ask("kill console")->question).name == "console");
  auto set = ask("config set zones.domains '[\"rack\", \"power\"]'");
  BOOST_TEST(std::get<config_set>(set->question).value == "[\"rack\", \"power\"]");
  auto drill = ask("drill full_rebuild 1.2 1.3");
  BOOST_TEST(std::get<recovery_drill>(drill->question).partitions.size() == 2u);
  BOOST_TEST((drill->timeout == seconds(120)));
  BOOST_TEST(std::get<create_volume>(ask("volume create v 8")->question).replicas == 2u);
}

BOOST_AUTO_TEST_CASE(questions_to_the_past_go_to_the_journal_and_others_where_they_went) {
  auto past = ask("explain partition 1.3 --at '10m ago'");
  BOOST_REQUIRE(past.has_value());
  BOOST_TEST(past->actor == "event_publisher");
  BOOST_TEST(std::get<show_request>(past->question).words.back() == "10m ago");
  BOOST_TEST((past->timeout > seconds(5)));
  BOOST_TEST((console_timeout({"explain"}) > past->timeout));
  BOOST_TEST(ask("explain node n1")->actor == "failure_predictor");
  BOOST_TEST(ask("explain node n1 --at now", daemon_role::node)->actor == "event_publisher");
  BOOST_TEST((ask("events 0 10 03:00 04:00")->timeout > ask("events 0 10")->timeout));
  auto what_if = ask("whatif kill n1 rack=r2");
  BOOST_TEST(what_if->actor == "recovery_coordinator");
  BOOST_TEST(std::get<show_request>(what_if->question).words.size() == 3u);
  BOOST_TEST((ask("whatif kill").error().code == errc::invalid_argument));
  BOOST_TEST((ask("whatif rain n1").error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(lines_without_sense_get_a_clear_error) {
  BOOST_TEST(ask("nonsense").error().detail == "unknown command \"nonsense\"; try help");
  BOOST_TEST((ask("risk n3", daemon_role::node).error().code == errc::not_found));
  BOOST_TEST((ask("kill").error().code == errc::invalid_argument));
  BOOST_TEST((ask("drill sideways 1.2").error().code == errc::invalid_argument));
  BOOST_TEST(ask("drill pull 1.x").error().detail.starts_with("\"1.x\" is not a partition"));
  BOOST_TEST((ask("volume create v many").error().code == errc::invalid_argument));
  BOOST_TEST((ask("config set zones.enter_at").error().code == errc::invalid_argument));
  BOOST_TEST((route_console(daemon_role::central, {}).error().code == errc::invalid_argument));
  BOOST_TEST((split_words("say 'half").error().code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(every_command_of_the_help_is_routed) {
  for (auto role : {daemon_role::central, daemon_role::node})
    for (const auto& command : console_commands(role)) {
      auto first = split_words(command.usage)->at(0);
      auto routed = route_console(role, {first});
      bool known = routed || routed.error().code == errc::invalid_argument;
      BOOST_TEST(known, command.usage);
    }
}

BOOST_AUTO_TEST_CASE(listings_become_aligned_columns) {
  auto table = render_document(
      R"({"columns": ["node", "risk", "time", "gone"], "rows": [["n1", 0.5, 0, null], ["node10", 12, 1500, null]]})");
  BOOST_TEST(table
             == "node    risk  time\n"
                "n1       0.5  1970-01-01 00:00:00.000\n"
                "node10    12  1970-01-01 00:00:01.500\n");
  BOOST_TEST(render_document(R"({"columns": ["a"], "rows": []})") == "none\n");
  BOOST_TEST(render_document(R"({"a": {"b": 1}, "c": ["x", "y"], "d": []})")
             == "a:\n  b: 1\nc: x, y\nd: none\n");
  BOOST_TEST(render_document(R"({"node": "n1", "lines": ["one", "  two\u0007"]})")
             == "one\n  two?\n");
  BOOST_TEST(render_document(R"({"lines": ["sum"], "table": {"columns": ["a"], "rows": [["x"]]}})")
             == "sum\na\nx\n");
  BOOST_TEST(render_document("no json") == "no json\n");
  BOOST_TEST(render_document(R"({"columns": ["a"], "rows": [["\u001b[31mred"]]})")
                 == "a\n?[31mred\n",
             "no control characters reach the terminal");
}

BOOST_AUTO_TEST_CASE(status_is_put_together_from_the_listings) {
  auto status = nlohmann::json::parse(assemble_status(
      R"({"role": "central"})",
      {{"nodes",
        R"({"columns": ["node", "state"], "rows": [["n1", "up"], ["n2", "up"], ["n3", "dead"]]})"},
       {"partitions", R"({"columns": ["partition", "primary", "sync_set", "replicas_wanted"],
                        "rows": [["1.0", "n1", "n1, n2", 2], ["1.1", "n2", ["n2"], 2], ["1.3", "n1", "n1 n2", 2], ["1.2", "", "", 2], ["1.4", "n1", "n1 n2 n5", 2]]})"}},
      {"zones: timeout"}));
  BOOST_TEST(status["nodes"]["up"] == 2);
  BOOST_TEST(status["nodes"]["dead"] == 1);
  BOOST_TEST(status["partitions"]["available"] == 4);
  BOOST_TEST(status["partitions"]["short_of_replicas"] == 2);
  BOOST_TEST(status["partitions"]["escalated"] == 1);
  BOOST_TEST(status["missing"][0] == "zones: timeout");
}

BOOST_FIXTURE_TEST_CASE(a_state_directory_belongs_to_one_process, scratch) {
  auto first = state_dir_lock::take(path.string());
  BOOST_REQUIRE(first.has_value());
  auto second = state_dir_lock::take(path.string());
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == errc::in_use));
  BOOST_TEST(second.error().detail.find(std::to_string(::getpid())) != std::string::npos);
  { auto released = std::move(*first); }
  BOOST_TEST(state_dir_lock::take(path.string()).has_value());
  BOOST_TEST((state_dir_lock::take(path.string() + std::string(100, 'x')).error().code
              == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(without_a_daemon_the_console_says_so_at_once, scratch) {
  auto client = console_client::connect(path.string());
  BOOST_REQUIRE(!client.has_value());
  BOOST_TEST((client.error().code == errc::unavailable));
}
