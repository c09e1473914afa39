#include <boost/test/unit_test.hpp>

#include "versions/replica_tracker.hpp"

using namespace harbinger;

namespace {

const auto part = make_partition_id(1, 0);

struct three_nodes {
  catalog_view catalog;
  replica_tracker tracker;
  version_settings rules;
  time_point now{std::chrono::hours(1)};

  three_nodes() {
    for (auto name : {"n1", "n2", "n5"}) {
      node_row n;
      n.id = node_id{name};
      n.life = incarnation{1};
      catalog.put(n);
    }
    partition_row row;
    row.id = part;
    row.epoch = epoch{1};
    row.primary = node_id{"n1"};
    row.sync_set = {node_id{"n1"}, node_id{"n2"}};
    catalog.put(row);
  }
  replica_report replica(replica_role role, uint64_t seq, uint64_t digest = 42,
                         replica_state state = replica_state::following) {
    replica_report r;
    r.partition = part;
    r.role = role;
    r.state = state;
    r.epoch = epoch{1};
    r.version = {epoch{1}, seq_no{seq}};
    r.digest = digest;
    r.lag_ms = 10'000;
    return r;
  }
  replica_tracker::outcome hear(const std::string& node, std::vector<replica_report> replicas,
                                uint64_t life = 1) {
    return tracker.report(node_id{node}, incarnation{life}, replicas, catalog, rules, now);
  }
  const replica_status& status(const std::string& node) {
    return *tracker.find(part, node_id{node});
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_has_caught_up_at_the_primarys_version, three_nodes) {
  hear("n1", {replica(replica_role::primary, 10)});
  hear("n5", {replica(replica_role::copy, 9)});
  BOOST_TEST(!status("n5").caught_up);
  BOOST_TEST(*tracker.batches_behind(status("n5"), catalog) == 1u);
  hear("n5", {replica(replica_role::copy, 10)});
  BOOST_TEST(status("n5").caught_up);
}

BOOST_FIXTURE_TEST_CASE(a_copy_under_load_has_caught_up_when_its_lag_is_small, three_nodes) {
  hear("n1", {replica(replica_role::primary, 1000)});
  auto r = replica(replica_role::copy, 900);
  r.lag_ms = 499;
  hear("n5", {r});
  BOOST_TEST(status("n5").caught_up);
  r.state = replica_state::copying;
  hear("n5", {r});
  BOOST_TEST(!status("n5").caught_up);
}

BOOST_FIXTURE_TEST_CASE(a_primary_that_moves_on_takes_the_label_away, three_nodes) {
  hear("n5", {replica(replica_role::copy, 10)});
  hear("n1", {replica(replica_role::primary, 10)});
  BOOST_TEST(status("n5").caught_up);
  auto out = hear("n1", {replica(replica_role::primary, 500)});
  BOOST_TEST(out.changed.size() == 2u);
  BOOST_TEST(!status("n5").caught_up);
}

BOOST_FIXTURE_TEST_CASE(equal_versions_with_other_digests_differ_until_they_are_equal_again,
                        three_nodes) {
  hear("n1", {replica(replica_role::primary, 10, 42)});
  BOOST_TEST(hear("n5", {replica(replica_role::copy, 10, 43)}).newly_different.size() == 1u);
  BOOST_TEST(status("n5").digest_differs);
  BOOST_TEST(!status("n5").caught_up);
  BOOST_TEST(hear("n5", {replica(replica_role::copy, 11, 44)}).newly_different.empty());
  BOOST_TEST(status("n5").digest_differs);
  hear("n5", {replica(replica_role::copy, 10, 42)});
  BOOST_TEST(!status("n5").digest_differs);
}

BOOST_FIXTURE_TEST_CASE(an_epoch_never_goes_backwards_within_a_life, three_nodes) {
  auto r = replica(replica_role::secondary, 10);
  r.epoch = epoch{7};
  hear("n2", {r});
  r.epoch = epoch{6};
  r.version.seq = seq_no{99};
  BOOST_TEST(hear("n2", {r}).changed.empty());
  BOOST_TEST(status("n2").report.epoch == epoch{7});
  BOOST_TEST(tracker.refused_total() == 1u);
  hear("n2", {r}, 2);
  BOOST_TEST(status("n2").report.epoch == epoch{6});
}

BOOST_FIXTURE_TEST_CASE(older_lives_strangers_and_unknown_partitions_are_counted_and_passed_over,
                        three_nodes) {
  hear("n2", {replica(replica_role::secondary, 10)}, 2);
  BOOST_TEST(hear("n2", {replica(replica_role::secondary, 11)}, 1).changed.empty());
  BOOST_TEST(hear("n9", {replica(replica_role::secondary, 11)}).changed.empty());
  auto r = replica(replica_role::secondary, 1);
  r.partition = make_partition_id(9, 9);
  BOOST_TEST(hear("n5", {r}).changed.empty());
  BOOST_TEST(tracker.refused_total() == 3u);
}

BOOST_FIXTURE_TEST_CASE(only_news_is_told, three_nodes) {
  hear("n1", {replica(replica_role::primary, 10)});
  BOOST_TEST(hear("n5", {replica(replica_role::copy, 10)}).changed.size() == 1u);
  auto r = replica(replica_role::copy, 10);
  r.lag_ms = 5;
  r.writes_per_s = 3;
  BOOST_TEST(hear("n5", {r}).changed.empty());
}

BOOST_FIXTURE_TEST_CASE(a_replica_that_is_no_longer_reported_is_told_once_as_failed, three_nodes) {
  hear("n5", {replica(replica_role::copy, 10)});
  auto out = hear("n5", {});
  BOOST_REQUIRE(out.changed.size() == 1u);
  BOOST_TEST((out.changed[0].report.state == replica_state::failed));
  BOOST_TEST(out.changed[0].report.failure.substr(0, 9) == "not_found");
  BOOST_TEST(hear("n5", {}).changed.empty());
  BOOST_TEST(tracker.all().empty());
}

BOOST_FIXTURE_TEST_CASE(readiness_survives_the_death_of_the_primary, three_nodes) {
  hear("n1", {replica(replica_role::primary, 10)});
  hear("n5", {replica(replica_role::copy, 10)});
  auto n1 = *catalog.node(node_id{"n1"});
  n1.state = node_state::dead;
  catalog.put(n1);
  tracker.refresh(catalog, catalog.whole(), rules);
  hear("n5", {replica(replica_role::copy, 10, 42, replica_state::detached)});
  BOOST_TEST(status("n5").caught_up);
  BOOST_TEST(!tracker.batches_behind(status("n5"), catalog).has_value());
}

BOOST_FIXTURE_TEST_CASE(after_a_failover_the_new_primary_is_the_measure, three_nodes) {
  hear("n1", {replica(replica_role::primary, 10)});
  hear("n5", {replica(replica_role::copy, 10)});
  auto row = *catalog.partition(part);
  row.epoch = epoch{2};
  row.primary = node_id{"n2"};
  catalog.put(row);
  auto r = replica(replica_role::primary, 12);
  r.epoch = epoch{2};
  r.version.epoch = epoch{2};
  auto out = hear("n2", {r});
  BOOST_TEST(!status("n5").caught_up);
}
