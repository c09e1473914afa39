#include <boost/test/unit_test.hpp>

#include "tests/support/protection_stage.hpp"
#include "tests/support/temp_dir.hpp"

using namespace harbinger;
using harbinger::test::protection_stage;

// --- zone_manager ---

BOOST_FIXTURE_TEST_CASE(a_zone_is_announced_with_its_reasons_and_sent_to_all_who_act_on_it,
                        protection_stage) {
  score({{"n1", 0.9}});
  BOOST_TEST(count("zone_formed") == 0u);
  score({{"n1", 0.9}});
  BOOST_REQUIRE(count("zone_formed") == 1u);
  BOOST_TEST(props->zone_maps.back().zones.at(0).domain == "node=n1");
  BOOST_TEST(props->events.at(0).fields.at("members") == "n1");
  BOOST_TEST(show(names::zone_manager, "zones")->find("node=n1") != std::string::npos);
  BOOST_TEST((show(names::zone_manager, "zones", {"99"}).error().code == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(the_zone_map_is_sent_again_every_second, protection_stage) {
  score({}), score({});
  auto sent = props->zone_maps.size();
  advance(milliseconds(100), 30);
  BOOST_TEST(props->zone_maps.size() >= sent + 4); // to event_publisher and recovery_coordinator
}

BOOST_FIXTURE_TEST_CASE(a_restarted_zone_manager_keeps_silent_until_it_can_judge_and_reuses_no_id,
                        protection_stage) {
  score({{"n1", 0.9}}), score({{"n1", 0.9}});
  auto before = props->zone_maps.back();
  kill(names::zone_manager);
  start(names::zone_manager);
  auto sent = props->zone_maps.size();
  score({{"n1", 0.9}});
  advance(milliseconds(100), 30);
  BOOST_TEST(props->zone_maps.size() == sent);
  score({{"n1", 0.9}});
  BOOST_TEST(props->zone_maps.back().zones.at(0).id > before.zones.at(0).id);
  BOOST_TEST(props->zone_maps.back().generation > before.generation);
}

BOOST_FIXTURE_TEST_CASE(a_braked_predictor_raises_one_alert, protection_stage) {
  std::map<std::string, double> all;
  for (int i = 1; i <= 6; ++i) all["n" + std::to_string(i)] = 1.0;
  for (int i = 0; i < 10; ++i) score(all);
  BOOST_TEST(count("zone_brake") == 1u);
  BOOST_TEST(props->zone_maps.back().left_out.size() == 5u);
}

namespace {

struct maintained : protection_stage {
  test::temp_dir directory;
  int64_t wall = 1'800'000'000'000;
  maintained() {
    config->state_dir = directory.path();
    ctx->wall_clock = [this] { return unix_ms{wall}; };
    report_all(5);
    score({}), score({});
  }
  result<std::string> maintenance(std::vector<std::string> words) {
    return show(names::zone_manager, "maintenance", std::move(words));
  }
  const zone_map& zones() const { return props->zone_maps.back(); }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(planned_maintenance_is_a_zone_at_once_and_its_partitions_are_copied,
                        maintained) {
  auto said = maintenance({"start", "n1", "--in", "30m", "--reason", "new disks"});
  BOOST_REQUIRE(said.has_value());
  BOOST_TEST(said->find("node n1: maintenance in 30 min: new disks") != std::string::npos);
  BOOST_REQUIRE(zones().zones.size() == 1u); // no scoring in between
  BOOST_TEST(zones().zones[0].domain == "node=n1");
  BOOST_TEST(zones().zones[0].probability == 1.0);
  BOOST_TEST(zones().zones[0].within_s == 1800.0);
  BOOST_TEST(count("maintenance_planned") == 1u);
  BOOST_TEST(count("zone_formed") == 1u);
  advance(milliseconds(100), 5);
  BOOST_TEST(props->starts.size() == 3u);
  wall += 600'000;
  score({});
  advance(milliseconds(100), 10);
  BOOST_TEST(zones().zones.at(0).within_s == 1200.0);
  BOOST_TEST(show(names::zone_manager, "explain", {"zone", "30001"})->find("planned, not predicted")
             != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(maintenance_is_over_when_somebody_says_so_or_its_time_has_passed,
                        maintained) {
  BOOST_REQUIRE(maintenance({"start", "n1", "--in", "1m"}).has_value());
  BOOST_REQUIRE(maintenance({"end", "n1"}).has_value());
  BOOST_TEST(zones().zones.empty());
  BOOST_TEST(count("maintenance_over") == 1u);
  BOOST_REQUIRE(maintenance({"start", "n2", "--in", "1m", "--for", "1m"}).has_value());
  wall += 119'000;
  score({});
  BOOST_TEST(count("maintenance_over") == 1u);
  wall += 1'000;
  score({});
  BOOST_TEST(count("maintenance_over") == 2u);
  BOOST_TEST(zones().zones.empty());
  BOOST_TEST(maintenance({})->find("\"rows\":[]") != std::string::npos);
  BOOST_TEST(directory.get("maintenance.json").find("n2") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(planned_maintenance_outlives_the_zone_manager, maintained) {
  BOOST_REQUIRE(maintenance({"start", "n1", "--in", "30m", "--reason", "new disks"}).has_value());
  kill(names::zone_manager);
  start(names::zone_manager);
  auto listed = maintenance({"list"});
  BOOST_TEST(listed->find(R"("n1","planned",1800.0)") != std::string::npos);
  score({}), score({});
  BOOST_TEST(zones().zones.at(0).domain == "node=n1");
  BOOST_TEST(maintenance({"start", "n1", "--in", "1h"})->find("(changed)") != std::string::npos);
  BOOST_TEST(zones().zones.at(0).within_s == 3600.0);
}

BOOST_FIXTURE_TEST_CASE(maintenance_that_makes_no_sense_changes_nothing_and_says_why, maintained) {
  auto refused = [&](std::vector<std::string> words) {
    auto answer = maintenance(std::move(words));
    BOOST_REQUIRE(!answer.has_value());
    return answer.error().code;
  };
  BOOST_TEST((refused({"start", "n77", "--in", "5m"}) == errc::unknown_node));
  BOOST_TEST((refused({"start", "n1", "--in", "soon"}) == errc::invalid_argument));
  BOOST_TEST((refused({"start", "n1"}) == errc::invalid_argument));
  BOOST_TEST((refused({"end", "n1"}) == errc::not_found));
  BOOST_TEST((refused({"end"}) == errc::invalid_argument));
  BOOST_TEST((refused({"now"}) == errc::invalid_argument));
  BOOST_REQUIRE(maintenance({"start", "n1", "--in", "5m"}).has_value());
  BOOST_TEST((refused({"start", "n2", "--in", "5m"}) == errc::condition_failed)); // 0.3 of six
  set_state("n3", node_state::dead);
  BOOST_TEST((refused({"start", "n3", "--in", "5m"}) == errc::condition_failed));
  config->state_dir = directory / "is-not-there";
  BOOST_TEST((refused({"end", "n1"}) == errc::io));
  BOOST_TEST(zones().zones.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_file_of_maintenance_is_put_aside_with_an_alert, maintained) {
  directory.put("maintenance.json", "{\"format\": 1, \"maint");
  kill(names::zone_manager);
  start(names::zone_manager);
  BOOST_TEST(count("maintenance_lost") == 1u);
  BOOST_TEST(maintenance({"list"})->find("\"rows\":[]") != std::string::npos);
  BOOST_TEST(directory.get("maintenance.json.damaged-1").size() > 0u);
  advance(milliseconds(100), 12);
  BOOST_TEST(maintenance({"start", "n1", "--in", "5m"}).has_value());
  kill(names::zone_manager);
  start(names::zone_manager);
  BOOST_TEST(count("maintenance_lost") == 1u);
  BOOST_TEST(maintenance({"list"})->find("\"n1\"") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_zone_is_explained_in_sentences, maintained) {
  score({{"n1", 0.9}}), score({{"n1", 0.9}});
  auto text = show(names::zone_manager, "explain", {"zone", "30001"});
  BOOST_REQUIRE(text.has_value());
  BOOST_TEST(text->find("Zone 30001 on node=n1 stands for less than 1s with 1 member: n1.")
             != std::string::npos);
  auto code = [&](std::vector<std::string> words) {
    return show(names::zone_manager, "explain", std::move(words)).error().code;
  };
  BOOST_TEST((code({"zone", "9"}) == errc::not_found));
  BOOST_TEST((code({"zone"}) == errc::invalid_argument));
}

// --- prefetch_coordinator: placement ---

BOOST_FIXTURE_TEST_CASE(placement_explains_every_node_without_promising_anything,
                        protection_stage) {
  score({{"n1", 0.9}}), score({{"n1", 0.9}});
  advance(milliseconds(100), 2);
  auto text = show(names::prefetch_coordinator, "placement", {"1.0"});
  BOOST_REQUIRE(text.has_value());
  BOOST_TEST(text->find("in zone 30001") != std::string::npos);
  BOOST_TEST(text->find("already a replica") != std::string::npos);
  BOOST_TEST((show(names::prefetch_coordinator, "placement", {"9.9"}).error().code
              == errc::unknown_partition));
  BOOST_TEST((show(names::prefetch_coordinator, "placement", {"what"}).error().code
              == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(partitions_are_explained_and_other_settings_tried, protection_stage) {
  score({{"n1", 0.9}}), score({{"n1", 0.9}});
  advance(milliseconds(100), 2);
  auto ask = [&](const std::string& topic, std::vector<std::string> words) {
    return show(names::prefetch_coordinator, topic, std::move(words));
  };
  auto why = ask("explain", {"partition", "1.0"});
  BOOST_REQUIRE(why.has_value());
  BOOST_TEST(why->find("n1 (primary, in zone 30001") != std::string::npos, *why);
  BOOST_TEST((ask("explain", {"partition", "9.9"}).error().code == errc::unknown_partition));
  BOOST_TEST((ask("explain", {"partition"}).error().code == errc::invalid_argument));
  auto other = ask("whatif", {"config", "prefetch.none_alive_target=1e-8"});
  BOOST_REQUIRE(other.has_value());
  BOOST_TEST(other->find("3 partitions would be planned otherwise") != std::string::npos, *other);
  BOOST_TEST(ask("plan", {"--dry-run", "prefetch.none_alive_target=1e-8"})->find("otherwise")
             != std::string::npos);
  for (const auto& wrong : {"zones.enter_at=0.3", "prefetch.copies_max=many", "prefetch.nothing=1",
                            "prefetch.copies_max"})
    BOOST_TEST((ask("whatif", {"config", wrong}).error().code == errc::invalid_argument), wrong);
  BOOST_TEST((ask("whatif", {"config"}).error().code == errc::invalid_argument));
  BOOST_TEST((ask("plan", {"backwards"}).error().code == errc::invalid_argument));
}

// --- version_synchronizer ---

BOOST_FIXTURE_TEST_CASE(replicas_are_listed_with_what_they_lack, protection_stage) {
  report("n1", {replica(0, replica_role::primary, 10)});
  report("n5", {replica(0, replica_role::copy, 7)});
  auto text = show(names::version_synchronizer, "replicas");
  BOOST_TEST(text->find(R"("1.0","n5","copy","following","1:7",3)") != std::string::npos);
  BOOST_TEST(show(names::version_synchronizer, "replicas", {"1.0"})->find("primary")
             != std::string::npos);
  BOOST_TEST(
      (show(names::version_synchronizer, "replicas", {"1.2"}).error().code == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(another_digest_at_the_same_version_raises_one_alert, protection_stage) {
  report("n1", {replica(0, replica_role::primary, 10, 1)});
  for (int i = 0; i < 3; ++i) report("n5", {replica(0, replica_role::copy, 10, 2)});
  BOOST_TEST(count("digest_differs") == 1u);
  BOOST_TEST(props->statuses.back().digest_differs);
}

BOOST_FIXTURE_TEST_CASE(a_restarted_synchronizer_tells_everything_it_hears_again,
                        protection_stage) {
  report("n1", {replica(0, replica_role::primary, 10)});
  kill(names::version_synchronizer);
  start(names::version_synchronizer);
  auto told = props->statuses.size();
  report("n1", {replica(0, replica_role::primary, 10)});
  BOOST_TEST(props->statuses.size() == told + 1);
}

// --- prefetch_coordinator and its prefetchers ---

namespace {

struct at_risk : protection_stage {
  at_risk() {
    report_all(5);
    score({{"n1", 0.9}}), score({{"n1", 0.9}});
    advance(milliseconds(100), 3);
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(the_partitions_of_a_zone_arrive_on_safe_nodes_and_are_marked_ready,
                        at_risk) {
  BOOST_REQUIRE(props->starts.size() == 3u);
  BOOST_TEST(props->starts[0].second.sources.at(0).node == node_id{"n1"});
  BOOST_TEST(props->starts[0].second.sources.at(1).node == node_id{"n2"});
  BOOST_TEST(props->starts[0].second.term == term{3});
  BOOST_TEST(row(0).copies.at(0).node == props->starts[0].first);
  BOOST_TEST(!row(0).copies.at(0).ready);
  report_all(6);
  advance(milliseconds(100), 3);
  for (uint32_t i = 0; i < 3; ++i) BOOST_TEST(row(i).copies.at(0).ready);
  BOOST_TEST(count("prefetch_started") == 3u);
  BOOST_TEST(count("prefetch_ready") == 3u);
  advance(milliseconds(100), 100);
  BOOST_TEST(props->starts.size() == 3u);
  BOOST_TEST(show(names::prefetch_coordinator, "plan")->find("\"ready\"") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_killed_coordinator_goes_on_with_the_same_copies, at_risk) {
  auto copies = row(0).copies;
  kill(names::prefetch_coordinator);
  start(names::prefetch_coordinator);
  props->starts.clear();
  report_all(6);
  score({{"n1", 0.9}});
  advance(milliseconds(100), 50);
  BOOST_TEST(row(0).copies.size() == 1u);
  BOOST_TEST(row(0).copies.at(0).copy == copies.at(0).copy);
  BOOST_TEST(row(0).copies.at(0).ready);
  BOOST_TEST(count("prefetch_started") == 3u);
  BOOST_TEST(show(names::prefetch_coordinator, "plan")->find("taken over") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_killed_prefetcher_is_known_by_name_and_begins_the_same_copy_again,
                        at_risk) {
  auto copy = row(0).copies.at(0);
  auto name = names::prefetcher_of(row(0).id, copy.node);
  BOOST_TEST(show(names::prefetch_coordinator, "tree")->find(name) != std::string::npos);
  auto before = ctx->names.find(name);
  BOOST_REQUIRE(before);
  props->starts.clear();
  kill(name);
  BOOST_TEST(!ctx->names.find(name));
  advance(milliseconds(100), 100);
  BOOST_REQUIRE(ctx->names.find(name));
  BOOST_TEST((ctx->names.find(name) != before));
  size_t begun_again = 0;
  for (const auto& [node, command] : props->starts)
    begun_again += node == copy.node && command.copy == copy.copy ? 1 : 0;
  BOOST_TEST(begun_again >= 1u);
  report_all(6);
  advance(milliseconds(100), 3);
  BOOST_TEST(row(0).copies.at(0).ready);
  BOOST_TEST(row(0).copies.at(0).copy == copy.copy);
}

BOOST_FIXTURE_TEST_CASE(a_target_that_does_not_answer_is_given_up_for_another, at_risk) {
  auto bad = row(0).copies.at(0).node;
  auto bad_copy = row(0).copies.at(0).copy;
  props->unreachable = {bad};
  advance(milliseconds(100), 1500);
  BOOST_TEST(count("prefetch_failed") >= 1u);
  BOOST_REQUIRE(row(0).copies.size() == 1u);
  BOOST_TEST(row(0).copies[0].node != bad);
  BOOST_TEST(row(0).copies[0].copy > bad_copy);
}

BOOST_FIXTURE_TEST_CASE(after_a_failover_the_copy_is_told_its_new_source_under_the_same_id,
                        at_risk) {
  report_all(6);
  advance(milliseconds(100), 3);
  props->starts.clear();
  auto r = row(0);
  r.primary = node_id{"n2"};
  r.sync_set = {node_id{"n2"}};
  r.epoch = epoch{2};
  change(r);
  set_state("n1", node_state::dead);
  advance(milliseconds(100), 3);
  BOOST_REQUIRE(!props->starts.empty());
  for (const auto& [node, command] : props->starts) {
    if (command.partition != r.id) continue;
    BOOST_TEST(command.copy == r.copies.at(0).copy);
    BOOST_TEST(command.sources.at(0).node == node_id{"n2"});
  }
}

BOOST_FIXTURE_TEST_CASE(a_copy_is_dropped_on_its_node_only_after_the_row_let_it_go, at_risk) {
  report_all(6);
  advance(milliseconds(100), 3);
  auto node = row(0).copies.at(0).node;
  score({});
  advance(seconds(30), 3); // minimum stay
  score({});
  advance(seconds(10), 65); // keep_after_zone_s
  BOOST_TEST(row(0).copies.empty());
  BOOST_TEST(count("prefetch_evicted") == 3u);
  BOOST_REQUIRE(props->drops.size() == 3u);
  BOOST_TEST(props->drops[0].second.revision == row(0).revision);
}

BOOST_FIXTURE_TEST_CASE(a_restore_that_recovery_wants_is_made_although_no_zone_stands,
                        protection_stage) {
  report_all(5);
  score({}), score({});
  set_state("n2", node_state::dead);
  auto r = row(1);
  r.sync_set = {node_id{"n1"}};
  change(r);
  for (int i = 0; i < 10; ++i) {
    tell(names::prefetch_coordinator, copy_wanted{r.id, restore_method::pull});
    advance(milliseconds(100));
  }
  BOOST_REQUIRE(!props->starts.empty());
  for (const auto& [node, command] : props->starts)
    BOOST_TEST(command.copy == row(1).copies.at(0).copy);
  BOOST_TEST(props->starts[0].second.partition == r.id);
  BOOST_TEST(row(1).copies.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(while_the_catalog_keeper_is_away_nothing_is_begun_and_afterwards_everything,
                        protection_stage) {
  props->keeper_silent = true;
  report_all(5);
  score({{"n1", 0.9}}), score({{"n1", 0.9}});
  advance(milliseconds(100), 20);
  BOOST_TEST(props->starts.empty());
  props->keeper_silent = false;
  advance(milliseconds(100), 30);
  for (uint32_t i = 0; i < 3; ++i) BOOST_TEST(row(i).copies.size() == 1u);
  BOOST_TEST(count("prefetch_started") == 3u);
  BOOST_TEST(!props->starts.empty());
}
