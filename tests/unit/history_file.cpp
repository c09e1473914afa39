#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include <nlohmann/json.hpp>

#include "core/digest.hpp"
#include "history/check.hpp"
#include "history/history_file.hpp"
#include "history/packed.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using harbinger::test::temp_dir;

namespace {
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
const char* const parts[] = {"nodes.csv.zst", "samples.csv.zst", "events.csv.zst"};

history example() {
  history h;
  h.name = "ex\"ample";
  h.source = "a test";
  h.on_change = true;
  h.metrics = {{"load", "1", history_reading::gauge, true, 0.25},
               {"used, of all", "", history_reading::share, false, 0},
               {"bytes", "bytes", history_reading::counter, false, 0}};
  h.numbers = {"age"};
  h.categories = {"model"};
  h.nodes = {{node_id{"e1/n0"}, "e1", {{"age", "3"}, {"model", "a,\"b\""}}, 0, 1000, 5000},
             {node_id{"e1/n1"}, "", {{"model", "ü"}}, -50, 900, 0}};
  h.samples = {{1, -50, {0.1, nan, 1e15}}, {0, 0, {nan, nan, nan}}, {1, 0, {1.0 / 3, 0, 7}}};
  h.events = {{0, 5, happening::event, "E,1", 2.5, 0},
              {1, 5, happening::note, "", 1, 0},
              {1, 6, happening::failure, "disk", 1, 6},
              {0, 7, happening::maintenance, "x", 1, 0},
              {0, 1000, happening::shutdown, "", 1, 0}};
  return h;
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

std::string trouble(const std::string& directory) {
  auto got = read_history(directory);
  return got ? "none" : to_string(got.error());
}
std::string without(std::string text, const std::string& part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
  return text;
}

/// Puts another text into a part, with a header that fits, as another program might write it.
void rewrite(const temp_dir& dir, const std::string& part, const std::string& text) {
  packer out;
  out.add(text);
  auto bytes = out.finish();
  dir.put("h/" + part, bytes);
  auto header = nlohmann::json::parse(dir.get("h/history.json"));
  for (auto& f : header["files"])
    if (f["name"] == part) {
      f["bytes"] = bytes.size();
      f["xxh3"] = hex64(checksum64(bytes));
    }
  dir.put("h/history.json", header.dump());
}
} // namespace

BOOST_AUTO_TEST_CASE(what_is_written_is_read_to_the_bit) {
  temp_dir dir;
  auto h = example();
  BOOST_REQUIRE(write_history(dir / "deep/er/h/", h).has_value());
  auto got = read_history(dir / "deep/er/h");
  BOOST_REQUIRE_MESSAGE(got.has_value(), trouble(dir / "deep/er/h"));
  BOOST_TEST(got->name == h.name);
  BOOST_TEST(got->source == h.source);
  BOOST_TEST(got->on_change);
  BOOST_TEST((got->numbers == h.numbers && got->categories == h.categories));
  BOOST_REQUIRE(got->metrics.size() == 3u);
  for (size_t i = 0; i < 3; ++i) {
    BOOST_TEST(got->metrics[i].name == h.metrics[i].name);
    BOOST_TEST(got->metrics[i].unit == h.metrics[i].unit);
    BOOST_TEST((got->metrics[i].reading == h.metrics[i].reading));
    BOOST_TEST(got->metrics[i].comparable == h.metrics[i].comparable);
    BOOST_TEST(got->metrics[i].floor == h.metrics[i].floor);
  }
  BOOST_REQUIRE(got->nodes.size() == 2u);
  for (size_t i = 0; i < 2; ++i) {
    const auto &a = got->nodes[i], &b = h.nodes[i];
    BOOST_TEST((a.id == b.id && a.fleet == b.fleet && a.attributes == b.attributes));
    BOOST_TEST((a.first_ms == b.first_ms && a.last_ms == b.last_ms && a.known_ms == b.known_ms));
  }
  BOOST_REQUIRE(got->samples.size() == h.samples.size());
  for (size_t i = 0; i < h.samples.size(); ++i) {
    const auto &a = got->samples[i], &b = h.samples[i];
    BOOST_TEST((a.node == b.node && a.time_ms == b.time_ms && same(a.values, b.values)));
  }
  BOOST_REQUIRE(got->events.size() == h.events.size());
  for (size_t i = 0; i < h.events.size(); ++i) {
    const auto &a = got->events[i], &b = h.events[i];
    BOOST_TEST((a.node == b.node && a.time_ms == b.time_ms && a.what == b.what && a.code == b.code
                && a.count == b.count && a.back_ms == b.back_ms));
  }
}

BOOST_AUTO_TEST_CASE(arrivals_are_kept_where_there_are_any) {
  temp_dir dir;
  BOOST_REQUIRE(write_history(dir / "none", example()).has_value());
  auto h = example();
  h.samples = {{0, 7, {1, 2, 3}, 0},     // at 7
               {0, 8, {1, 2, 3}, 20},    // two that came together
               {0, 9, {1, 2, 3}, 20},    //
               {1, -40, {1, 2, 3}, 20},  // a clock that is behind
               {1, 500, {1, 2, 3}, 21}}; // one that is ahead
  BOOST_REQUIRE(write_history(dir / "some", h).has_value());
  auto got = read_history(dir / "some");
  BOOST_REQUIRE_MESSAGE(got.has_value(), trouble(dir / "some"));
  BOOST_REQUIRE(got->samples.size() == 5u);
  for (size_t i = 0; i < 5; ++i) {
    const auto &a = got->samples[i], &b = h.samples[i];
    BOOST_TEST((a.node == b.node && a.time_ms == b.time_ms && a.arrived_ms == b.arrived_ms));
    BOOST_TEST(same(a.values, b.values));
  }
  auto none = read_history(dir / "none");
  BOOST_REQUIRE(none.has_value());
  for (const auto& s : none->samples) BOOST_TEST(s.arrived_ms == 0);
  std::shuffle(h.samples.begin(), h.samples.end(), std::mt19937(1));
  BOOST_TEST(!check_history(h).has_value());
  sort_history(h);
  BOOST_TEST(check_history(h).has_value());
  BOOST_TEST(h.samples[2].time_ms == 9);
}

BOOST_AUTO_TEST_CASE(equal_histories_give_equal_bytes) {
  temp_dir dir;
  BOOST_REQUIRE(write_history(dir / "a", example()).has_value());
  BOOST_REQUIRE(write_history(dir / "b", *read_history(dir / "a")).has_value());
  BOOST_TEST(dir.get("a/history.json") == dir.get("b/history.json"));
  for (auto* part : parts)
    BOOST_TEST((dir.get(std::string("a/") + part) == dir.get(std::string("b/") + part)), part);
}

BOOST_AUTO_TEST_CASE(nothing_is_overwritten_unless_it_is_a_history_and_one_says_so) {
  temp_dir dir;
  auto h = example();
  BOOST_REQUIRE(write_history(dir / "h", h).has_value());
  h.name = "other";
  auto refused = write_history(dir / "h", h);
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == errc::conflict));
  BOOST_TEST(read_history(dir / "h")->name == example().name);
  BOOST_TEST(write_history(dir / "h", h, existing::replace).has_value());
  BOOST_TEST(read_history(dir / "h")->name == "other");

  std::filesystem::create_directory(dir / "mine");
  dir.put("mine/letter", "dear");
  BOOST_TEST((write_history(dir / "mine", h, existing::replace).error().code == errc::conflict));
  BOOST_TEST(dir.get("mine/letter") == "dear");
  dir.put("file", "x");
  BOOST_TEST((write_history(dir / "file", h, existing::replace).error().code == errc::conflict));
  size_t left = 0; // nothing half written stays
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) left += entry.exists();
  BOOST_TEST(left == 3u);
}

