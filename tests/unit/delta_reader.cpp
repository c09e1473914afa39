#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <unistd.h>

#include "store/delta_reader.hpp"

using namespace harbinger;
namespace fs = std::filesystem;

namespace {

const partition_id part = make_partition_id(1, 1);

/// A secondary in epoch 2 with entries 1..10 (1..6 of epoch 1), committed up to 8.
struct secondary {
  std::string root =
      (fs::temp_directory_path() / ("hb-delta-" + std::to_string(::getpid()))).string();
  std::shared_ptr<partition_store> store;

  secondary() {
    fs::remove_all(root);
    store = partition_store::open({root, false, 0}).value();
    store_write item;
    item.partition = part;
    item.epoch = epoch{2};
    item.create = true;
    item.change.emplace();
    item.change->role = replica_role::secondary;
    item.change->state = replica_state::following;
    for (uint64_t seq = 1; seq <= 10; ++seq)
      item.entries.push_back(
          {{epoch{seq <= 6 ? 1u : 2u}, seq_no{seq}}, {{{op_kind::put, bytes{"k"}, bytes{"v"}}}}});
    item.committed = seq_no{8};
    BOOST_REQUIRE(store->write_one(item));
  }
  ~secondary() {
    store.reset();
    fs::remove_all(root);
  }
  result<std::optional<delta_batch>> after(uint64_t in, uint64_t seq, uint64_t digest = 0) {
    return read_deltas(*store, {part, {epoch{in}, seq_no{seq}}, digest, 0, 0});
  }
  void change(replica_role role, replica_state state) {
    store_write item;
    item.partition = part;
    item.epoch = epoch{2};
    item.previous = store->head(part)->version;
    item.change.emplace();
    item.change->role = role;
    item.change->state = state;
    BOOST_REQUIRE(store->write_one(item));
  }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(deltas_end_at_the_commit_point, secondary) {
  auto batch = after(1, 3).value().value();
  BOOST_TEST(batch.entries.size() == 5u);
  BOOST_TEST(batch.entries.front().version == (version{epoch{1}, seq_no{4}}));
  BOOST_TEST(batch.head == (version{epoch{2}, seq_no{8}}));
  BOOST_TEST(batch.digest == 0u); // not known in between
}

BOOST_FIXTURE_TEST_CASE(a_primary_gives_all_it_has, secondary) {
  change(replica_role::primary, replica_state::following);
  auto batch = after(1, 6).value().value();
  BOOST_TEST(batch.entries.size() == 4u);
  BOOST_TEST(batch.digest == store->head(part)->digest.total());
}

BOOST_FIXTURE_TEST_CASE(nothing_new_is_nothing, secondary) {
  BOOST_CHECK(!after(2, 8).value());
  BOOST_CHECK(!after(2, 9).value()); // a joiner may be ahead of the commit point
  BOOST_TEST(no_deltas(*store, {part, {}, 0, 0, 0})->head.seq == seq_no{8});
}

BOOST_FIXTURE_TEST_CASE(another_history_is_diverged, secondary) {
  BOOST_CHECK(after(1, 7).error().code == errc::diverged); // epoch 2 began at 7
  BOOST_CHECK(after(2, 5).error().code == errc::diverged);
}

BOOST_FIXTURE_TEST_CASE(another_digest_is_diverged, secondary) {
  change(replica_role::primary, replica_state::following);
  BOOST_CHECK(after(2, 10, 12345).error().code == errc::diverged);
  BOOST_CHECK(!after(2, 10, store->head(part)->digest.total()).value());
}

BOOST_FIXTURE_TEST_CASE(a_newer_asker_is_not_served, secondary) {
  BOOST_CHECK(after(3, 11).error().code == errc::unavailable);
}

BOOST_FIXTURE_TEST_CASE(a_trimmed_log_says_so, secondary) {
  BOOST_REQUIRE(store->trim_log(part, seq_no{5}));
  BOOST_CHECK(after(1, 2).error().code == errc::log_trimmed);
  BOOST_TEST(after(1, 4).value()->entries.size() == 4u);
}

BOOST_FIXTURE_TEST_CASE(an_incomplete_replica_serves_nobody, secondary) {
  change(replica_role::copy, replica_state::failed);
  BOOST_CHECK(after(1, 3).error().code == errc::unavailable);
  BOOST_CHECK(open_for_copy(*store, part).error().code == errc::unavailable);
  BOOST_CHECK(read_deltas(*store, {partition_id{99}, {}, 0, 0, 0}).error().code
              == errc::unknown_partition);
}

BOOST_FIXTURE_TEST_CASE(a_snapshot_waits_for_the_commit_point, secondary) {
  BOOST_CHECK(open_for_copy(*store, part).error().code == errc::unavailable);
  store_write news;
  news.partition = part;
  news.epoch = epoch{2};
  news.previous = store->head(part)->version;
  news.committed = seq_no{10};
  BOOST_REQUIRE(store->write_one(news));
  auto snapshot = open_for_copy(*store, part);
  BOOST_REQUIRE(snapshot);
  auto opened = describe_snapshot((*snapshot)->head());
  BOOST_TEST(opened.version.seq == seq_no{10});
  BOOST_CHECK(digest::from_sums(opened.digest) == store->head(part)->digest);
}
