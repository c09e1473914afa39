#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <optional>

#include "app/temporary_directory.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {
temporary_directory made() {
  auto one = temporary_directory::make("harbinger-test-");
  BOOST_REQUIRE_MESSAGE(one, (one ? "" : to_string(one.error())));
  return std::move(*one);
}
} // namespace

BOOST_AUTO_TEST_CASE(a_directory_goes_with_its_owner_and_what_is_in_it) {
  std::optional first(made());
  auto path = first->path();
  BOOST_TEST(fs::is_empty(path));
  fs::create_directories(path + "/a/b");
  std::ofstream(path + "/a/b/c") << "text";
  std::optional owner(std::move(*first));
  first.reset();
  BOOST_TEST(fs::exists(path + "/a/b/c"));
  owner.reset();
  BOOST_TEST(!fs::exists(path));
}

BOOST_AUTO_TEST_CASE(a_kept_directory_stays_whoever_owns_it) {
  std::string path;
  {
    auto one = made();
    one.keep();
    auto other = made();
    other = std::move(one);
    path = other.path();
  }
  BOOST_TEST(fs::exists(path));
  fs::remove_all(path);
}

BOOST_AUTO_TEST_CASE(it_is_made_where_the_environment_says_or_refused) {
  test::temp_dir base;
  auto before = std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "");
  ::setenv("TMPDIR", base.path().c_str(), 1);
  BOOST_TEST(fs::path(made().path()).parent_path() == fs::path(base.path()));
  ::setenv("TMPDIR", (base / "none").c_str(), 1);
  auto refused = temporary_directory::make("harbinger-test-");
  before.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before.c_str(), 1);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == errc::io));
}
