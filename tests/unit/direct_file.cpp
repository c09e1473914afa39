#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/direct_file.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

struct directory {
  fs::path path;
  directory() {
    std::string name = (fs::temp_directory_path() / "harbinger-direct-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~directory() { fs::remove_all(path); }
  std::string file() const { return path / "file"; }
  std::string content() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Nothing: the file system has only its cache, and there is nothing to test.
  std::unique_ptr<direct_file> create() const {
    auto made = direct_file::create(file());
    if (!made) {
      BOOST_TEST_REQUIRE((made.error().code == errc::unsupported), to_string(made.error()));
      BOOST_TEST(!fs::exists(file()));
      BOOST_TEST_MESSAGE("no O_DIRECT here");
      return nullptr;
    }
    return std::move(*made);
  }
};

std::string some_bytes(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(count, '\0');
  for (auto& c : out) c = static_cast<char>(random());
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(direct_file_, *boost::unit_test::timeout(60))

BOOST_FIXTURE_TEST_CASE(what_was_appended_in_any_pieces_is_in_the_file, directory) {
  uint64_t seed = 7;
  BOOST_TEST_INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (size_t total : {size_t{0}, size_t{1}, size_t{4096}, direct_file::buffer_bytes,
                       direct_file::buffer_bytes + 1, 5 * direct_file::buffer_bytes + 12'345}) {
    fs::remove(file());
    auto made = create();
    if (!made) return;
    auto all = some_bytes(total, total);
    for (size_t at = 0; at < total;) {
      auto part = std::min<size_t>(total - at, random() % 300'000);
      BOOST_REQUIRE(made->append(std::string_view(all).substr(at, part)).has_value());
      at += part;
    }
    BOOST_REQUIRE(made->sync().has_value());
    BOOST_TEST(made->size() == total);
    BOOST_TEST((content() == all), "of " << total << " bytes");
  }
}

BOOST_FIXTURE_TEST_CASE(a_file_that_fills_slowly_goes_to_disk_in_pieces_and_is_whole, directory) {
  auto made = create();
  if (!made) return;
  auto all = some_bytes(4 * direct_file::buffer_bytes + 777, 4);
  std::string_view rest = all;
  for (int i = 0; !rest.empty(); ++i) {
    auto part = rest.substr(0, direct_file::buffer_bytes / 2 + 1);
    BOOST_REQUIRE(made->append(part).has_value());
    rest.remove_prefix(part.size());
    if (i < 6) std::this_thread::sleep_for(2 * direct_file::slow_fill); // then hastily
  }
  BOOST_REQUIRE(made->sync().has_value());
  BOOST_TEST((content() == all));
}

BOOST_FIXTURE_TEST_CASE(a_file_that_was_synced_can_go_on, directory) {
  auto made = create();
  if (!made) return;
  auto all = some_bytes(3 * direct_file::buffer_bytes, 3);
  std::string_view rest = all;
  for (size_t part : {size_t{100}, size_t{5000}, direct_file::buffer_bytes, rest.size()}) {
    part = std::min(part, rest.size());
    BOOST_REQUIRE(made->append(rest.substr(0, part)).has_value());
    rest.remove_prefix(part);
    BOOST_REQUIRE(made->sync().has_value());
    BOOST_TEST((content() == all.substr(0, all.size() - rest.size())));
  }
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_there_is_left_alone, directory) {
  std::ofstream(file()) << "somebody's";
  auto made = direct_file::create(file());
  BOOST_REQUIRE(!made);
  BOOST_TEST((made.error().code == errc::in_use || made.error().code == errc::unsupported));
  if (made.error().code == errc::in_use) BOOST_TEST(content() == "somebody's");
}

BOOST_FIXTURE_TEST_CASE(a_file_that_may_not_grow_says_so_and_never_claims_to_be_whole, directory) {
  if (!create()) return;
  fs::remove(file());
  auto child = ::fork(); // limits are the process's
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{3 << 20, 3 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto made = direct_file::create(file());
    if (!made) ::_exit(1);
    result<void> appended;
    auto part = some_bytes(100'000, 1);
    for (int i = 0; appended && i < 100; ++i) appended = (*made)->append(part);
    auto synced = (*made)->sync();
    ::_exit(!appended && !synced && !(*made)->append("x") ? 0 : 2);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
