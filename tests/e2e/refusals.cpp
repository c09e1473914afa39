#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "tests/support/live_cluster.hpp"
#include "app/exit_code.hpp"

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

struct outcome {
  int code;
  std::string output;
};

outcome run_daemon(const std::string& directory, const std::vector<std::string>& arguments) {
  process_options options;
  options.argv = {HARBINGER_BIN_DIR "/harbingerd"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.output = directory + "/refused.log";
  auto started = process::start(options);
  BOOST_REQUIRE(started.has_value());
  auto end = started->wait(seconds(30));
  BOOST_REQUIRE_MESSAGE(end.has_value(), "it should have refused to start");
  return {end->signal == 0 ? end->code : -end->signal, cluster::tail_of(options.output, 20)};
}

/// `harbinger ARGUMENTS`, with what it writes of its own under `directory`/temporary.
outcome run_command(const std::filesystem::path& directory,
                    const std::vector<std::string>& arguments) {
  process_options options;
  options.argv = {HARBINGER_BIN_DIR "/harbinger"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.output = (directory / "said.log").string();
  options.env["TMPDIR"] = (directory / "temporary").string();
  std::filesystem::create_directories(directory / "temporary");
  std::filesystem::remove(options.output);
  auto started = process::start(options);
  BOOST_REQUIRE(started.has_value());
  auto end = started->wait(seconds(30));
  BOOST_REQUIRE(end.has_value());
  return {end->signal == 0 ? end->code : -end->signal, cluster::tail_of(options.output, 20)};
}

bool says(const outcome& o, const std::string& text) {
  return o.output.find(text) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_state_directory_in_use_is_refused_with_its_name_and_exit_code) {
  live_cluster live(2);
  auto directory = live.cluster->central_directory();
  auto refused = run_daemon(directory, {"central", "--config", directory + "/config.toml"});
  BOOST_TEST(refused.code == to_int(exit_code::in_use), refused.output);
  BOOST_TEST(says(refused, live.cluster->central_state()), refused.output);
}

BOOST_AUTO_TEST_CASE(a_port_in_use_is_refused_with_its_address_and_exit_code) {
  live_cluster live(2);
  auto directory = live.cluster->central_directory();
  auto refused = run_daemon(directory, {"central", "--config", directory + "/config.toml", "--set",
                                        "state_dir=" + live.cluster->directory() + "/other"});
  BOOST_TEST(refused.code == to_int(exit_code::in_use), refused.output);
  BOOST_TEST(says(refused, live.cluster->control_endpoint().substr(std::string{"tcp://"}.size())),
             refused.output);
}

BOOST_AUTO_TEST_CASE(a_mistake_in_the_configuration_is_refused_with_file_line_and_reason) {
  auto directory =
      std::filesystem::temp_directory_path() / ("harbinger-refusals-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  auto file = directory / "central.toml";
  std::ofstream(file) << "state_dir = \"" << directory.string() << "\"\nzones.enter_at = 7.5\n";
  auto refused = run_daemon(directory.string(), {"central", "--config", file.string()});
  BOOST_TEST(refused.code == to_int(exit_code::refused), refused.output);
  BOOST_TEST(says(refused, "central.toml:2"), refused.output);
  BOOST_TEST(says(refused, "zones.enter_at"), refused.output);
  std::filesystem::remove_all(directory);
}

BOOST_AUTO_TEST_CASE(a_line_that_makes_no_sense_has_one_exit_code_whatever_the_command) {
  auto directory =
      std::filesystem::temp_directory_path() / ("harbinger-usage-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  for (const char* command : {"demo", "campaign", "bench", "dataset", "train", "evaluate", "nodes"})
    BOOST_TEST(run_command(directory, {command, "--nonsense"}).code == to_int(exit_code::usage),
               command);
  std::filesystem::remove_all(directory);
}

BOOST_AUTO_TEST_CASE(histories_are_not_judged_without_their_data_and_nothing_is_left_behind) {
  auto directory =
      std::filesystem::temp_directory_path() / ("harbinger-sets-" + std::to_string(::getpid()));
  auto data = directory / "data";
  std::filesystem::create_directories(data / "lanl");
  auto without = run_command(directory, {"bench", "histories"});
  BOOST_TEST(without.code == to_int(exit_code::usage), without.output);
  BOOST_TEST(says(without, "--data"), without.output);
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"bench", "--data", data.string()},
           {"bench", "histories", "--data", (directory / "nowhere").string()},
           {"bench", "histories", "--data", data.string(), "--models", "oracle"}})
    BOOST_TEST(run_command(directory, line).code == to_int(exit_code::usage), line.back());

  auto none = run_command(directory, {"bench", "histories", "--data", data.string()});
  BOOST_TEST(none.code == to_int(exit_code::failure), none.output);
  for (const char* text : {"skipped: PdM", "skipped: PREVENT, 30 min, by run", "skipped: Backblaze",
                           "skipped: LANL", "failures.csv", "none of the public sets"})
    BOOST_TEST(says(none, text), text << " is not in " << none.output);

  std::ofstream(data / "lanl" / "failures.csv") << "nonsense\n1\n";
  auto broken = run_command(directory, {"bench", "histories", "--data", data.string()});
  BOOST_TEST(broken.code == to_int(exit_code::failure), broken.output);
  BOOST_TEST(says(broken, "importing lanl"), broken.output);
  BOOST_TEST(says(broken, "failures.csv"), broken.output);
  BOOST_TEST(std::filesystem::is_empty(directory / "temporary"));
  std::filesystem::remove_all(directory);
}
