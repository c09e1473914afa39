#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "app/exit_code.hpp"

/// docs/OPERATIONS.md names every kind of event that the code raises, and no others.

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void collect(const std::string& text, const std::regex& pattern, std::set<std::string>& into) {
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
    into.insert((*it)[1]);
}

const std::filesystem::path root = HARBINGER_SOURCE_DIR;

} // namespace

BOOST_AUTO_TEST_CASE(every_kind_of_event_is_documented) {
  static const std::regex raised(
      R"re((?:severity::(?:info|warning|alert),\s*|notice\{)"([a-z_]+)")re");
  static const std::regex zone_kinds(R"re("(zone_(?:formed|changed|dissolved|split|merged))")re");
  std::set<std::string> kinds;
  for (const char* folder : {"actors", "src/replica", "src/recovery", "src/prefetch", "src/scrub"})
    for (const auto& file : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!file.is_regular_file()) continue;
      auto text = read_file(file.path());
      collect(text, raised, kinds);
      collect(text, zone_kinds, kinds);
    }
  auto page = read_file(root / "docs/OPERATIONS.md");
  auto events =
      page.substr(page.find("\n## Events"), page.find("\n## Limits") - page.find("\n## Events"));
  std::set<std::string> documented;
  collect(events, std::regex(R"re(\n\| `([a-z_]+)` \|)re"), documented);
  for (const auto& kind : kinds)
    BOOST_TEST(documented.contains(kind), kind << " is raised and not documented");
  for (const auto& kind : documented)
    BOOST_TEST(kinds.contains(kind), kind << " is documented and never raised");
}

BOOST_AUTO_TEST_CASE(exit_codes_are_the_documented_ones) {
  auto page = read_file(root / "docs/OPERATIONS.md");
  using harbinger::exit_code;
  for (auto code : {exit_code::ok, exit_code::failure, exit_code::usage, exit_code::unreachable,
                    exit_code::refused, exit_code::in_use})
    BOOST_TEST(page.find("\n| " + std::to_string(harbinger::to_int(code)) + " | ")
               != std::string::npos);
}
