#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

#include "app/process.hpp"

using namespace harbinger;

namespace {

process shell(const std::string& script, uint64_t address_space_bytes = 0) {
  process_options options;
  options.argv = {"/bin/sh", "-c", script};
  options.address_space_bytes = address_space_bytes;
  auto started = process::start(options);
  BOOST_REQUIRE(started.has_value());
  return std::move(*started);
}

bool runs(pid_t pid) { return ::kill(pid, 0) == 0; }

} // namespace

BOOST_AUTO_TEST_CASE(an_exit_code_is_reported) {
  auto end = shell("exit 3").wait(seconds(10));
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(end->code == 3);
  BOOST_TEST(to_string(*end) == "exit code 3");
}

BOOST_AUTO_TEST_CASE(a_signal_is_reported) {
  auto child = shell("kill -9 $$");
  auto end = child.wait(seconds(10));
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(end->signal == SIGKILL);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_not_there_is_an_error_that_names_it) {
  process_options options;
  options.argv = {"/nonexistent/program"};
  auto started = process::start(options);
  BOOST_REQUIRE(!started.has_value());
  BOOST_TEST(started.error().detail.find("/nonexistent/program") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_child_does_not_outlive_its_object) {
  pid_t pid = 0;
  {
    auto child = shell("exec sleep 1000");
    pid = child.pid();
    BOOST_TEST(runs(pid));
  }
  BOOST_TEST(!runs(pid));
}

BOOST_AUTO_TEST_CASE(a_child_dies_with_an_owner_that_is_killed) {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  pid_t owner = ::fork();
  if (owner == 0) {
    process_options options;
    options.argv = {"/bin/sleep", "1000"};
    auto child = process::start(options);
    pid_t pid = child->pid();
    (void)!::write(ends[1], &pid, sizeof pid);
    ::pause();
    ::_exit(0);
  }
  pid_t grandchild = 0;
  BOOST_REQUIRE(::read(ends[0], &grandchild, sizeof grandchild) == ssize_t{sizeof grandchild});
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  // init reaps it; a zombie that nobody reaps still counts as ended
  auto gone = [&] {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string pid, name, state;
    return !(stat >> pid >> name >> state) || state == "Z";
  };
  for (int i = 0; i < 5000 && !gone(); ++i) ::usleep(1000);
  BOOST_TEST(gone());
  ::close(ends[0]);
  ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(stop_is_heard_by_a_stopped_process_and_enforced_on_a_deaf_one) {
  auto stopped = shell("exec sleep 1000");
  stopped.signal(SIGSTOP);
  BOOST_TEST(stopped.stop(seconds(10)).signal == SIGTERM);

  auto deaf = shell("trap '' TERM; echo > /dev/null; while :; do sleep 0.1; done");
  for (int i = 0; i < 1000; ++i)
    ::usleep(100); // until the trap is very likely set; either way the end is a signal
  auto end = deaf.stop(milliseconds(50));
  BOOST_TEST(end.signal != 0);
}

BOOST_AUTO_TEST_CASE(the_output_goes_to_the_file) {
  auto file =
      std::filesystem::temp_directory_path() / ("harbinger-process-" + std::to_string(::getpid()));
  process_options options;
  options.argv = {"/bin/sh", "-c", "echo out; echo err >&2; echo $HARBINGER_TEST_WORD"};
  options.env = {{"HARBINGER_TEST_WORD", "word"}};
  options.output = file.string();
  auto started = process::start(options);
  BOOST_REQUIRE(started.has_value());
  BOOST_REQUIRE(started->wait(seconds(10)).has_value());
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  BOOST_TEST(text == "out\nerr\nword\n");
  std::filesystem::remove(file);
}
