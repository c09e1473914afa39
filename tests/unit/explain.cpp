#include "explain/sentences.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "explain/when.hpp"

using namespace harbinger;
using namespace harbinger::explain;

namespace {

using fields = std::map<std::string, std::string>;

constexpr int64_t noon = 1'795'867'200'000; // 2026-11-28T12:00:00Z

/// What was told, and what is asked of it.
struct journal {
  std::vector<event> told;
  known_bounds bounds;

  journal() {
    bounds.now_ms = noon;
    bounds.events_since_ms = noon - 3'600'000;
    bounds.events_whole = true;
    bounds.catalog_since_ms = bounds.events_since_ms;
    bounds.catalog_whole = true;
    say(-3'600, "centre_started", "central", "the centre begins term 7", {{"term", "7"}});
  }
  /// `at_s`: seconds relative to noon.
  void say(int64_t at_s, std::string kind, std::string subject, std::string text,
           fields more = {}) {
    event e{told.size() + 1, unix_ms{noon + 1000 * at_s}, severity::info,
            std::move(kind), std::move(subject),          std::move(text),
            std::move(more)};
    told.push_back(std::move(e));
  }
  void zone(int64_t at_s, const std::string& kind, const std::string& id,
            const std::string& members, const std::string& exposed = "") {
    say(at_s, kind, "zone " + id, kind + " " + id,
        {{"zone", id},
         {"domain", "rack=r1"},
         {"members", members},
         {"exposed", exposed},
         {"probability", "0.83"},
         {"joint_probability", "0.2"},
         {"reasons", "memory rises"}});
  }
  void row(int64_t at_s, const std::string& primary, const std::string& sync_set,
           const std::string& why, const std::string& copies = "") {
    say(at_s, "catalog_change", "1.3", why,
        {{"revision", "9"},
         {"epoch", "4"},
         {"primary", primary},
         {"sync_set", sync_set},
         {"copies", copies}});
  }
  picture at(topic about, int64_t at_s) const {
    picture p({std::move(about), noon + 1000 * at_s});
    for (const auto& e : told) p.take(e);
    return p;
  }
  std::string words(topic about, int64_t at_s) const {
    auto said = in_words(at(std::move(about), at_s), bounds);
    if (!said) return harbinger::to_string(said.error());
    std::string all;
    for (const auto& line : said->lines) all += line + '\n';
    return all;
  }
};

const topic partition = make_partition_id(1, 3), n1 = node_id{"n1"}, zone_4 = zone_id{4};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// n1 and n2 hold 1.3; n1's rack becomes zone 4, a copy goes to n3, n1 dies, n2 takes over.
struct night : journal {
  night() {
    row(-3000, "n1", "n1 n2", "new partition");
    say(-3000, "node_joined", "n1", "n1 joined", {{"incarnation", "5"}});
    zone(-600, "zone_formed", "4", "n1 n5", "n6");
    say(-590, "prefetch_started", "1.3", "copying 1.3 from n2 to n3",
        {{"source", "n2"},
         {"target", "n3"},
         {"copy", "17"},
         {"bytes", "1048576"},
         {"purpose", "prefetch"},
         {"method", "pull"},
         {"reason", "n1 is in zone 4"},
         {"rejected", "n5: in zone 4; n6: exposed by zone 4"},
         {"partition", "1.3"}});
    row(-590, "n1", "n1 n2", "a copy to n3", "n3(copying)");
    say(-500, "prefetch_ready", "1.3", "1.3 is ready on n3",
        {{"target", "n3"}, {"source", "n2"}, {"copy", "17"}});
    row(-500, "n1", "n1 n2", "the copy is ready", "n3");
    say(-300, "node_dead", "n1", "n1 is dead: silent", {{"incarnation", "5"}});
    row(-299, "n2", "n2", "n1 is dead; n2 has the highest version, 4:17", "n3");
    say(-299, "partition_promoted", "1.3", "n2 is primary of partition 1.3 in epoch 4",
        {{"winner", "n2"}, {"cause", "n1 is dead"}, {"epoch", "4"}, {"n1", "did not answer"}});
    row(-290, "n2", "n2 n3", "n3 caught up");
    zone(-100, "zone_dissolved", "4", "n1 n5");
  }
};

} // namespace

// --- times ---

BOOST_AUTO_TEST_CASE(times_are_taken_as_people_say_them) {
  auto is = [](const char* text, int64_t ms) {
    auto parsed = parse_when(text, noon);
    std::string why = parsed ? "" : parsed.error().detail;
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), text << ": " << why);
    BOOST_TEST(*parsed == ms, text);
  };
  is("2026-11-28T03:04:05Z", noon - 32'155'000);
  is("2026-11-28T03:04:05+01:00", noon - 32'155'000 - 3'600'000);
  is("2026-11-28 11:00", noon - 3'600'000);
  is("03:04:05", noon - 32'155'000);
  is("13:00", noon - 82'800'000); // yesterday: it has not been one o'clock today
  is("12:00", noon);
  is("now", noon);
  is("-10m", noon - 600'000);
  is("10m ago", noon - 600'000);
  is("10 min ago", noon - 600'000);
  is("2h ago", noon - 7'200'000);
  is("500ms ago", noon - 500);
  is("1795867100", noon - 100'000);
  is("1795867100000", noon - 100'000);
}

BOOST_AUTO_TEST_CASE(what_is_no_time_or_in_the_future_is_refused_by_name) {
  for (const char* bad : {"", "soon", "25:00", "12:60", "2026-02-30", "-", "-10", "10m", "ago",
                          "-1e99d", "nan", "12:00:00:00", "99999999999999999999"}) {
    auto parsed = parse_when(bad, noon);
    BOOST_TEST(!parsed.has_value(), bad);
    if (!parsed) BOOST_TEST(has(parsed.error().detail, "'" + std::string(bad) + "'"));
  }
  BOOST_TEST(has(parse_when("2026-11-28T12:00:01Z", noon).error().detail, "is in the future"));
  BOOST_TEST(!parse_when(std::string(100'000, '1'), noon).has_value());
}

// --- partitions ---

BOOST_FIXTURE_TEST_CASE(a_partition_is_told_as_it_was_and_not_as_it_is, night) {
  auto before = words(partition, -400), after = words(partition, -200);
  BOOST_TEST(has(before, "Primary n1 in epoch 4; sync set: n1 n2; copies: n3."), before);
  BOOST_TEST(has(after, "Primary n2 in epoch 4; sync set: n2 n3; copies: none."), after);
  BOOST_TEST(has(after, "n3 caught up"), after);
}

BOOST_FIXTURE_TEST_CASE(the_last_decision_comes_with_rule_inputs_result_and_what_was_rejected,
                        night) {
  auto text = words(partition, -550);
  BOOST_TEST(has(text, "prefetch_started: copying 1.3 from n2 to n3"), text);
  BOOST_TEST(has(text, "rule: method pull; purpose prefetch; reason n1 is in zone 4"), text);
  BOOST_TEST(has(text, "inputs: bytes 1048576; source n2"), text);
  BOOST_TEST(has(text, "result: copy 17; target n3"), text);
  BOOST_TEST(has(text, "rejected: n5: in zone 4; n6: exposed by zone 4"), text);
  auto later = words(partition, -200);
  BOOST_TEST(has(later, "partition_promoted: n2 is primary"), later);
  BOOST_TEST(has(later, "inputs: n1 did not answer"), later);
}

BOOST_FIXTURE_TEST_CASE(zones_are_those_that_stood_then_with_the_partitions_nodes_in_them, night) {
  auto text = words(partition, -550);
  BOOST_TEST(has(text, "zone 4 (rack=r1) stood since 2026-11-28T11:50:00Z (50 s before)"), text);
  BOOST_TEST(has(text, "nodes in it: n1 (its primary)"), text);
  BOOST_TEST(has(words(partition, -50), "No zone stood then."));
  BOOST_TEST(has(words(partition, -700), "No zone stood then."));
  zone(-90, "zone_formed", "5", "n8");
  BOOST_TEST(has(words(partition, -50), "Other zones that stood and had none of its nodes: 1."));
}

BOOST_FIXTURE_TEST_CASE(copies_are_told_with_their_story, night) {
  BOOST_TEST(has(words(partition, -550), "Copy on n3 from n2: under way, begun"));
  auto text = words(partition, -400);
  BOOST_TEST(has(text, "Copy on n3 from n2: ready"), text);
  BOOST_TEST(has(text, "because n1 is in zone 4"), text);
  auto joined = words(partition, -200);
  BOOST_TEST(has(joined, "Replica on n3 from n2: joined, it is a member of its sync set"), joined);
  say(-40, "prefetch_evicted", "1.3", "the zone is gone", {{"target", "n3"}});
  auto ended = at(partition, -30);
  BOOST_TEST(ended.copies().empty());
  BOOST_TEST(ended.ended_copies().back().ended_text == "the zone is gone");
}

BOOST_FIXTURE_TEST_CASE(a_row_that_never_changed_since_is_the_one_of_now_and_else_not_made_up,
                        journal) {
  bounds.row_now = {{"primary", "n9"}, {"sync_set", "n9"}, {"epoch", "2"}};
  BOOST_TEST(has(words(partition, -10), "Primary n9 in epoch 2"));
  row(-5, "n9", "n9", "late change");
  auto text = words(partition, -10);
  BOOST_TEST(!has(text, "Primary n9"), text);
  BOOST_TEST(has(text, "Not known: primary, sync set and copies"), text);
}

BOOST_FIXTURE_TEST_CASE(changes_that_were_let_go_are_not_taken_for_none, journal) {
  bounds.row_now = {{"primary", "n9"}, {"sync_set", "n9"}, {"epoch", "2"}};
  bounds.catalog_whole = false;
  bounds.catalog_since_ms = noon - 5'000;
  auto text = words(partition, -10);
  BOOST_TEST(has(text, "its journal begins at 2026-11-28T11:59:55Z"), text);
  BOOST_TEST(!has(text, "Primary"), text);
}

BOOST_FIXTURE_TEST_CASE(the_order_of_fields_and_of_the_two_journals_never_changes_the_words,
                        night) {
  auto once = words(partition, -200);
  for (int i = 0; i < 3; ++i) BOOST_TEST(words(partition, -200) == once);
}

// --- nodes ---

BOOST_FIXTURE_TEST_CASE(a_node_is_told_with_its_state_and_its_zones, night) {
  auto text = words(n1, -550);
  BOOST_TEST(has(text, "Events tell that it was up since"), text);
  BOOST_TEST(has(text, "It was a member of a zone: zone 4 (rack=r1) stood"), text);
  BOOST_TEST(has(text, "because memory rises"), text);
  BOOST_TEST(has(words(topic{node_id{"n6"}}, -550), "nothing about node n6"));
  say(-560, "node_joined", "n6", "n6 joined", {{"incarnation", "1"}});
  std::stable_sort(told.begin(), told.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  BOOST_TEST(has(words(topic{node_id{"n6"}}, -550), "It was exposed to a zone: zone 4"));
  auto dead = words(n1, -50);
  BOOST_TEST(has(dead, "Events tell that it was dead since"), dead);
  BOOST_TEST(has(dead, "Before that: zone 4 (rack=r1), formed"), dead);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_restarted_is_not_dead_because_its_old_life_is, journal) {
  say(-100, "node_joined", "n1", "n1 joined", {{"incarnation", "5"}});
  say(-50, "node_joined", "n1", "n1 restarted", {{"incarnation", "6"}});
  say(-50, "node_dead", "n1", "n1 is dead: it has restarted", {{"incarnation", "5"}});
  BOOST_TEST(at(n1, -10).nodes().at(node_id{"n1"}).state == "up");
}

BOOST_FIXTURE_TEST_CASE(a_node_that_the_brake_left_out_is_told_so, journal) {
  say(-100, "node_joined", "n1", "n1 joined", {{"incarnation", "5"}});
  say(-50, "zone_brake", "zones", "more nodes look at risk", {{"left_out", "n1, n7"}});
  BOOST_TEST(has(words(n1, -10), "the brake left it out"));
  say(-5, "zone_brake", "zones", "the brake is off", {});
  BOOST_TEST(!has(words(n1, -1), "the brake left it out"));
}

// --- zones ---

BOOST_FIXTURE_TEST_CASE(a_zone_is_told_with_what_came_of_it, night) {
  auto text = words(zone_4, -450);
  BOOST_TEST(has(text, "Members: n1 n5; exposed: n6."), text);
  BOOST_TEST(has(text, "1 copies begun, of which 1 got ready and 0 failed"), text);
  BOOST_TEST(has(text, "None of its members had died by then."), text);
  auto over = words(zone_4, -50);
  BOOST_TEST(has(over, "It was over: zone 4 (rack=r1)"), over);
  BOOST_TEST(has(over, "Its member n1 died"), over);
}

BOOST_FIXTURE_TEST_CASE(a_zone_that_was_not_there_yet_is_said_to_have_come_later, night) {
  auto text = words(zone_4, -2000);
  BOOST_TEST(has(text, "not_found: zone 4 had not been formed by"), text);
  BOOST_TEST(has(text, "it was formed at 2026-11-28T11:50:00Z"), text);
  BOOST_TEST(!has(words(topic{zone_id{44}}, -50), "it was formed"));
}

BOOST_FIXTURE_TEST_CASE(a_zone_is_told_with_what_left_its_nodes, night) {
  BOOST_TEST(!has(words(zone_4, -450), "emptied")); // and the failover of n1 is not counted
  BOOST_TEST(!has(words(zone_4, -50), "emptied"));
  say(-480, "partition_promoted", "1.4", "n2 is primary of partition 1.4 in epoch 3",
      {{"cause", "handed over before it fails, n1 in zone 4, P = 0.95"}});
  say(-470, "partition_deescalated", "1.4", "the sync set of partition 1.4 is back at n2, n3",
      {{"reason", "n1 leaves before it fails, n1 in zone 4, P = 0.95"}});
  say(-460, "partition_promoted", "1.5", "n2 is primary of partition 1.5 in epoch 3",
      {{"cause", "handed over before it fails, n8 in zone 41, P = 0.95"}});
  auto text = words(zone_4, -450);
  BOOST_TEST(has(text, "emptied: 1 primaries were handed over, and 1 times a member left"), text);
}

BOOST_FIXTURE_TEST_CASE(copies_of_another_zone_with_a_longer_number_do_not_count, journal) {
  zone(-60, "zone_formed", "4", "n1");
  say(-50, "prefetch_started", "1.3", "copying",
      {{"source", "n2"}, {"target", "n3"}, {"reason", "n1 is in zone 41"}});
  BOOST_TEST(at(zone_4, -10).done_for_zone().copies_begun == 0u);
  say(-40, "prefetch_started", "1.4", "copying",
      {{"source", "n2"}, {"target", "n3"}, {"zones", "4, 9"}});
  BOOST_TEST(at(zone_4, -10).done_for_zone().copies_begun == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_restart_of_the_centre_ends_its_zones, night) {
  told.pop_back(); // zone 4 is not dissolved
  say(-80, "centre_started", "central", "the centre begins term 8", {{"term", "8"}});
  BOOST_TEST(at(partition, -70).zones().empty());
  auto text = words(zone_4, -70);
  BOOST_TEST(has(text, "the centre was started anew"), text);
  BOOST_TEST(has(words(partition, -70), "of term 8, started 2026-11-28T11:58:40Z (10 s before)"));
}

// --- limits of the journal ---

BOOST_FIXTURE_TEST_CASE(before_the_journal_begins_the_answer_says_where_it_does, night) {
  BOOST_TEST(words(partition, -7200)
             == "not_found: the journal of events begins at 2026-11-28T11:00:00Z, "
                "2026-11-28T10:00:00Z is before that");
  bounds.events_whole = false;
  bounds.segments_lost = 2;
  auto text = words(partition, -200);
  BOOST_TEST(has(text, "Not known: what came before 2026-11-28T11:00:00Z"), text);
  BOOST_TEST(has(text, "2 segments of the journal of events can not be read"), text);
}

BOOST_FIXTURE_TEST_CASE(unknown_partitions_are_not_found, journal) {
  BOOST_TEST(has(words(partition, -10), "not_found: no partition 1.3"));
}

BOOST_FIXTURE_TEST_CASE(what_lies_in_the_picture_is_bounded, journal) {
  for (int i = 0; i < 5000; ++i) {
    auto target = "t" + std::to_string(i);
    say(-50, "prefetch_started", "1.3", "copying", {{"target", target}});
    if (i % 2 == 0) say(-50, "prefetch_failed", "1.3", "gave up", {{"target", target}});
  }
  auto p = at(partition, -10);
  BOOST_TEST(p.copies().size() <= picture::copies_max);
  BOOST_TEST(p.ended_copies().size() == picture::ended_max);
  BOOST_TEST(p.told().size() == picture::told_max);
}

// --- which lines are read at all ---

BOOST_FIXTURE_TEST_CASE(no_line_that_matters_is_passed_over_and_most_others_are, night) {
  auto line = [](const std::string& kind, const std::string& subject) {
    return R"({"fields":{"kind":"other","reason":"zone 4","subject":"other"},"id":1,"kind":")"
           + kind + R"(","level":"info","subject":")" + subject + R"(","text":"","time":5})";
  };
  for (const auto& about : {partition, n1, zone_4})
    for (const char* kind :
         {"zone_formed", "zone_brake", "node_dead", "centre_started", "actor_ended"})
      BOOST_TEST(may_concern(about, line(kind, "x")));
  BOOST_TEST(may_concern(partition, line("partition_promoted", "1.3")));
  BOOST_TEST(!may_concern(partition, line("partition_promoted", "1.33")));
  BOOST_TEST(!may_concern(partition, line("partition_promoted", "11.3")));
  BOOST_TEST(!may_concern(n1, line("prefetch_ready", "1.3")));
  BOOST_TEST(may_concern(zone_4, line("prefetch_ready", "1.3")));
  BOOST_TEST(may_concern(zone_4, line("prefetch_started", "1.3")));
  BOOST_TEST(!may_concern(topic{zone_id{77}}, line("prefetch_started", "1.3")));
  BOOST_TEST(
      may_concern(zone_4, line("partition_promoted", "1.3"))); // it may have been handed over
  BOOST_TEST(!may_concern(topic{zone_id{77}}, line("partition_promoted", "1.3")));
  BOOST_TEST(!may_concern(zone_4, line("partition_available", "1.3")));
}
