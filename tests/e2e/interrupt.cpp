#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "app/process.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Daemons that were started with this directory in their command line.
size_t daemons_of(const std::string& directory) {
  size_t found = 0;
  for (const auto& entry : fs::directory_iterator("/proc"))
    if (text_of(entry.path() / "cmdline").find(directory + "/n") != std::string::npos) ++found;
  return found;
}

struct running_demo {
  fs::path directory =
      fs::temp_directory_path() / ("harbinger-interrupt-" + std::to_string(::getpid()));
  process demo;

  running_demo() {
    fs::create_directories(directory);
    process_options options;
    options.argv = {HARBINGER_BIN_DIR "/harbinger",
                    "demo",
                    "--directory",
                    directory.string(),
                    "--history",
                    directory.string()};
    options.output = (directory / "demo.log").string();
    auto started = process::start(options);
    BOOST_REQUIRE(started.has_value());
    demo = std::move(*started);
    for (int i = 0; i < 3000 && text_of(options.output).find("registered") == std::string::npos;
         ++i)
      pause_for(milliseconds(10));
    BOOST_REQUIRE(daemons_of(directory.string()) >= 6u);
  }
  ~running_demo() {
    demo.stop(seconds(5));
    std::error_code code;
    fs::remove_all(directory, code);
  }
  void require_nothing_left() {
    for (int i = 0; i < 1000 && daemons_of(directory.string()) > 0; ++i)
      pause_for(milliseconds(10));
    BOOST_TEST(daemons_of(directory.string()) == 0u);
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(a_demo_that_is_interrupted_stops_everything_it_started) {
  running_demo running;
  running.demo.signal(SIGINT);
  auto end = running.demo.wait(seconds(20));
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(to_string(*end) == "exit code 130");
  running.require_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_demo_that_is_killed_leaves_nothing_running_either) {
  running_demo running;
  running.demo.signal(SIGKILL);
  BOOST_REQUIRE(running.demo.wait(seconds(20)).has_value());
  running.require_nothing_left();
}
