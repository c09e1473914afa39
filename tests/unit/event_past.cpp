#include "app/event_past.hpp"

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "app/event_files.hpp"
#include "app/event_log.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using json = nlohmann::json;

namespace {

constexpr int64_t begin_ms = 1'795'000'000'000;

/// A day's journal in several segments, the closed ones packed: an event a second, each 100th about
/// partition 1.3.
struct recorded_day {
  test::temp_dir held;
  std::string path = held.path();
  int64_t now_ms = begin_ms;

  recorded_day() {
    auto log = *event_log::open(path, 1 << 20);
    for (int i = 0; i < 2000; ++i) {
      bool ours = i % 100 == 0;
      event e{0,
              {},
              severity::info,
              ours ? "partition_promoted" : "prefetch_ready",
              ours ? "1.3" : "1." + std::to_string(1000 + i),
              "told " + std::to_string(i),
              {{"winner", "n" + std::to_string(i / 100)}, {"filler", std::string(200, 'x')}}};
      log.add(e, unix_ms{now_ms += 1000});
    }
    BOOST_REQUIRE(event_files::closed(path).size() >= 2u);
    BOOST_REQUIRE(event_files::pack_closed(path).has_value());
  }
  result<std::string> explain(const std::string& time) const {
    auto asked = event_past::parse_question({"partition", "1.3", "--at", time}, now_ms);
    if (!asked) return tl::unexpected<error>(asked.error());
    return event_past::explain_at(path, *asked, {}, now_ms);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(the_decision_is_found_in_whatever_segment_it_is, recorded_day) {
  for (int i : {0, 7, 12, 19}) {
    auto told = explain(std::to_string(begin_ms + 1000 * (100 * i + 50)));
    BOOST_REQUIRE_MESSAGE(told.has_value(), (told ? "" : to_string(told.error())));
    auto document = json::parse(*told);
    BOOST_TEST(document["decision"]["text"] == "told " + std::to_string(100 * i));
    BOOST_TEST(document["journal_begins"] == begin_ms + 1000);
  }
}

BOOST_FIXTURE_TEST_CASE(events_between_two_times_come_from_all_files, recorded_day) {
  auto listed = [&](uint64_t since, size_t limit, int64_t from_s, int64_t to_s) {
    auto rows = json::parse(event_past::list_between(path, since, limit, begin_ms + 1000 * from_s,
                                                     begin_ms + 1000 * to_s))["rows"];
    return rows.empty() ? std::string("none")
                        : rows.front()[0].dump() + ".." + rows.back()[0].dump();
  };
  BOOST_TEST(listed(0, 1000, 100, 110) == "100..110");
  BOOST_TEST(listed(0, 5, 100, 110) == "100..104");
  BOOST_TEST(listed(105, 1000, 100, 110) == "106..110", "the next page");
  BOOST_TEST(listed(0, 1000, 1995, 9999) == "1995..2000");
  BOOST_TEST(listed(0, 1000, 110, 100) == "none");
}

BOOST_FIXTURE_TEST_CASE(a_line_cut_by_a_crash_or_read_twice_changes_no_answer, recorded_day) {
  auto time = std::to_string(now_ms);
  auto before = *explain(time);
  auto closed = event_files::closed(path).back();
  std::ofstream(event_files::current_file(path), std::ios::app)
      << event_files::read_closed(path, closed).value().substr(0, 5000)
      << "\n{\"id\":2001,\"kind\":\"node_dead";
  BOOST_TEST(*explain(time) == before);
}

BOOST_AUTO_TEST_CASE(questions_without_sense_get_the_usage) {
  auto refused = [](const std::vector<std::string>& words) {
    auto asked = event_past::parse_question(words, begin_ms);
    return asked ? "taken" : to_string(asked.error());
  };
  BOOST_TEST(refused({"zone", "3", "--at", "10", "m", "ago"}) == "taken");
  BOOST_TEST(refused({"zone", "three", "--at", "now"}).find("is no topic; usage: explain")
             != std::string::npos);
  BOOST_TEST(refused({"partition", "13", "--at", "now"}).starts_with("invalid_argument"));
  BOOST_TEST(refused({"rack", "r1", "--at", "now"}).starts_with("invalid_argument"));
  BOOST_TEST(refused({"node", "n1", "now", "--at"}).starts_with("invalid_argument: usage"));
  BOOST_TEST(refused({}).starts_with("invalid_argument: usage"));
  BOOST_TEST(refused({"node", "n1", "--at", "tomorrow"}).find("'tomorrow' is no time")
             != std::string::npos);
}
