#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "simulate/recorded_failures.hpp"
#include "simulate/report.hpp"
#include "tests/support/simulated_site.hpp"

using namespace harbinger;
using namespace harbinger::simulate;
using test::holders, test::primary, test::three_nodes;

namespace {

constexpr double day_s = 86'400;
const auto about = boost::test_tools::tolerance(1e-6);

topology site_nodes(uint32_t nodes) {
  site_options o;
  o.nodes = nodes;
  topology t;
  for (const auto& row : nodes_of(o, 1)) t.put(row);
  return t;
}

byte_source text_source(std::string text) {
  return [text = std::move(text), at = size_t{0}](char* to, size_t size) mutable -> result<size_t> {
    auto n = std::min(size, text.size() - at);
    std::copy_n(text.data() + at, n, to);
    at += n;
    return n;
  };
}

} // namespace

BOOST_AUTO_TEST_CASE(failures_come_as_often_and_as_much_together_as_told) {
  auto nodes = site_nodes(4000);
  double all = 0, alone = 0, days = 40;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto failures = failures_of(failure_options{}, nodes, days, seed);
    all += static_cast<double>(failures.size());
    for (const auto& f : failures) alone += f.cause == failure_cause::node;
  }
  double expected = 20 * 4000 * days / 365;
  BOOST_TEST(all > 0.8 * expected);
  BOOST_TEST(all < 1.2 * expected);
  BOOST_TEST(std::abs(alone / (0.63 * expected) - 1) < 0.05);
}

BOOST_AUTO_TEST_CASE(a_rack_fails_whole_and_at_once) {
  auto nodes = site_nodes(400);
  failure_options o;
  o.correlated = o.by_rack = 1;
  o.by_power = o.by_firmware = 0;
  std::map<uint32_t, std::vector<failure>> events;
  for (const auto& f : failures_of(o, nodes, 300, 1)) events[f.event].push_back(f);
  BOOST_REQUIRE(!events.empty());
  size_t whole = 0;
  for (const auto& [number, e] : events) {
    whole += e.size() == 40; // less only where some of them were down already
    for (const auto& f : e) {
      BOOST_TEST(f.at_s == e.front().at_s);
      BOOST_TEST(f.node / 40 == e.front().node / 40);
    }
  }
  BOOST_TEST(whole * 2 > events.size());
}

BOOST_AUTO_TEST_CASE(a_node_that_is_down_does_not_fail_but_may_stay_down_longer) {
  std::vector<failure> all{{100, 50, 1}, {120, 100, 1}, {300, 10, 1}, {110, 5, 0}};
  settle(all);
  std::vector<failure> expected{{100, 120, 1}, {110, 5, 0}, {300, 10, 1}};
  BOOST_TEST((all == expected));
}

BOOST_AUTO_TEST_CASE(the_predictor_is_as_good_as_told_and_its_scores_come_true) {
  auto nodes = site_nodes(4000);
  failure_options failing;
  failing.correlated = 0;
  failing.mtbf_days = 20;
  auto failures = failures_of(failing, nodes, 30, 1);
  auto p = predict({}, failures, nodes, 30, 1);
  BOOST_TEST(std::abs(p.recall(failures.size()) - 0.7) < 0.03);
  BOOST_TEST(std::abs(p.precision() - 0.3) < 0.03);
  zone_settings rules;
  set_zone_thresholds(rules, 0.3);
  double said = 0, alarms = 0;
  for (const auto& c : p.changes)
    if (c.probability > quiet_probability) {
      BOOST_TEST(c.probability >= rules.enter_at);
      said += c.probability;
      ++alarms;
    }
  BOOST_TEST(std::abs(said / alarms - p.precision()) < 0.02);
  judge(p, failures, rules.enter_at, 3600);
  BOOST_TEST(std::abs(p.precision() - 0.3) < 0.03);
}

BOOST_AUTO_TEST_CASE(nodes_of_one_event_are_seen_together_before_the_first_fails) {
  auto nodes = site_nodes(400);
  failure_options failing;
  failing.correlated = failing.by_rack = 1;
  failing.by_power = failing.by_firmware = 0;
  auto failures = failures_of(failing, nodes, 100, 2);
  auto p = predict({1, 1}, failures, nodes, 100, 2);
  BOOST_TEST(p.alarms_false == 0u);
  BOOST_TEST(p.recall(failures.size()) == 1);
  std::map<double, size_t> raised;
  for (const auto& c : p.changes)
    if (c.probability > quiet_probability) ++raised[c.at_s];
  for (const auto& [at, count] : raised) BOOST_TEST(count > 1u);
}

