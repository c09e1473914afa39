#include "tests/support/live_cluster.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdio>
#include <csignal>
#include <fstream>
#include <sstream>

#include <sys/wait.h>

/// The client in examples/python against a real cluster. Debian's own python3 is the one with
/// python3-zmq and python3-msgpack.

using namespace harbinger;
using harbinger::testing::live_cluster;

namespace {

struct outcome {
  int exit_code = -1;
  std::string text; ///< standard output and standard error
};

outcome run_client(const std::string& arguments) {
  auto command = "/usr/bin/python3 " HARBINGER_SOURCE_DIR "/examples/python/harbinger_client.py "
                 + arguments + " 2>&1";
  outcome out;
  auto* pipe = ::popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  char buffer[4096];
  for (size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    out.text.append(buffer, n);
  auto status = ::pclose(pipe);
  if (WIFEXITED(status)) out.exit_code = WEXITSTATUS(status);
  return out;
}

void expect(const outcome& got, int exit_code, const std::string& text) {
  BOOST_TEST(got.exit_code == exit_code, got.text);
  BOOST_TEST(got.text.find(text) != std::string::npos, "expected " << text << ", got " << got.text);
}

/// The example as it watches, and how many of its lines were looked at.
struct watcher {
  harbinger::test::temp_dir directory;
  process python;
  size_t seen = 0;

  explicit watcher(const std::string& arguments) {
    std::istringstream words(arguments);
    process_options options{
        {"/usr/bin/python3", HARBINGER_SOURCE_DIR "/examples/python/harbinger_client.py"},
        {},
        directory / "lines"};
    for (std::string word; words >> word;) options.argv.push_back(word);
    auto started = process::start(options);
    live_cluster::require(started);
    python = std::move(*started);
  }
  /// The next lines, each after its version.
  void expect(const std::vector<std::string>& wanted) {
    std::vector<std::string> lines;
    auto until = std::chrono::steady_clock::now() + seconds(30);
    while (lines.size() < seen + wanted.size() && std::chrono::steady_clock::now() < until) {
      pause_for(milliseconds(20));
      lines.clear();
      std::ifstream in(directory / "lines");
      for (std::string line; std::getline(in, line) && !in.eof();)
        lines.push_back(line.substr(line.find(' ') + 1));
    }
    lines.erase(lines.begin(), lines.begin() + static_cast<long>(std::min(seen, lines.size())));
    BOOST_TEST(lines == wanted, boost::test_tools::per_element());
    seen += wanted.size();
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(the_python_example_writes_reads_scans_and_survives_a_failover) {
  live_cluster live(3);
  auto on = [&](const std::string& words) {
    return run_client(live.cluster->control_endpoint() + " files 2 " + words);
  };
  expect(on("put apple red"), 0, "version ");
  expect(on("put banana yellow"), 0, "version ");
  expect(on("put cherry dark"), 0, "version ");
  expect(on("get banana"), 0, "yellow\n");
  expect(on("cas banana green brown"), 1, "condition_failed");
  expect(on("cas banana yellow brown"), 0, "version ");
  expect(on("get banana"), 0, "brown\n");
  expect(on("erase banana"), 0, "version ");
  expect(on("get banana"), 0, "not found\n");
  expect(on("scan"), 0, "apple red\ncherry dark\n");
  expect(on("scan b"), 0, "cherry dark\n");
  expect(on("put '' nothing"), 1, "invalid_argument");
  expect(run_client(live.cluster->control_endpoint() + " unheard_of 0 get x"), 1, "unheard_of");

  watcher watching(live.cluster->control_endpoint() + " files 2 watch 0:0");
  watching.expect({"put apple red", "put banana yellow", "put cherry dark", "put banana brown",
                   "erase banana "}); // not what was refused

  auto map = live.cluster->map();
  live_cluster::require(map);
  auto row = std::find_if(map->partitions.begin(), map->partitions.end(),
                          [](const auto& p) { return index_of(p.id) == 2; });
  BOOST_REQUIRE(row != map->partitions.end());
  for (auto& node : live.cluster->nodes())
    if (node.name == row->primary.value) node.daemon.signal(SIGKILL);
  expect(on("get apple"), 0, "red\n"); // asks again until another node is primary
  expect(on("put apple green"), 0, "version ");
  expect(on("get apple"), 0, "green\n");
  watching.expect({"put apple green"});
  watching.python.signal(SIGINT);
  auto end = watching.python.wait(seconds(10));
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(to_string(*end) == "exit code 0");
}
