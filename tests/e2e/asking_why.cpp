#include <csignal>

#include <nlohmann/json.hpp>

#include "tests/support/live_cluster.hpp"

/// What was forecast of a kill is what happens, and the time before it can be asked about after it.

using namespace harbinger;
using harbinger::testing::live_cluster;
using json = nlohmann::json;

namespace {

struct asked_cluster : live_cluster {
  asked_cluster() { // every partition has been opened, too
    auto opened = [](const partition_map& map) {
      return std::none_of(map.partitions.begin(), map.partitions.end(),
                          [](const partition_row& row) { return row.history.empty(); });
    };
    BOOST_REQUIRE(cluster->wait_for_map(opened, seconds(30)));
    require_full();
  }
  json ask(const std::vector<std::string>& words) {
    auto answer = cluster->console(words, seconds(20));
    require(answer);
    return json::parse(*answer);
  }
  std::string lines(const json& document) {
    std::string all;
    for (const auto& line : document["lines"]) all += line.get<std::string>() + '\n';
    return all;
  }
  partition_map map() {
    auto held = cluster->map();
    require(held);
    return *held;
  }
  json explained(partition_id id, const std::string& time) {
    return ask({"explain", "partition", to_string(id), "--at", time});
  }
};

std::string now_text() {
  using namespace std::chrono;
  return std::to_string(
      duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

} // namespace

BOOST_AUTO_TEST_CASE(who_serves_after_a_kill_is_who_was_forecast_and_the_past_can_be_asked) {
  asked_cluster live;
  auto before = live.map();
  auto victim = before.partitions.front().primary;
  auto forecast = live.ask({"whatif", "kill", victim.value});
  BOOST_TEST(forecast["lost"] == 0);
  BOOST_TEST(forecast["late"] == 0);
  std::map<std::string, std::string> serves;
  for (const auto& row : forecast["table"]["rows"]) serves[row[0]] = row[2];
  for (const auto& row : before.partitions) {
    bool member = std::binary_search(row.sync_set.begin(), row.sync_set.end(), victim);
    BOOST_TEST(serves.contains(to_string(row.id)) == member);
  }
  auto whole_rack = live.ask({"whatif", "kill", "rack=" + live.cluster->nodes()[0].rack});
  BOOST_TEST(whole_rack["killed"].size() >= 1u);

  auto time_before = now_text();
  pause_for(milliseconds(50));
  for (size_t i = 0; i < live.cluster->nodes().size(); ++i)
    if (live.cluster->nodes()[i].name == victim.value) live.kill(i);
  live.require_full();
  auto after = live.map();
  size_t promoted = 0;
  for (const auto& row : before.partitions) {
    auto now = std::find_if(after.partitions.begin(), after.partitions.end(),
                            [&](const partition_row& r) { return r.id == row.id; });
    BOOST_REQUIRE((now != after.partitions.end()));
    if (!serves.contains(to_string(row.id))) continue;
    BOOST_TEST(now->primary.value == serves[to_string(row.id)], to_string(row.id));
    if (row.primary != victim) continue;
    ++promoted;
    auto then = live.explained(row.id, time_before), late = live.explained(row.id, "now");
    BOOST_TEST(then["row"]["primary"] == victim.value, live.lines(then));
    BOOST_TEST(late["row"]["primary"] == now->primary.value, live.lines(late));
    BOOST_TEST(live.lines(late).find("partition_promoted") != std::string::npos, live.lines(late));
    BOOST_TEST(!then["decision"].is_null(), live.lines(then));
  }
  BOOST_TEST(promoted > 0u);

  auto node = live.ask({"explain", "node", victim.value, "--at", "now"});
  BOOST_TEST(live.lines(node).find("it was dead since") != std::string::npos, live.lines(node));
  BOOST_TEST(live.ask({"whatif", "kill", victim.value})["partitions"] == 0, "it is dead already");
  auto events = live.ask({"events", "0", "1000", time_before, ""});
  BOOST_TEST(!events["rows"].empty());
  BOOST_TEST(events["rows"][0][1].get<int64_t>() >= std::stoll(time_before));
}

BOOST_AUTO_TEST_CASE(questions_without_sense_and_beyond_the_journal_are_refused) {
  asked_cluster live;
  auto refused = [&](const std::vector<std::string>& words) {
    auto answer = live.cluster->console(words, seconds(20));
    return answer ? "answered" : to_string(answer.error());
  };
  BOOST_TEST(refused({"whatif", "kill", "n99"}).starts_with("unknown_node: no node n99"));
  BOOST_TEST(refused({"whatif", "kill", "n1", "--limit", "many"}).starts_with("invalid_argument"));
  BOOST_TEST(refused({"whatif"}).starts_with("invalid_argument: usage: whatif"));
  BOOST_TEST(refused({"explain", "partition", "x", "--at", "now"}).starts_with("invalid_argument"));
  BOOST_TEST(refused({"explain", "node", "n1", "--at"}).starts_with("invalid_argument"));
  BOOST_TEST(refused({"explain", "partition", "9.9", "--at", "now"}).starts_with("not_found"));
  auto early = refused({"explain", "node", "n1", "--at", "2020-01-01T00:00:00Z"});
  BOOST_TEST(early.starts_with("not_found: the journal of events begins at "), early);
  auto mine = live.cluster->console({"explain", "node", "n1", "--at", "now"}, seconds(20));
  BOOST_TEST(mine.has_value());
}

BOOST_AUTO_TEST_CASE(a_restart_of_the_centre_is_in_the_journal_and_the_time_before_it_is_told) {
  asked_cluster live;
  auto row = live.map().partitions.front();
  auto time_before = now_text();
  live.cluster->central().signal(SIGKILL);
  BOOST_REQUIRE(live.cluster->central().wait(seconds(5)).has_value());
  live.require(live.cluster->start_central());
  live.require_full();
  auto then = live.explained(row.id, time_before), now = live.explained(row.id, "now");
  BOOST_TEST(then["row"]["primary"] == row.primary.value);
  BOOST_TEST(live.lines(then).find("of term 1,") != std::string::npos, live.lines(then));
  BOOST_TEST(live.lines(now).find("of term 2,") != std::string::npos, live.lines(now));
}