BOOST_AUTO_TEST_CASE(one_failure_costs_detection_and_promotion_for_each_partition_it_led) {
  auto o = three_nodes();
  auto lost = primary(holders(o, 0));
  double led = 1 + (primary(holders(o, 1)) == lost);
  auto a = simulate::simulate(o, {{1000, 3600, lost}}, {});
  BOOST_REQUIRE(a);
  double by_hand = led * (0.912 + 0.1) + (led > 1 ? 1 / 4500.0 : 0);
  BOOST_TEST(a->all().seconds == by_hand, about);
  BOOST_TEST(a->of(failure_cause::node, outage_kind::failover).count == led);
  BOOST_TEST(a->of(outage_kind::all_lost).count == 0u);
}

BOOST_AUTO_TEST_CASE(without_anybody_left_a_partition_waits_for_the_first_node_to_return) {
  auto o = three_nodes();
  o.site.nodes = 2;
  o.site.partitions = 1;
  o.site.nodes_per_rack = 2;
  auto list = holders(o, 0);
  auto first = primary(list), second = 1 - first;
  auto a = simulate::simulate(o, {{1000, 5000, first}, {2000, 600, second}}, {});
  BOOST_REQUIRE(a);
  BOOST_TEST(a->of(outage_kind::failover).seconds == 1.012, about);
  BOOST_TEST(a->of(outage_kind::all_lost).seconds == 600.1, about);
}

