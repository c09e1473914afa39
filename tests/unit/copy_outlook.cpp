#include "recovery/copy_outlook.hpp"

#include <boost/test/unit_test.hpp>

#include "messages/local.hpp"

using namespace harbinger;
using namespace harbinger::recovery;

namespace {

/// One partition: primary n1, secondary n2, a copy on n3.
struct cluster {
  catalog_view view;
  replica_book book;
  std::set<node_id> in_zones;
  partition_id id{uint64_t{1} << 32};
  partition_row row;
  time_point now{std::chrono::hours(1)};

  cluster() {
    view.set_revision(term{1}, revision{1});
    for (auto name : {"n1", "n2", "n3"}) up(name);
    row.id = id;
    row.epoch = epoch{2};
    row.revision = revision{1};
    row.primary = node_id{"n1"};
    row.sync_set = {node_id{"n1"}, node_id{"n2"}};
    row.copies = {{node_id{"n3"}, copy_id{7}, true}};
    row.replicas_wanted = 2;
    row.history = {{epoch{2}, seq_no{1}}};
    view.put(row);
    report("n1", replica_role::primary, 10).batch_bytes = 100.0;
    tell("n1");
    report("n2", replica_role::secondary, 10);
    tell("n2");
    report("n3", replica_role::copy, 7).lag_ms = 12.0;
    tell("n3");
  }
  std::map<std::string, replica_report> reports;

  void up(const std::string& name, node_state state = node_state::up) {
    node_row n;
    n.id = node_id{name};
    n.life = incarnation{1};
    n.state = state;
    view.put(n);
  }
  replica_report& report(const std::string& name, replica_role role, uint64_t seq) {
    auto& r = reports[name];
    r.partition = id;
    r.role = role;
    r.state = replica_state::following;
    r.epoch = epoch{2};
    r.revision = revision{1};
    r.version = {epoch{2}, seq_no{seq}};
    return r;
  }
  void tell(const std::string& name) {
    book.take_all(node_id{name}, incarnation{1}, {reports[name]}, now);
  }
  copy_outlook only(const measured_times& times = {}) {
    auto list = copy_outlooks({view, book, in_zones, now}, times);
    BOOST_REQUIRE(list.size() == 1u);
    return list[0];
  }
};

outage ended(double detect, double promote, double redundancy, size_t primaries = 1) {
  outage o;
  o.primaries = primaries;
  o.detect_ms = detect;
  o.promote_ms = promote;
  o.redundancy_ms = redundancy;
  return o;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(a_copy_says_how_far_behind_it_is, cluster) {
  auto c = only();
  BOOST_TEST(*c.batches_behind == 3u);
  BOOST_TEST(*c.bytes_behind == 300u);
  BOOST_TEST(c.lag_ms == 12.0);
  BOOST_TEST(c.digest_ok);
}

BOOST_FIXTURE_TEST_CASE(with_a_secondary_nothing_is_lost_and_the_copy_restores_redundancy,
                        cluster) {
  auto c = only({3, 800.0, 20.0, 70.0});
  BOOST_TEST(c.heir.value == "n2");
  BOOST_TEST(*c.served_ms == 820.0);
  BOOST_TEST(*c.whole_ms == 870.0);
  BOOST_TEST(*c.lost_batches == 0u);
  BOOST_TEST(c.outlook
             == "n2 serves in about 820 ms, nothing lost; this copy is the new replica in about "
                "870 ms");
}

BOOST_FIXTURE_TEST_CASE(what_was_never_measured_is_not_made_up, cluster) {
  auto c = only();
  BOOST_TEST(!c.served_ms);
  BOOST_TEST(!c.whole_ms);
  BOOST_TEST(c.outlook.find("not measured yet") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(without_another_member_nobody_serves_and_what_is_missing_is_told, cluster) {
  up("n2", node_state::dead);
  auto c = only({3, 800.0, 20.0, 70.0});
  BOOST_TEST(c.heir.value.empty());
  BOOST_TEST(!c.served_ms);
  BOOST_TEST(*c.lost_batches == 3u);
  BOOST_TEST(c.outlook.find("not served until n1 is back; the copy holds all but 3 batches")
             != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_differs_or_is_not_complete_restores_nothing, cluster) {
  book.set_digest_differs(node_id{"n3"}, id, true);
  auto c = only({1, 800.0, 20.0, 70.0});
  BOOST_TEST(!c.whole_ms);
  BOOST_TEST(!c.digest_ok);
  BOOST_TEST(c.outlook.find("restores nothing: its digest differs") != std::string::npos);
  book.set_digest_differs(node_id{"n3"}, id, false);
  reports["n3"].state = replica_state::copying;
  tell("n3");
  c = only({1, 800.0, 20.0, 70.0});
  BOOST_TEST(!c.whole_ms);
  BOOST_TEST(c.outlook.find("restores nothing: it is copying") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_copy_nobody_reported_is_ordered_and_one_on_a_dead_node_is_not_listed,
                        cluster) {
  book.take_all(node_id{"n3"}, incarnation{1}, {}, now);
  BOOST_TEST(only().state == "ordered");
  up("n3", node_state::dead);
  BOOST_TEST(copy_outlooks({view, book, in_zones, now}, {}).empty());
}

BOOST_AUTO_TEST_CASE(times_are_medians_of_outages_that_had_a_primary) {
  auto times =
      measured({ended(800, 10, 50), ended(1000, 30, 90), ended(900, 20, 70), ended(9, 9, 9, 0)});
  BOOST_TEST(times.outages == 3u);
  BOOST_TEST(times.detect_ms == 900.0);
  BOOST_TEST(times.promote_ms == 20.0);
  BOOST_TEST(times.redundancy_ms == 70.0);
  BOOST_TEST(measured({}).outages == 0u);
}
