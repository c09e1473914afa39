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
  for (const char* command :
       {"demo", "campaign", "bench", "dataset", "train", "evaluate", "nodes"}) {
    process_options options;
    options.argv = {HARBINGER_BIN_DIR "/harbinger", command, "--nonsense"};
    options.output = (directory / "said.log").string();
    auto started = process::start(options);
    BOOST_REQUIRE(started.has_value());
    auto end = started->wait(seconds(30));
    BOOST_REQUIRE(end.has_value());
    BOOST_TEST(end->code == to_int(exit_code::usage), command);
  }
  std::filesystem::remove_all(directory);
}
