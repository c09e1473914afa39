#include "app/event_log.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "app/event_files.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

event sample(size_t bytes = 0) {
  return {0,
          {},
          severity::alert,
          "node_dead",
          "n3",
          "n3 is dead \xff" + std::string(bytes, 'x'),
          {{"why", "silence"}}};
}

struct directory {
  test::temp_dir held;
  std::string path = held.path();
  event_log log = *event_log::open(path, limit);

  static constexpr uint64_t limit = 1 << 20;

  void add(int events, size_t bytes = 0) {
    for (int i = 0; i < events; ++i) log.add(sample(bytes), unix_ms{++time_ms});
  }
  void reopen() { log = *event_log::open(path, limit); }
  uint64_t bytes() const {
    uint64_t sum = fs::file_size(event_files::current_file(path));
    for (const auto& file : event_files::closed(path)) sum += file.bytes;
    return sum;
  }
  std::vector<uint64_t> ids_read(int64_t from_ms = 0) const {
    std::vector<uint64_t> ids;
    event_files::each_line(path, from_ms, [&](std::string_view line) {
      if (auto e = event_files::parse_line(line)) ids.push_back(e->id);
      return true;
    });
    return ids;
  }
  int64_t time_ms = 1000;
};

bool grows_by_one(const std::vector<uint64_t>& ids) {
  for (size_t i = 1; i < ids.size(); ++i)
    if (ids[i] != ids[i - 1] + 1) return false;
  return !ids.empty();
}

} // namespace

BOOST_FIXTURE_TEST_CASE(ids_grow_over_restarts_and_those_of_cut_lines_are_not_given_again,
                        directory) {
  add(3);
  auto file = event_files::current_file(path);
  fs::resize_file(file, fs::file_size(file) - 5);
  reopen();
  BOOST_TEST(log.unreadable() == 1u);
  BOOST_TEST(log.add(sample(), unix_ms{9}).stored.id == 4u);
  reopen();
  BOOST_TEST(log.kept().size() == 3u);
  BOOST_TEST(log.kept().back().fields.at("why") == "silence");
  auto listed = nlohmann::json::parse(log.list(1, 1));
  BOOST_TEST(listed["rows"].size() == 1u);
  BOOST_TEST(listed["rows"][0][0] == 2);
  BOOST_TEST(nlohmann::json::parse(log.list(0, 1))["rows"][0][0] == 4, "without an id: the newest");
}

BOOST_FIXTURE_TEST_CASE(files_keep_their_limit_and_the_oldest_go_first, directory) {
  add(100, 50'000); // 5 MB of text where 1 MiB is allowed
  BOOST_TEST(bytes() <= limit + 60'000u);
  auto ids = ids_read();
  BOOST_TEST(grows_by_one(ids));
  BOOST_TEST(ids.back() == 100u);
  BOOST_TEST(ids.front() > 1u);
  reopen();
  BOOST_TEST(log.add(sample(), unix_ms{1}).stored.id == 101u);
}

BOOST_FIXTURE_TEST_CASE(packed_segments_take_little_room_and_are_read_in_order, directory) {
  add(80, 9'000);
  auto before = bytes();
  BOOST_REQUIRE(event_files::pack_closed(path).has_value());
  auto files = event_files::closed(path);
  BOOST_REQUIRE(files.size() >= 2u);
  BOOST_TEST(std::all_of(files.begin(), files.end(), [](const auto& f) { return f.packed; }));
  BOOST_TEST(bytes() < before / 2);
  BOOST_TEST(ids_read().size() == 80u);
  BOOST_TEST(grows_by_one(ids_read()));
  reopen();
  BOOST_TEST(log.kept().size() == 80u, "memory is filled from packed segments, too");
  add(1);
  BOOST_TEST(log.kept().back().id == 81u);
}

BOOST_FIXTURE_TEST_CASE(segments_that_end_before_the_asked_time_are_not_read, directory) {
  add(80, 9'000);
  auto all = ids_read(), late = ids_read(time_ms);
  BOOST_TEST(late.size() < all.size());
  BOOST_TEST(late.back() == 80u);
}

BOOST_FIXTURE_TEST_CASE(what_a_crash_leaves_of_packing_is_tidied_and_nothing_comes_twice,
                        directory) {
  add(80, 9'000);
  auto first = event_files::closed(path).front();
  auto in = event_files::closed_directory(path) + '/';
  fs::copy_file(in + first.name(), in + "kept");
  BOOST_REQUIRE(event_files::pack_closed(path).has_value());
  fs::rename(in + "kept", in + first.name()); // both forms: it died before it removed the text
  std::ofstream(in + "0000009999-5.jsonl.zst.part") << "half";
  reopen();
  BOOST_TEST(grows_by_one(ids_read()));
  BOOST_TEST(!fs::exists(in + "0000009999-5.jsonl.zst.part"));
}

BOOST_FIXTURE_TEST_CASE(the_file_of_older_versions_is_taken_over, directory) {
  add(3);
  fs::rename(event_files::current_file(path), path + "/events.1.jsonl");
  std::ofstream(event_files::current_file(path), std::ios::binary);
  reopen();
  BOOST_TEST(log.kept().size() == 3u);
  add(1);
  BOOST_TEST(ids_read().size() == 4u);
  BOOST_TEST(grows_by_one(ids_read()));
}

BOOST_FIXTURE_TEST_CASE(a_damaged_segment_costs_that_segment_only, directory) {
  add(80, 9'000);
  BOOST_REQUIRE(event_files::pack_closed(path).has_value());
  auto damaged = event_files::closed(path).front();
  auto file = event_files::closed_directory(path) + '/' + damaged.name();
  fs::resize_file(file, damaged.bytes / 2);
  std::vector<uint64_t> ids;
  auto lost = event_files::each_line(path, 0, [&](std::string_view line) {
    ids.push_back(event_files::parse_line(line)->id);
    return true;
  });
  BOOST_TEST(lost == 1u);
  BOOST_TEST(grows_by_one(ids));
  BOOST_TEST(ids.back() == 80u);
}

BOOST_FIXTURE_TEST_CASE(without_room_to_close_a_segment_nothing_is_lost, directory) {
  add(1);
  fs::remove_all(event_files::closed_directory(path));
  std::ofstream(event_files::closed_directory(path)) << "a file where a directory should be";
  add(60, 9'000); // more than a segment, less than the limit
  BOOST_TEST(ids_read().size() == 61u);
}
