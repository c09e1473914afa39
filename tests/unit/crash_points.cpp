/// Crash points are for tests alone: nothing that is shipped leads to one.

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/crash_points.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

std::string content(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

/// Every source of src, actors and tools, without that of the points themselves and of the library
/// that tests preload.
template <class Visit>
void each_source(Visit visit) {
  for (const char* folder : {"src", "actors", "tools"})
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(HARBINGER_SOURCE_DIR) / folder)) {
      auto name = entry.path().filename().string();
      bool source = entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp";
      if (source && name != "crash_points.hpp" && name != "crash_points.cpp"
          && name != "trouble.cpp")
        visit(entry.path());
    }
}

std::set<std::string> reached;

} // namespace

BOOST_AUTO_TEST_CASE(no_source_of_the_product_sets_the_hook) {
  size_t sources = 0;
  each_source([&](const fs::path& path) {
    ++sources;
    auto text = content(path);
    for (const char* word : {"set_crash_hook", "crash_detail", "harbinger_crash_point"})
      BOOST_TEST(text.find(word) == std::string::npos, path << " has " << word);
  });
  BOOST_TEST(sources > 100u);
}

BOOST_AUTO_TEST_CASE(every_point_of_the_list_has_its_place_and_no_other_is_named) {
  std::set<std::string> placed;
  each_source([&](const fs::path& path) {
    auto text = content(path);
    for (size_t at = 0; (at = text.find("crash_point::", at)) != std::string::npos;) {
      at += std::string_view("crash_point::").size();
      auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
      placed.insert(text.substr(at, end - at));
    }
  });
  BOOST_TEST((placed == std::set<std::string>(crash_point_names.begin(), crash_point_names.end())));
}

BOOST_AUTO_TEST_CASE(names_are_those_of_the_list_in_its_order) {
  std::set<std::string> names(crash_point_names.begin(), crash_point_names.end());
  BOOST_TEST(names.size() == crash_points);
  BOOST_TEST(name_of(crash_point::commit_begun) == std::string("commit_begun"));
  BOOST_TEST(name_of(crash_point::copy_file_ingested) == std::string("copy_file_ingested"));
  BOOST_TEST(name_of(crash_point::restore_rows_in) == std::string("restore_rows_in"));
  BOOST_TEST(name_of(first_node_crash_point) == std::string("append_answer"));
  BOOST_TEST(name_of(crash_point::copy_ready) == std::string("copy_ready"));
}

BOOST_AUTO_TEST_CASE(without_a_hook_nothing_happens_and_with_one_it_hears_the_name) {
  reach(crash_point::drop_done);
  set_crash_hook([](const char* name) { reached.insert(name); });
  reach(crash_point::drop_begun);
  set_crash_hook(nullptr);
  reach(crash_point::trim_done);
  BOOST_TEST((reached == std::set<std::string>{"drop_begun"}));
}
