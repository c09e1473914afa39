/// The schemas of config/histories against the public data sets, where they are at hand: in
/// $HARBINGER_SHARED_DATA, or in ../shared/data beside the source.

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "history/history_file.hpp"
#include "history/import.hpp"
#include "history/summary.hpp"
#include "history/time_text.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;

namespace {
constexpr int64_t minute = 60'000, hour = 3'600'000;

/// Nothing, and a line that says so, where the data is missing.
std::optional<imported> import_set(const std::string& schema, const std::string& folder) {
  auto* given = std::getenv("HARBINGER_SHARED_DATA");
  auto from = (given ? std::string(given) : std::string(HARBINGER_SOURCE_DIR "/../shared/data"))
              + '/' + folder;
  if (!std::filesystem::is_directory(from)) {
    BOOST_TEST_MESSAGE("skipped: no " << from);
    std::printf("skipped: no %s\n", from.c_str());
    return std::nullopt;
  }
  auto got = import_csv(HARBINGER_SOURCE_DIR "/config/histories/" + schema + ".toml", from);
  BOOST_REQUIRE_MESSAGE(got.has_value(), (got ? "" : to_string(got.error())));
  return std::move(*got);
}

std::map<happening, size_t> counts(const history& h) {
  std::map<happening, size_t> out;
  for (const auto& e : h.events) ++out[e.what];
  return out;
}
} // namespace

BOOST_AUTO_TEST_CASE(pdm_fails_and_works_on_at_once) {
  auto in = import_set("pdm", "pdm");
  if (!in) return;
  auto& h = in->data;
  BOOST_TEST(h.nodes.size() == 80u);
  BOOST_TEST(h.samples.size() == 21'840u);
  BOOST_TEST(counts(h)[happening::event] == 2'321u);
  BOOST_TEST(counts(h)[happening::maintenance] == 2'053u);
  BOOST_TEST(counts(h)[happening::failure] == 448u);
  BOOST_TEST(in->tables[1].duplicates == 0u);
  for (const auto& e : h.events)
    if (e.what == happening::failure) BOOST_REQUIRE(e.back_ms == e.time_ms);
  for (const auto& n : h.nodes) BOOST_REQUIRE(time_text(n.last_ms) == "2015-10-01T06:00:00Z");
}

BOOST_AUTO_TEST_CASE(backblaze_knows_a_value_from_the_start_of_its_interval) {
  auto in = import_set("backblaze", "backblaze_hds");
  if (!in) return;
  auto& h = in->data;
  BOOST_TEST(h.nodes.size() == 55'713u);
  BOOST_TEST(h.samples.size() == 414'955u);
  BOOST_TEST(h.events.size() == 3'455u);
  std::vector<int64_t> newest(h.nodes.size(), INT64_MIN);
  for (const auto& s : h.samples) newest[s.node] = s.time_ms;
  for (size_t i = 0; i < h.nodes.size(); ++i) BOOST_REQUIRE(newest[i] < h.nodes[i].last_ms);
  for (const auto& e : h.events) // fails at its last hour; never comes back
    BOOST_REQUIRE((e.time_ms == h.nodes[e.node].last_ms && e.back_ms == 0));
  BOOST_TEST(in->widened == 0u);
  BOOST_TEST(h.on_change);
}

BOOST_AUTO_TEST_CASE(lanl_has_the_nodes_that_never_failed_and_they_look_like_the_others) {
  auto in = import_set("lanl", "lanl");
  if (!in) return;
  auto& h = in->data;
  BOOST_TEST(h.events.size() == 18'109u);
  BOOST_TEST(h.nodes.size() - in->from_roster == 2'515u);
  std::map<std::string, size_t> systems;
  for (const auto& n : h.nodes) {
    ++systems[n.fleet];
    BOOST_REQUIRE(n.attributes.size() == 8u);
  }
  BOOST_TEST(systems["18"] == 1024u);
  BOOST_TEST(systems["2"] == 49u);
  BOOST_TEST(in->widened == 0u);
  for (const auto& n : h.nodes) {
    if (n.fleet == "21") BOOST_REQUIRE(time_text(n.last_ms) == "2001-12-29T05:15:00Z");
    if (n.fleet == "5") BOOST_REQUIRE(time_text(n.last_ms) == "2004-06-30T23:26:00Z");
    if (n.id == node_id{"8/120"}) BOOST_TEST(time_text(n.first_ms) == "2002-12-01T00:00:00Z");
    if (n.id == node_id{"8/20"}) BOOST_TEST(time_text(n.first_ms) == "2001-04-01T00:00:00Z");
  }
}

BOOST_AUTO_TEST_CASE(prevent_fails_on_its_faulty_nodes_only_and_is_known_past_the_crash) {
  auto in = import_set("prevent", "prevent_redis");
  if (!in) return;
  auto& h = in->data;
  BOOST_TEST(in->tables[1].rows == 17'400u);
  BOOST_TEST(h.nodes.size() == 120u);
  BOOST_TEST(h.metrics.size() == 32u);
  BOOST_TEST(counts(h)[happening::failure] == 12u);
  BOOST_TEST(counts(h)[happening::note] == 120u);
  std::map<std::string, std::set<int64_t>> ends;
  for (const auto& n : h.nodes) {
    ends[n.fleet].insert(n.last_ms);
    BOOST_REQUIRE(n.known_ms == n.last_ms + hour);
  }
  for (const auto& e : h.events) {
    if (e.what != happening::failure) continue;
    BOOST_TEST(h.nodes[e.node].attributes.at("faulty") == "1");
    BOOST_TEST(e.time_ms == h.nodes[e.node].last_ms); // the crash is the end of its run
  }
  for (const auto& [run, times] : ends) BOOST_TEST(times.size() == 1u, run);
  int64_t half_hour = 30 * minute;
  auto rate = summarize(h, {&half_hour, 1}).rates[0];
  BOOST_TEST(rate.rate == 12 * 30.0 / 15'600, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(rate.censored_share == 0);
}

BOOST_AUTO_TEST_CASE(a_real_set_comes_back_as_it_was_written) {
  auto in = import_set("prevent", "prevent_redis");
  if (!in) return;
  test::temp_dir dir;
  BOOST_REQUIRE(write_history(dir / "a", in->data).has_value());
  auto back = read_history(dir / "a");
  BOOST_REQUIRE(back.has_value());
  BOOST_REQUIRE(write_history(dir / "b", *back).has_value());
  for (auto part : {"/history.json", "/nodes.csv.zst", "/samples.csv.zst", "/events.csv.zst"})
    BOOST_TEST((dir.get(std::string("a") + part) == dir.get(std::string("b") + part)), part);
}