BOOST_AUTO_TEST_CASE(every_damaged_byte_and_every_cut_is_seen) {
  temp_dir dir;
  BOOST_REQUIRE(write_history(dir / "h", example()).has_value());
  for (auto* name : parts) {
    auto part = std::string("h/") + name;
    auto whole = dir.get(part);
    for (size_t i = 0; i < whole.size(); i += 7) {
      auto hurt = whole;
      hurt[i] = static_cast<char>(hurt[i] ^ 0x10);
      dir.put(part, hurt);
      BOOST_TEST(without(trouble(dir / "h"), dir.path()) == "checksum: /" + part + ": damaged");
      dir.put(part, whole.substr(0, i));
      BOOST_TEST((read_history(dir / "h").error().code == errc::checksum));
    }
    std::filesystem::remove(dir / part);
    BOOST_TEST(without(trouble(dir / "h"), dir.path()) == "not_found: /" + part);
    dir.put(part, whole);
  }
  BOOST_TEST(trouble(dir / "h") == "none");
}

BOOST_AUTO_TEST_CASE(headers_that_are_foreign_newer_or_broken_are_refused) {
  temp_dir dir;
  BOOST_TEST((read_history(dir / "nowhere").error().code == errc::not_found));
  BOOST_REQUIRE(write_history(dir / "h", example()).has_value());
  auto text = dir.get("h/history.json");
  auto with = [&](const std::function<void(nlohmann::json&)>& change) {
    auto header = nlohmann::json::parse(text);
    change(header);
    dir.put("h/history.json", header.dump());
    auto got = read_history(dir / "h");
    return got ? std::string("none") : std::string(to_string(got.error().code));
  };
  BOOST_TEST(with([](auto& j) { j["version"] = 2; }) == "unsupported");
  BOOST_TEST(with([](auto& j) { j["format"] = "else"; }) == "unsupported");
  BOOST_TEST(with([](auto& j) { j = nlohmann::json::array(); }) == "unsupported");
  BOOST_TEST(with([](auto& j) { j.erase("metrics"); }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["files"] = 3; }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["files"].erase(1); }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["nodes"] = "two"; }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["metrics"][0]["reading"] = "thermometer"; }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["samples"] = 1ULL << 60; }) == "oversize");
  BOOST_TEST(with([](auto& j) { j["samples"] = 2; }) == "malformed");
  BOOST_TEST(with([](auto& j) { j["samples"] = 4; }) == "malformed");
  BOOST_TEST(with([](auto&) {}) == "none");
  for (size_t i = 0; i + 1 < text.size(); i += 5) { // a header that was cut
    dir.put("h/history.json", text.substr(0, i));
    BOOST_TEST(!read_history(dir / "h").has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_record_is_named_by_file_and_line) {
  temp_dir dir;
  BOOST_REQUIRE(write_history(dir / "h", example()).has_value());
  std::string head = "node,time_ms,load,\"used, of all\",bytes\n";
  auto sample_trouble = [&](const std::string& rows) {
    rewrite(dir, "samples.csv.zst", head + rows);
    return without(trouble(dir / "h"), dir.path());
  };
  std::string where = "malformed: /h/samples.csv.zst:";
  BOOST_TEST(sample_trouble("e1/n1,0,1,2,3\ne1/n1,1,1,2,3\ne1/n1,2,,,\n") == "none");
  BOOST_TEST(sample_trouble("e1/n1,0,1,2,3\ne1/n1,1,1")
             == where + "3: 3 fields, where the header has 5");
  BOOST_TEST(sample_trouble("e1/n1,0,1,x,3\n") == where + "2: a value that is no number");
  BOOST_TEST(sample_trouble("e1/n1,0.5,1,2,3\n") == where + "2: a time that is no whole number");
  BOOST_TEST(sample_trouble("e9,0,1,2,3\n") == where + "2: a node that nodes.csv does not have");
  BOOST_TEST(sample_trouble("e1/n1,0,1,2,3\n")
             == where + "3: ends before the 3 rows that the header says");
  BOOST_TEST(sample_trouble("e1/n1,1,1,2,3\ne1/n1,0,1,2,3\ne1/n1,2,,,\n")
             == "malformed: /h: sample 1 is out of order, or the second of its node and time");
  BOOST_TEST(sample_trouble("e1/n1,0,1,2,3\ne1/n1,1,inf,2,3\ne1/n1,2,,,\n")
             == "malformed: /h: sample 1 has an infinite value");
  head = "node,time_ms,load,bytes,\"used, of all\"\n";
  BOOST_TEST(sample_trouble("") == where + "1: not the columns that the format demands");
}

BOOST_AUTO_TEST_CASE(what_breaks_a_promise_is_not_written) {
  temp_dir dir;
  auto refused = [&](const std::function<void(history&)>& change) {
    auto h = example();
    change(h);
    auto done = write_history(dir / "h", h);
    return !done && !std::filesystem::exists(dir / "h");
  };
  BOOST_TEST(refused([](auto& h) { h.nodes[1].id = h.nodes[0].id; }));
  BOOST_TEST(refused([](auto& h) { h.nodes[0].id = node_id{"a\nb"}; }));
  BOOST_TEST(refused([](auto& h) { h.nodes[0].id = node_id{std::string(300, 'a')}; }));
  BOOST_TEST(refused([](auto& h) { h.nodes[0].last_ms = -1; }));
  BOOST_TEST(refused([](auto& h) { h.nodes[0].known_ms = 999; }));
  BOOST_TEST(refused([](auto& h) { h.samples[0].values.pop_back(); }));
  BOOST_TEST(refused([](auto& h) { h.samples[0].node = 2; }));
  BOOST_TEST(refused([](auto& h) { std::swap(h.samples[0], h.samples[1]); }));
  BOOST_TEST(refused([](auto& h) { h.samples[0].values[0] = INFINITY; }));
  BOOST_TEST(refused([](auto& h) { h.samples[0].arrived_ms = 1; })); // after the others
  BOOST_TEST(refused([](auto& h) { h.samples[2].time_ms = -51, h.samples[2].arrived_ms = 9; }));
  BOOST_TEST(refused([](auto& h) { h.samples[2].arrived_ms = INT64_MAX; }));
  BOOST_TEST(refused([](auto& h) { h.metrics[1].name = "arrived_ms"; }));
  BOOST_TEST(refused([](auto& h) { std::swap(h.events[0], h.events[2]); }));
  BOOST_TEST(refused([](auto& h) { h.events[0].back_ms = 9; }));
  BOOST_TEST(refused([](auto& h) { h.events[2].back_ms = 5; }));
  BOOST_TEST(refused([](auto& h) { h.events[0].count = 0; }));
  BOOST_TEST(refused([](auto& h) { h.metrics[1].name = "load"; }));
  BOOST_TEST(refused([](auto& h) { h.nodes[0].first_ms = INT64_MIN; }));
  BOOST_TEST(refused([](auto& h) { h.name = "\xFF\xFF"; }));
  BOOST_TEST(!refused([](auto&) {}));
}

BOOST_AUTO_TEST_CASE(packing_does_not_depend_on_the_pieces) {
  std::string text;
  for (int64_t i = 0; i < 400'000; ++i) text += std::to_string(i * 7919 % 10'007) + ',';
  packer whole, pieces;
  whole.add(text);
  for (size_t i = 0; i < text.size(); i += 1237) pieces.add(std::string_view(text).substr(i, 1237));
  auto bytes = whole.finish();
  BOOST_TEST((bytes == pieces.finish()));
  auto source = unpack(bytes, "x");
  std::string back, piece(10'000, '\0');
  for (;;) {
    auto n = source(piece.data(), piece.size());
    BOOST_REQUIRE(n.has_value());
    if (*n == 0) break;
    back.append(piece, 0, *n);
  }
  BOOST_TEST((back == text));
}