BOOST_AUTO_TEST_CASE(a_copy_in_time_that_joined_keeps_a_doomed_pair_served) {
  simulation_options o;
  o.site.nodes = 12;
  o.site.partitions = 1;
  o.site.nodes_per_rack = 1;
  o.site.racks_per_feed = 2;
  o.days = 1;
  auto list = holders(o, 0);
  std::vector<failure> both;
  prediction seen;
  for (const auto& h : list) {
    both.push_back({10'000, 7200, h.node, failure_cause::power, 1});
    seen.changes.push_back({9000, h.node, 0.95});
  }
  std::sort(both.begin(), both.end(), [](auto& x, auto& y) { return x.node < y.node; });
  o.rules.zones.evacuate_at = 1;
  auto without = simulate::simulate(o, both, {});
  auto with = simulate::simulate(o, both, seen);
  BOOST_REQUIRE(without);
  BOOST_REQUIRE(with);
  BOOST_TEST(without->all().seconds == 7200.1, about);
  BOOST_TEST(with->all().seconds == 1.012, about);
  BOOST_TEST(with->escalated == 1u);
  report r;
  r.without = *without;
  r.with = *with;
  BOOST_TEST(*r.cut() == 1 - 1.012 / 7200.1, about);
  o.rules.zones.evacuate_at = 0.9;
  auto emptied = simulate::simulate(o, both, seen);
  BOOST_REQUIRE(emptied);
  BOOST_TEST(emptied->all().seconds == 0.03, about);
  BOOST_TEST(emptied->left_in_time == 2u);
  BOOST_TEST(emptied->escalated == 0u);
}

BOOST_AUTO_TEST_CASE(rebuild_after_serves_again_and_says_that_something_may_be_lost) {
  auto o = three_nodes();
  o.site.partitions = 1;
  o.site.replicas = 1;
  o.rules.recovery.rebuild_after_s = 60;
  auto n = primary(holders(o, 0));
  auto a = simulate::simulate(o, {{1000, 50'000, n}}, {});
  BOOST_REQUIRE(a);
  BOOST_TEST(a->lost_tails == 1u);
  BOOST_TEST(a->all().seconds > 60);
  BOOST_TEST(a->all().seconds < 65);
  BOOST_TEST(a->rebuilt_bytes > 0);
}

BOOST_AUTO_TEST_CASE(a_record_keeps_what_failed_together_together) {
  std::string csv = "system,node,start,end,category,n_nodes\n"
                    "7,0,2000-01-01 00:00,2000-01-01 01:00,Hardware,4.0\n"
                    "7,1,2000-01-01 00:01,2000-01-01 02:00,Facilities,4.0\n"
                    "7,3,2000-01-02 00:00,2000-01-02 01:00,Network,4.0\n"
                    "7,2,2000-01-05 00:00,,Hardware,4.0\n"
                    "7,2,2000-01-09 00:00,2000-01-09 00:30,Software,4.0\n";
  auto record = read_failure_record("made.csv", text_source(csv));
  BOOST_REQUIRE(record);
  BOOST_TEST(record->rows == 5u);
  BOOST_TEST(record->refused == 1u);
  auto failures = failures_of(*record, 4, 3, 1);
  BOOST_REQUIRE(failures);
  // Two windows of three days, one has three failures and the other none.
  for (const auto& f : *failures) BOOST_TEST(f.node < 4u);
  auto wide = failures_of(*record, 8, 3, 1);
  BOOST_REQUIRE(wide);
  BOOST_REQUIRE(wide->size() == 3u);
  BOOST_TEST((*wide)[0].event == (*wide)[1].event);
  BOOST_TEST((*wide)[0].event != (*wide)[2].event);
  BOOST_TEST((*wide)[1].down_s == 7140);
  BOOST_TEST((*wide)[1].node == (*wide)[0].node + 1);
  BOOST_TEST(!failures_of(*record, 4, 30, 1));
  BOOST_TEST(!read_failure_record("bad.csv", text_source("a,b\n1,2\n")));
}

BOOST_AUTO_TEST_CASE(scores_are_read_or_refused_with_their_line) {
  auto nodes = site_nodes(3);
  auto good =
      read_scores("s.csv", text_source("time,node,probability\n60,1,0.5\n0,n000002,1\n"), nodes);
  BOOST_REQUIRE(good);
  BOOST_TEST((good->changes.front() == score_change{0, 2, 1}));
  for (const char* bad : {"60,3,0.5", "60,1,nan", "-1,1,0.5", "60,1,1.5", "x,1,0.5"}) {
    auto refused = read_scores(
        "s.csv", text_source(std::string("time,node,probability\n") + bad + "\n"), nodes);
    BOOST_REQUIRE(!refused);
    BOOST_TEST(refused.error().detail.find("s.csv:2") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(requests_follow_the_day) {
  BOOST_TEST(requests_between(0, day_s) == day_s, about);
  BOOST_TEST(requests_between(15 * 3600 - 1, 15 * 3600 + 1) > 2.9);
  BOOST_TEST(requests_between(3 * 3600 - 1, 3 * 3600 + 1) < 1.1);
}

BOOST_AUTO_TEST_CASE(a_site_that_can_not_be_is_refused) {
  auto o = three_nodes();
  o.site.mean_size_bytes = 1e13;
  BOOST_TEST(!simulate::simulate(o, {}, {}));
  o = three_nodes();
  o.site.replicas = 4;
  BOOST_TEST(!simulate::simulate(o, {}, {}));
}

BOOST_AUTO_TEST_CASE(who_listens_may_stop_it) {
  auto stopped = simulate::simulate(three_nodes(), {}, {}, [](double) { return false; });
  BOOST_REQUIRE(!stopped);
  BOOST_TEST((stopped.error().code == errc::cancelled));
}

BOOST_AUTO_TEST_CASE(the_documents_say_the_same_as_the_table) {
  report r;
  auto o = three_nodes();
  r.options = o;
  r.command_line = "<simulate>";
  r.without = *simulate::simulate(o, {{1000, 3600, 0}}, {});
  auto json = nlohmann::json::parse(report_json(r));
  BOOST_TEST(json["figures"]["unserved_s"]["without"].get<double>() == r.without->all().seconds);
  BOOST_TEST(json["figures"]["unserved_s"]["with"].is_null());
  auto html = report_html(r);
  BOOST_TEST(html.find("&lt;simulate&gt;") != std::string::npos);
  BOOST_TEST(html.find("<script") == std::string::npos);
  BOOST_TEST(html.find("<svg") != std::string::npos);
  BOOST_TEST(report_text(r).find("partition-seconds not served") != std::string::npos);
}
