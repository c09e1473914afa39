#include <boost/test/unit_test.hpp>

#include "replica/replica_host.hpp"
#include "replica/report_pace.hpp"

using namespace harbinger;
using namespace harbinger::replication;

namespace {

version v(uint64_t e, uint64_t s) { return {epoch{e}, seq_no{s}}; }

/// A host of many partitions; its store is always at hand, the test plays its peers.
struct lease_stage {
  time_point now{std::chrono::hours(1)};
  proposal_memory memory;
  limits bounds;
  replica_host host;
  std::map<partition_id, partition_head> stored;
  std::vector<send_append> appends;
  std::vector<send_lease> leases;

  explicit lease_stage(const std::string& name) : host(node_id{name}, bounds, memory, 0) {}

  void carry(actions todo) {
    for (size_t i = 0; i < todo.size(); ++i) {
      if (auto* a = std::get_if<send_append>(&todo[i])) appends.push_back(*a);
      if (auto* a = std::get_if<send_lease>(&todo[i])) leases.push_back(*a);
      if (auto* w = std::get_if<write_store>(&todo[i])) {
        auto& head = stored[w->write.partition];
        head.partition = w->write.partition;
        head.epoch = std::max(head.epoch, w->write.epoch);
        if (w->write.change && w->write.change->role) head.role = *w->write.change->role;
        if (w->write.change && w->write.change->state) head.state = *w->write.change->state;
        if (w->write.change && w->write.change->revision)
          head.revision = *w->write.change->revision;
        for (auto& e : w->write.entries) head.version = e.version;
        auto more = host.written(w->id, store_written{head, {}}, now);
        todo.insert(todo.end(), more.begin(), more.end());
      }
    }
  }
  void configure(partition_id id, uint64_t epoch, replica_role role) {
    configure_replica c;
    c.partition = id;
    c.epoch.value = epoch;
    c.revision.value = epoch;
    c.role = role;
    c.primary = {node_id{"n1"}, "tcp://n1"};
    c.sync_set = {{node_id{"n1"}, "tcp://n1"}, {node_id{"n2"}, "tcp://n2"}};
    auto held = stored.find(id);
    carry(host.configure(1, c, held == stored.end() ? std::nullopt : std::optional(held->second),
                         now));
  }
  void seal(partition_id id, uint64_t epoch) {
    carry(host.seal(2, {{}, id, harbinger::epoch{epoch}}, stored.at(id), now));
  }
  void advance(duration by) {
    now += by;
    carry(host.tick(now));
  }
};

partition_id part(uint32_t i) { return make_partition_id(1, i); }

/// A primary of three partitions whose member has answered once in each.
struct leading : lease_stage {
  leading() : lease_stage("n1") {
    for (uint32_t i = 0; i < 3; ++i) configure(part(i), 1, replica_role::primary);
    advance(bounds.append_timeout);
    for (auto& a : std::exchange(appends, {}))
      carry(host.append_answered(a.request, append_ok{a.message.partition, epoch{1}, {}}, now));
    appends.clear();
  }
};
struct following : lease_stage {
  following() : lease_stage("n2") {
    for (uint32_t i = 0; i < 3; ++i) configure(part(i), 1, replica_role::secondary);
  }
  std::vector<partition_id> refused(std::vector<lease_item> items) {
    auto answer = host.lease({node_id{"n1"}, pack(items)}, now);
    BOOST_REQUIRE(answer);
    return *unpack_partitions(answer->refused.data);
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(packed_leases_are_what_they_were) {
  std::vector<lease_item> items{{part(0), epoch{3}, v(2, 41)},
                                {part(70'000), epoch{1ull << 40}, v(1, 1ull << 63)}};
  auto packed = pack(items);
  BOOST_TEST(packed.data.size() == 64u);
  BOOST_TEST((*unpack_leases(packed.data) == items));
  std::vector<partition_id> ids{part(1), part(4'000'000'000)};
  BOOST_TEST((*unpack_partitions(pack(ids).data) == ids));
}

BOOST_AUTO_TEST_CASE(lists_that_are_cut_or_too_long_are_refused) {
  BOOST_TEST((unpack_leases(std::string(33, 'x')).error().code == errc::malformed));
  BOOST_TEST((unpack_partitions(std::string(7, 'x')).error().code == errc::malformed));
  BOOST_TEST(
      (unpack_leases(std::string(32 * (lease_items_max + 1), 'x')).error().code == errc::oversize));
  BOOST_TEST(unpack_leases("")->empty());
}

BOOST_FIXTURE_TEST_CASE(idle_partitions_of_one_member_share_a_message, leading) {
  advance(bounds.lease / 3);
  BOOST_TEST(appends.empty());
  BOOST_REQUIRE_EQUAL(leases.size(), 1u);
  BOOST_TEST(unpack_leases(leases[0].message.leases.data)->size() == 3u);
  auto sent_at = now;
  now += bounds.lease / 4;
  carry(host.lease_answered(leases[0].request, lease_ok{}, now));
  now = sent_at + bounds.lease - milliseconds(1);
  BOOST_TEST(host.readable(part(0), now).has_value()); // counted from when it was sent
  now += milliseconds(1);
  BOOST_TEST((host.readable(part(0), now).error().code == errc::lease_expired));
}

BOOST_FIXTURE_TEST_CASE(a_refused_lease_is_asked_for_by_an_append, leading) {
  advance(bounds.lease / 3);
  BOOST_REQUIRE_EQUAL(leases.size(), 1u);
  carry(host.lease_answered(leases[0].request, lease_ok{pack(std::vector{part(1)})}, now));
  advance(milliseconds(25));
  // It is due again at once, in a message of its own or an append; the others are not.
  size_t again = appends.size();
  for (size_t i = 1; i < leases.size(); ++i)
    again += unpack_leases(leases[i].message.leases.data)->size();
  BOOST_TEST(again == 1u);
  BOOST_REQUIRE_EQUAL(appends.size(), 1u);
  BOOST_TEST((appends[0].message.partition == part(1)));
}

BOOST_FIXTURE_TEST_CASE(a_lease_that_nobody_answers_lets_reads_expire, leading) {
  advance(bounds.lease / 3);
  BOOST_TEST(host.readable(part(2), now).has_value());
  advance(bounds.lease);
  BOOST_TEST((host.readable(part(2), now).error().code == errc::lease_expired));
  auto late = leases[0].request;
  advance(bounds.append_timeout);
  carry(host.lease_answered(late, lease_ok{}, now)); // forgotten by now
  BOOST_TEST((host.readable(part(2), now).error().code == errc::lease_expired));
}

BOOST_FIXTURE_TEST_CASE(an_answer_of_an_earlier_epoch_renews_nothing, leading) {
  advance(bounds.lease / 3);
  auto request = leases.at(0).request;
  configure(part(0), 2, replica_role::primary);
  carry(host.lease_answered(request, lease_ok{}, now));
  BOOST_TEST((host.readable(part(0), now).error().code == errc::lease_expired));
  BOOST_TEST(host.readable(part(1), now).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_partition_with_a_write_under_way_is_not_idle, leading) {
  carry(host.put(7, {part(0), {{{op_kind::put, {"k"}, {"v"}}}}}, now));
  BOOST_REQUIRE_EQUAL(appends.size(), 1u);
  advance(bounds.lease / 3);
  BOOST_REQUIRE_EQUAL(leases.size(), 1u);
  auto items = unpack_leases(leases[0].message.leases.data);
  BOOST_REQUIRE(items);
  BOOST_TEST(!items->empty());
  for (auto& item : *items) BOOST_TEST((item.partition != part(0)));
}

BOOST_FIXTURE_TEST_CASE(a_member_renews_what_it_holds_and_names_the_rest, following) {
  auto item = [](uint32_t i, uint64_t e, version newest) {
    return lease_item{part(i), epoch{e}, newest};
  };
  BOOST_TEST(refused({item(0, 1, {}), item(1, 1, {}), item(2, 1, {})}).empty());
  BOOST_TEST((refused({item(0, 2, {})}) == std::vector{part(0)}));      // an epoch it does not know
  BOOST_TEST((refused({item(0, 1, v(1, 1))}) == std::vector{part(0)})); // it lacks an entry
  BOOST_TEST((refused({item(9, 1, {}), item(1, 1, {})}) == std::vector{part(9)}));
}

BOOST_FIXTURE_TEST_CASE(a_sealed_member_renews_no_lease, following) {
  seal(part(0), 2);
  BOOST_TEST((refused({{part(0), epoch{1}, {}}, {part(1), epoch{1}, {}}}) == std::vector{part(0)}));
  BOOST_TEST((refused({{part(0), epoch{2}, {}}}) == std::vector{part(0)}));
}

BOOST_FIXTURE_TEST_CASE(a_seal_waits_for_a_lease_that_was_renewed_by_the_list, following) {
  advance(bounds.lease * 2);
  BOOST_TEST(refused({{part(0), epoch{1}, {}}}).empty());
  auto renewed = now;
  carry(host.seal(2, {{}, part(0), epoch{2}}, stored.at(part(0)), now));
  auto answers = [&](time_point at) {
    size_t n = 0;
    for (auto& a : host.tick(at)) n += std::holds_alternative<answer_report>(a);
    return n;
  };
  BOOST_TEST(answers(renewed + bounds.lease - milliseconds(1)) == 0u);
  BOOST_TEST(answers(renewed + bounds.lease) == 1u);
}

BOOST_AUTO_TEST_CASE(reports_of_large_nodes_come_less_often) {
  BOOST_TEST((report_pause(10) <= milliseconds(1)));
  BOOST_TEST((report_pause(1'000'000) == seconds(1)));
  BOOST_TEST((report_period(100, milliseconds(1000)) == milliseconds(1000)));
  BOOST_TEST((report_period(10'000, milliseconds(1000)) == seconds(2)));
}
